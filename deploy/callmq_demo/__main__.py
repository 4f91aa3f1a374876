"""``make demo``: everything that callmq does, seen on one's own machine in half a minute."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from callmq_demo.interrupts import Interrupts

WRONG_USAGE = 2
_ABOUT = """\
Sets up all that is missing (RabbitMQ by apt-get where that is possible), starts a broker, a stand-in for the
endpoint and a worker, publishes each of the 42 commands and what goes wrong in real life, and checks that each
got exactly the outcome that it must have. Ends all that it started.

The broker is the one of CALLMQ_AMQP_URL where that is set (under a prefix of its own, which is deleted at the end),
else an installed RabbitMQ as a private node, else a container. The endpoint is the sandbox, which rings nobody, unless
--live is given."""
_CODES = """\
Exit codes: 0 all as it must be, 1 something is off, 2 wrong usage, 3 something could not be started or reached,
130 interrupted by Ctrl-C."""


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    interrupts = Interrupts()
    interrupts.install()
    try:
        code = _main(_parser(), arguments, interrupts)
    except KeyboardInterrupt:
        code = interrupts.exit_code
    except BrokenPipeError:  # nobody reads any more, and all was ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    interrupts.ignore()
    return interrupts.exit_code or code


def _main(parser: argparse.ArgumentParser, arguments: list[str] | None, interrupts: Interrupts) -> int:
    given = parser.parse_args(arguments)
    from callmq_demo import demo, lend, live  # noqa: PLC0415 - a second's work, which Ctrl-C may cut short as well

    if given.broker_only:
        return lend.run(interrupts)
    if (given.to or given.sender) and not given.live:
        parser.error("--to and --from are for --live only.")
    if given.live:
        wrong = live.faults(os.environ, given.to, given.sender)
        wrong += ["--kill-worker is not for --live."] if given.kill_worker else []
        if wrong:
            print("callmq demo: --live was not begun:", *(f"  {each}" for each in wrong), sep="\n", file=sys.stderr)
            return WRONG_USAGE
        print(live.announcement(given.to, given.sender), file=sys.stderr)
    if given.keep_logs:
        try:
            given.keep_logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--keep-logs: the folder can't be made ({error.strerror}).")
    return demo.run(
        demo.Wish(given.kill_worker, given.json, given.plain, given.keep_logs, given.to, given.sender), interrupts
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make demo, or python -m callmq_demo",
        description=_ABOUT,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--kill-worker", action="store_true", help="kill -9 the worker while its requests are in flight"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output, words on the other")
    parser.add_argument("--plain", action="store_true", help="lines instead of the live table (also: NO_COLOR)")
    parser.add_argument("--keep-logs", type=Path, metavar="DIR", help="copy the logs of all programs there at the end")
    parser.add_argument("--broker-only", action="store_true", help="start a broker, say where it is, wait for Ctrl-C")
    parser.add_argument("--live", action="store_true", help="the real endpoint, one real call: see SIGNALWIRE_*")
    parser.add_argument("--to", metavar="NUMBER", help="with --live: whose phone rings")
    parser.add_argument("--from", dest="sender", metavar="NUMBER", help="with --live: one of your numbers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
