"""The command ``callmq``: finds the verbs that are installed and runs one.

A verb is a module with ``HELP`` (one line), ``arguments(parser)`` and ``run(args) -> int``, named by an entry point
of the group ``callmq.verbs``. Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 could not reach something,
130 interrupted. Data goes to standard output, words to standard error.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from types import ModuleType
from typing import Any, Final, TextIO

from callmq.cli.exits import EXIT_INTERRUPTED, EXIT_OK, EXIT_PIPE, EXIT_UNREACHABLE, EXIT_USAGE, UsageError

GROUP: Final = "callmq.verbs"

# One line each, so that the list of verbs needs none of their modules; a verb that is not here says it itself.
HELPS: Final = {
    "send": "publish commands",
    "call": "publish one command and wait for its reply",
    "replies": "follow replies",
    "validate": "check command bodies without sending them",
    "work": "run a worker",
    "topology": "declare, verify or export the exchanges and queues",
    "dead": "list, show, replay or purge what will never be done",
    "unknown": "list, show or resolve commands whose outcome is unknown",
    "cancel": "cancel a key, a campaign or what is meant for a call",
    "pause": "let a campaign's dials, or an account, wait until they are resumed",
    "resume": "end a pause of a campaign or an account",
    "controls": "show what operators have cancelled and paused",
    "lanes": "show what waits in each lane, its pace, and what holds it up",
    "sandbox": "run a stand-in for the endpoint",
    "doctor": "look for what is wrong with broker, ledger and settings",
    "schema": "print the AsyncAPI document or the JSON Schema",
}
_OWN: Final = ("send", "call", "replies", "validate", "schema")


class _Parser(argparse.ArgumentParser):
    """Parses whole option names only, in the verbs' own parsers as well: ``--y`` must not count as ``--yes``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **options})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; never raises."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader went. What is still buffered must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else EXIT_OK if end.code is None else EXIT_USAGE
    return code


def _dispatch(words: list[str]) -> int:
    if words and words[0] in {"--version", "-V"}:
        print(f"callmq {_version()}")
        return EXIT_OK
    verbs = _verbs()
    if not words or words[0] in {"--help", "-h", "help"}:
        _print_help(verbs, to=sys.stdout if words else sys.stderr)
        return EXIT_OK if words else EXIT_USAGE
    name = words[0]
    if name not in verbs:
        what = "option" if name.startswith("-") else "verb"
        print(f"callmq: there is no {what} of that name. 'callmq --help' lists the verbs.", file=sys.stderr)
        return EXIT_USAGE
    return _run(name, verbs[name], words[1:])


def _run(name: str, load: Callable[[], ModuleType], words: list[str]) -> int:
    for number, word in enumerate(words, 1):
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            print(f"callmq {name}: argument {number} is not text in UTF-8.", file=sys.stderr)
            return EXIT_USAGE
    try:
        verb = load()
    except ImportError as error:
        wanted = f" ({error.name})" if error.name else ""
        print(
            f"callmq {name}: a package that it needs is not installed{wanted}. "
            "Install it with: pip install 'callmq[worker]'",
            file=sys.stderr,
        )
        return EXIT_USAGE
    parser = _Parser(prog=f"callmq {name}", description=verb.HELP)
    verb.arguments(parser)
    try:
        code: int = verb.run(parser.parse_args(words))
    except UsageError as error:
        for line in error.lines:
            print(f"callmq {name}: {line}", file=sys.stderr)
        return EXIT_USAGE
    except Exception as error:
        from callmq.errors import BrokerRefusedError, BrokerUnreachableError  # noqa: PLC0415 - needed on a failure only

        if not isinstance(error, (BrokerRefusedError, BrokerUnreachableError)):
            raise
        print(f"callmq {name}: {error}", file=sys.stderr)
        return EXIT_UNREACHABLE
    return code


def _verbs() -> dict[str, Callable[[], ModuleType]]:
    """Return the loader of every verb; this package's own are there even where nothing was installed."""
    found: dict[str, Callable[[], ModuleType]] = {each.name: each.load for each in entry_points(group=GROUP)}
    for name in _OWN:
        found.setdefault(name, partial(import_module, f"callmq.cli.{name}"))
    rank = list(HELPS)
    return dict(sorted(found.items(), key=lambda each: rank.index(each[0]) if each[0] in rank else len(rank)))


def _print_help(verbs: dict[str, Callable[[], ModuleType]], to: TextIO) -> None:
    lines = ["usage: callmq <verb> [options]", "", "Call commands through RabbitMQ.", "", "verbs:"]
    lines += [f"  {name:10} {_help(name, load)}" for name, load in verbs.items()]
    lines += ["", "'callmq <verb> --help' says more. The broker is named by CALLMQ_AMQP_URL or CALLMQ_AMQP_URL_FILE."]
    print("\n".join(lines), file=to)


def _help(name: str, load: Callable[[], ModuleType]) -> str:
    if name in HELPS:
        return HELPS[name]
    try:
        return str(load().HELP)
    except ImportError:
        return "(a package that it needs is not installed)"


def _version() -> str:
    try:
        return version("callmq")
    except PackageNotFoundError:
        return "(not installed)"
