"""``callmq cancel``: what is cancelled is not dispatched any more, and answered with ``cancelled``."""

import argparse
from functools import partial
from typing import Final

from callmq_contracts.reply import iso_time
from callmq_worker.cli.targets import add_targets, perform_on
from callmq_worker.cli.words import EXIT_OK, age, print_json, say
from callmq_worker.core.controls import Scope, Target
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "cancel a campaign, a call or a key before it is dispatched"
_ABOUT: Final = """\
Tells all workers, through their ledger: within a second or two none of them begins such a command, wherever it waits,
and each is answered with 'cancelled' when its turn comes (a campaign's dials at once). It holds over restarts, and
for what is published later under the same name, until --for is over or 'callmq resume' ends it.
What is being sent at that moment is not stopped; what may have been done already is answered with 'unknown'.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the ledger could not be reached."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    add_targets(parser, Scope.KEY, Scope.CAMPAIGN, Scope.CALL)
    parser.add_argument(
        "--for", dest="seconds", type=age, metavar="TIME", help="such as 12h (default: as long as any command may wait)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform_on("cancel", args, partial(_cancel, args))


async def _cancel(args: argparse.Namespace, target: Target) -> int:
    settings = load(broker_only=True)
    async with opened_ledger(settings) as ledger:
        span = await controls.cancel(ledger, target, args.seconds or settings.longest_life)
    if args.json:
        print_json({"cancelled": target.scope, "since": iso_time(span.since), "until": iso_time(span.until)})
    else:
        say("cancel", f"this {target.scope.value} is cancelled until {iso_time(span.until)}.")
    return EXIT_OK
