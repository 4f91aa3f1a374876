"""``callmq pause``: a campaign's dials, or all that an account would send, wait until they are resumed."""

import argparse
from typing import Final

from callmq_contracts.reply import iso_time
from callmq_worker.cli.meant import add_names, meant, wrong_name
from callmq_worker.cli.words import EXIT_OK, EXIT_USAGE, perform, print_json, say
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "let a campaign's dials, or an account, wait until they are resumed"
_ABOUT: Final = """\
Pauses a campaign (its dials wait; commands on calls that live go on) or an account (nothing of it is sent): all workers
follow within seconds, and it holds over restarts, until 'callmq resume'. No attempt is used up; a command whose
lifetime ends meanwhile is answered 'expired'."""
_ENDING: Final = "Exit codes: 0 done, 1 no room, 2 wrong usage, 3 the ledger was not reached: nothing was done."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    add_names(parser, "campaign", "account")
    parser.add_argument("--why", default="", metavar="TEXT", help="shown by 'controls', in /readyz and in logs")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    wrong = wrong_name(args)
    if wrong is not None:
        say("pause", wrong)
        return EXIT_USAGE
    return perform("pause", _pause(args))


async def _pause(args: argparse.Namespace) -> int:
    target = meant(args)
    async with opened_ledger(load(broker_only=True)) as ledger:
        stands = await controls.pause(ledger, target, args.why)
    if args.json:
        print_json({"done": "paused", "scope": target.scope, "since": iso_time(stands.since), "why": stands.why})
    else:
        print(f"paused: {target.scope.value}, since {iso_time(stands.since)}")
    return EXIT_OK
