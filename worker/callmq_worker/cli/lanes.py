"""``callmq lanes``: what waits where, how fast it goes, and what holds it up."""

import argparse
from collections.abc import Sequence
from typing import Any, Final

from callmq_contracts.names import Names
from callmq_worker.cli.words import EXIT_OK, EXIT_USAGE, perform, print_rows, say
from callmq_worker.core.view import COLUMNS, flat, span
from callmq_worker.opening import management_url, opened_depths, opened_ledger, opened_management
from callmq_worker.operations.lanes import Asked, Survey
from callmq_worker.settings import load

HELP: Final = "show what waits in each lane, its pace, and what holds it up"
_ABOUT: Final = """\
Shows, by account and lane, what waits and is in flight, the dials a second at present, when the queue is empty if all
stays as it is, the age of the oldest, and what is paused and why: by an operator, by the endpoint, by a campaign. An
account's own line counts its waiting dials.

Nothing is taken, and without --oldest nothing touched. CALLMQ_MANAGEMENT_URL (http://user:password@host:15672) lets
it see what is in flight. Needs the workers' settings: CALLMQ_AMQP_URL, CALLMQ_LEDGER_URL, CALLMQ_PREFIX, rates,
CALLMQ_CONFIG."""
_ENDING: Final = (
    "Exit codes: 0 done, 1 the operators' note can't be read, 2 wrong usage, 3 broker or ledger not reached."
)
_IN_FLIGHT: Final = "What is in flight can't be seen over AMQP: give CALLMQ_MANAGEMENT_URL."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    parser.add_argument("--account", metavar="NAME", help="only this account, without the lanes that accounts share")
    parser.add_argument(
        "--oldest",
        action="store_true",
        help="also look at the first dial of each queue in which dials wait: each look counts as one delivery of 100, "
        "so not again and again",
    )
    parser.add_argument("--unmasked", action="store_true", help="with phone numbers in names: for trusted readers")
    parser.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform("lanes", _show(args))


async def _show(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    url = management_url()
    if args.account is not None and args.account not in settings.account_names:
        say("lanes", f"The settings have no such account. They have: {', '.join(settings.account_names)}.")
        return EXIT_USAGE
    accounts = settings.account_names if args.account is None else (args.account,)
    asked = Asked(
        Names(settings.prefix),
        accounts,
        settings.tiers,
        settings.rates,
        all=args.account is None,
        oldest=args.oldest,
        masked=not args.unmasked,
    )
    async with (
        opened_ledger(settings) as ledger,
        opened_depths(settings) as depths,
        opened_management(settings, url) as management,
    ):
        rows = await Survey(asked, ledger, depths, management).rows()
    print_rows(rows if args.json else [flat(row) for row in rows], COLUMNS, as_json=args.json)
    _summarize(rows)
    if url is None:
        say("lanes", _IN_FLIGHT)
    return EXIT_OK


def _summarize(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        if row["kind"] == "account":
            pace = "unpaced" if row["pace"] is None else f"{row['pace']:.3g}/s"
            drained = "" if row["drained_in"] is None else f", drained in {span(row['drained_in'])}"
            held = f"; {row['paused']}" if row["paused"] else ""
            say("lanes", f"account {row['account']}: {pace}, {row['waiting']:,} dials wait{drained}{held}.")
