"""``callmq resume``: end a pause that an operator made."""

import argparse
from typing import Final

from callmq_worker.cli.meant import add_names, meant, wrong_name
from callmq_worker.cli.words import EXIT_OK, EXIT_USAGE, perform, print_json, say
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "end a pause of a campaign or an account"
_ABOUT: Final = """\
Ends what 'callmq pause' began. An account that the endpoint refuses stays paused until a probe succeeds, and a campaign
that is cancelled stays cancelled ('callmq cancel --lift' ends that)."""
_ENDING: Final = (
    "Exit codes: 0 done, 1 it is not paused, 2 wrong usage, 3 the ledger was not reached: nothing was done."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    add_names(parser, "campaign", "account")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    wrong = wrong_name(args)
    if wrong is not None:
        say("resume", wrong)
        return EXIT_USAGE
    return perform("resume", _resume(args))


async def _resume(args: argparse.Namespace) -> int:
    target = meant(args)
    async with opened_ledger(load(broker_only=True)) as ledger:
        cancelled = await controls.resume(ledger, target)
    if cancelled:
        say("resume", "It is cancelled as well, and stays so: 'callmq cancel --campaign … --lift' ends that.")
    if args.json:
        print_json({"done": "resumed", "scope": target.scope, "cancelled": cancelled})
    else:
        print(f"resumed: {target.scope.value}")
    return EXIT_OK
