"""``callmq cancel``: what is named is never dispatched, wherever it waits."""

import argparse
import asyncio
from typing import Final

from callmq_contracts.reply import iso_time
from callmq_worker.cli.meant import add_names, meant, wrong_name
from callmq_worker.cli.words import EXIT_OK, EXIT_USAGE, age, perform, print_json, say
from callmq_worker.core.controls import Cancellation, Target
from callmq_worker.opening import opened_desk, opened_ledger
from callmq_worker.operations import controls
from callmq_worker.operations.desk import NotReachedError
from callmq_worker.ports import BrokerAwayError, LedgerAwayError
from callmq_worker.settings import Settings, load

HELP: Final = "cancel a key, a campaign or what is meant for a call"
_ABOUT: Final = """\
Cancels commands that were not dispatched yet, in a queue, in a delay tier, in a lane or waiting for their pace: all
workers follow within seconds, it holds over restarts, and each command is answered 'cancelled'.

What is published later under the same name is cancelled too, for as long as a command may wait; --lift ends that. What
was dispatched stays so: a call that rings goes on, and what may have been done is answered 'unknown'. --call means
every command on that call, calling.end as well."""
_ENDING: Final = (
    "Exit codes: 0 done, 1 no room, or nothing to lift, 2 wrong usage, 3 the ledger was not reached: nothing was done."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    add_names(parser, "key", "campaign", "call")
    parser.add_argument("--account", help="whose key it is (default: default)")
    parser.add_argument("--for", dest="seconds", type=age, metavar="AGE", help="for longer than commands wait: 30d")
    parser.add_argument("--lift", action="store_true", help="end a cancellation; what was answered stays cancelled")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    wrong = wrong_name(args)
    if args.account is not None and args.key is None:
        wrong = "--account goes with --key only: campaigns and calls are the same in all accounts."
    if args.lift and args.seconds is not None:
        wrong = "--for does not go with --lift."
    if wrong is not None:
        say("cancel", wrong)
        return EXIT_USAGE
    return perform("cancel", _lift(args) if args.lift else _cancel(args))


async def _lift(args: argparse.Namespace) -> int:
    async with opened_ledger(load(broker_only=True)) as ledger:
        await controls.lift(ledger, meant(args))
    print_json({"done": "lifted"}) if args.json else print("lifted")
    return EXIT_OK


async def _cancel(args: argparse.Namespace) -> int:
    settings, target = load(broker_only=True), meant(args)
    least = settings.longest_life
    if args.seconds is not None and args.seconds < least:
        say("cancel", f"--for must be at least {least:.0f}s, as long as a command may wait: else it went after all.")
        return EXIT_USAGE
    async with opened_ledger(settings) as ledger:
        span = await controls.cancel(ledger, target, args.seconds or least)
    brought = await _brought_back(settings, target)
    _print_done(args, target, span, brought)
    return EXIT_OK


async def _brought_back(settings: Settings, target: Target) -> int | None:
    """Return how many commands were put back from tiers, None where the broker could not be used."""
    await asyncio.sleep(controls.HEARD)
    try:
        async with opened_desk(settings) as desk:
            return await controls.bring_back(desk, settings.tiers, target)
    except NotReachedError as error:
        say("cancel", str(error))
    except (BrokerAwayError, LedgerAwayError) as error:
        say("cancel", f"It stands; what waits in a delay tier could not be put back, and is answered later: {error}")
    return None


def _print_done(args: argparse.Namespace, target: Target, span: Cancellation, brought: int | None) -> None:
    if args.json:
        document = {"done": "cancelled", "scope": target.scope, "until": iso_time(span.until), "brought_back": brought}
        print_json(document)
        return
    print(f"cancelled: {target.scope.value}, until {iso_time(span.until)}")
    if brought:
        say("cancel", f"{brought} that waited in a delay tier were put back into their lanes, to be answered now.")
