"""``callmq pause``: a campaign's dials, or all commands of an account, wait until ``callmq resume``."""

import argparse
from functools import partial
from typing import Final

from callmq_contracts.reply import iso_time
from callmq_worker.cli.targets import add_targets, perform_on
from callmq_worker.cli.words import EXIT_OK, print_json, say
from callmq_worker.core.controls import Scope, Target
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "let a campaign's dials or an account wait"
_ABOUT: Final = """\
Tells all workers, through their ledger: within a second or two none of them begins a dial of the campaign, or any
command of the account. They wait, and expire when their time is over. It holds over restarts, until 'callmq resume'.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 the ledger could not be reached."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    add_targets(parser, Scope.CAMPAIGN, Scope.ACCOUNT)
    parser.add_argument("--why", default="", metavar="TEXT", help="shown wherever the pause is")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform_on("pause", args, partial(_pause, args))


async def _pause(args: argparse.Namespace, target: Target) -> int:
    async with opened_ledger(load(broker_only=True)) as ledger:
        stands = await controls.pause(ledger, target, args.why)
    if args.json:
        print_json({"paused": target.scope, "since": iso_time(stands.since), "why": stands.why})
    else:
        say("pause", f"this {target.scope.value} is paused since {iso_time(stands.since)}.")
    return EXIT_OK
