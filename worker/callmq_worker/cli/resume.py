"""``callmq resume``: end what ``pause`` or ``cancel`` said."""

import argparse
from functools import partial
from typing import Final

from callmq_worker.cli.targets import add_targets, perform_on
from callmq_worker.cli.words import EXIT_OK, print_json, say
from callmq_worker.core.controls import Scope, Target
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "end a pause or a cancellation"
_ABOUT: Final = """\
Ends what stands for a campaign, an account, a call or a key. What was answered with 'cancelled' meanwhile stays so.

Exit codes: 0 done, 1 nothing stood, 2 wrong usage, 3 the ledger could not be reached."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    add_targets(parser, Scope.KEY, Scope.CAMPAIGN, Scope.CALL, Scope.ACCOUNT)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform_on("resume", args, partial(_resume, args))


async def _resume(args: argparse.Namespace, target: Target) -> int:
    async with opened_ledger(load(broker_only=True)) as ledger:
        ended = await controls.resume(ledger, target)
    if args.json:
        print_json({"resumed": target.scope, "ended": ended})
    else:
        say("resume", f"ended for this {target.scope.value}: {', '.join(ended)}.")
    return EXIT_OK
