"""``callmq controls``: list what is cancelled and what is paused."""

import argparse
from typing import Final

from callmq_worker.adapters.clock import SystemClock
from callmq_worker.cli.words import EXIT_OK, perform, print_rows, say
from callmq_worker.opening import opened_ledger
from callmq_worker.operations import controls
from callmq_worker.settings import load

HELP: Final = "list what is cancelled and what is paused"
_COLUMNS: Final = ("control", "scope", "name", "account", "since", "until", "why")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description = "Lists what operators told all workers, oldest first. Phone numbers in names are masked."
    parser.add_argument("--unmasked", action="store_true", help="show names as they are: for trusted readers")
    parser.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform("controls", _list(args))


async def _list(args: argparse.Namespace) -> int:
    async with opened_ledger(load(broker_only=True)) as ledger:
        rows = await controls.standing(ledger, SystemClock(), masked=not args.unmasked)
    print_rows(rows, _COLUMNS, as_json=args.json)
    say("controls", f"{len(rows)} stand.")
    return EXIT_OK
