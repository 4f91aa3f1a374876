"""``callmq controls``: what is cancelled and what is paused."""

import argparse
import time
from typing import Final

from callmq_worker.cli.words import EXIT_OK, perform, print_rows, say
from callmq_worker.core.controls import rows
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "show what operators have cancelled and paused"
_ENDING: Final = (
    "Exit codes: 0 done, also where nothing stands, 1 the note can't be read, 2 wrong usage, 3 not reached."
)
_COLUMNS: Final = ("control", "scope", "name", "account", "since", "until", "why")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description = "Shows what 'cancel' and 'pause' have said and what is still in force, oldest first."
    parser.epilog = _ENDING
    parser.add_argument("--unmasked", action="store_true", help="with phone numbers in names: for trusted readers")
    parser.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform("controls", _list(args))


async def _list(args: argparse.Namespace) -> int:
    async with opened_ledger(load(broker_only=True)) as ledger:
        stands = (await controls.standing(ledger)).at(time.time())
    print_rows(rows(stands, masked=not args.unmasked), _COLUMNS, as_json=args.json)
    say("controls", f"{len(stands.cancelled)} cancelled, {len(stands.paused)} paused.")
    return EXIT_OK
