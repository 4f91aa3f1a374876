"""``callmq unknown``: list, show or resolve commands whose outcome is unknown."""

import argparse
import time
from typing import Any, Final

from callmq_contracts.names import DEFAULT_ACCOUNT, Names
from callmq_contracts.reply import OutcomeName
from callmq_worker.cli.words import (
    EXIT_OK,
    EXIT_USAGE,
    moment,
    perform,
    print_json,
    print_page,
    print_rows,
    say,
    whole,
)
from callmq_worker.core.resolution import RESOLVABLE, Resolution, is_call_id
from callmq_worker.opening import opened_desk, opened_ledger, opened_shelf
from callmq_worker.operations import unknown
from callmq_worker.operations.parked import Who
from callmq_worker.operations.unknown import Done
from callmq_worker.ports import BrokerAwayError, LedgerAwayError
from callmq_worker.settings import Settings, load

HELP: Final = "list, show or resolve commands whose outcome is unknown"
_ABOUT: Final = """\
list      commands that may have been done and may not: look each one up at the endpoint, then resolve it
show      one of them: its record, its last reply, its parked copy
resolve   says how it ended (--outcome), publishes the second and final reply, and removes its parked copy;
          or sends it once more (--dispatch-again --yes): if the first was done after all, it acts TWICE

KEY is the idempotency key, or the id that 'list' shows (phone numbers in keys are masked there).
An act that broke off is finished by running it again."""
_ENDING: Final = "Exit codes: 0 done, 1 the answer is no (such as settled meanwhile), 2 wrong usage, 3 not reached."
_COLUMNS: Final = ("id", "key", "account", "command", "campaign", "since", "attempts", "reason")
_TWICE: Final = (
    "it may have been done the first time: dispatched again, it may act TWICE (a dial rings a person's phone again). "
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    acts = parser.add_subparsers(dest="act", required=True, metavar="list|show|resolve")
    lister = acts.add_parser("list", help="what is unknown, oldest first")
    shower = acts.add_parser("show", help="one command")
    resolver = acts.add_parser("resolve", help="say how it ended, or dispatch it again")
    for each in (lister, shower, resolver):
        each.add_argument("--json", action="store_true", help="one JSON document a line")
    for each in (shower, resolver):
        each.add_argument("key", metavar="KEY", help="the idempotency key, or the id that 'list' shows")
        each.add_argument("--account", default=DEFAULT_ACCOUNT, help="the key's account (default: %(default)s)")
    lister.add_argument("--limit", type=whole, default=100, help="how many at most (default: %(default)s)")
    shower.add_argument("--body", action="store_true", help="with the body, and nothing masked: for trusted readers")
    what = resolver.add_mutually_exclusive_group(required=True)
    what.add_argument("--outcome", choices=[outcome.value for outcome in RESOLVABLE])
    what.add_argument("--dispatch-again", action="store_true", help="send it once more; it may act twice")
    resolver.add_argument("--call-id", help="the call that was made, for succeeded")
    resolver.add_argument("--note", help="goes into the reply's problem.detail, for failed")
    resolver.add_argument("--expires-at", type=moment, metavar="TIME", help="for --dispatch-again: a new end")
    resolver.add_argument("--yes", action="store_true", help="for --dispatch-again: you accept that it may act twice")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    if args.act == "list":
        return perform("unknown", _list(args))
    if args.act == "show":
        return perform("unknown", _show(args))
    wrong = _wrong_usage(args)
    if wrong is not None:
        say("unknown", wrong)
        return EXIT_USAGE
    return perform("unknown", _resolve(args))


def _wrong_usage(args: argparse.Namespace) -> str | None:
    if args.call_id is not None and args.outcome != OutcomeName.SUCCEEDED:
        return "--call-id goes with --outcome succeeded only."
    if args.call_id is not None and not is_call_id(args.call_id):
        return "--call-id must be a call id (8-4-4-4-12 hexadecimal digits)."
    if args.note is not None and args.outcome != OutcomeName.FAILED:
        return "--note goes with --outcome failed only: no other reply has a place for it."
    if args.expires_at is not None and not args.dispatch_again:
        return "--expires-at goes with --dispatch-again only."
    if args.dispatch_again and not args.yes:
        return f"{_TWICE}If you want that, add --yes; nothing was changed."
    return None


async def _list(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    rows, notes = await _rows(settings, args.limit)
    print_rows(rows, _COLUMNS, as_json=args.json)
    for note in notes:
        say("unknown", note)
    say("unknown", f"{len(rows)} shown.")
    return EXIT_OK


async def _rows(settings: Settings, limit: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Return rows of the ledger and of the queue, and notes. Raises `BrokerAwayError` where neither answers."""
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    names = Names(settings.prefix)
    try:
        async with opened_ledger(settings) as ledger:
            rows = await unknown.from_ledger(ledger, limit)
            try:
                async with opened_shelf(settings) as shelf:
                    more, depth = await unknown.from_queue(shelf, names, ledger, limit - len(rows))
            except BrokerAwayError as error:
                return rows, [f"Only the ledger was asked; the broker could not be used: {error}"]
    except LedgerAwayError as error:
        notes.append(f"The ledger could not be asked: {error} What follows is from the queue.")
        async with opened_shelf(settings) as shelf:
            more, depth = await unknown.from_queue(shelf, names, None, limit)
    return rows + more, [*notes, f"Copies parked in the queue: {depth}."]


async def _show(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    who = Who(args.key, args.account)
    async with opened_ledger(settings) as ledger, opened_shelf(settings) as shelf:
        page = await unknown.show(ledger, shelf, Names(settings.prefix), who, body=args.body)
    if args.json:
        print_json(page)
    else:
        print_page(page)
    return EXIT_OK


async def _resolve(args: argparse.Namespace) -> int:
    who = Who(args.key, args.account)
    if args.dispatch_again:
        say("unknown", f"Warning: {_TWICE}")
    async with opened_desk(load(broker_only=True)) as desk:
        if args.dispatch_again:
            done = await unknown.dispatch_again(desk, who, args.expires_at)
        else:
            word = Resolution(OutcomeName(args.outcome), time.time(), args.call_id, args.note)
            done = await unknown.resolve(desk, who, word)
    what = "dispatched again" if args.dispatch_again else f"resolved as {args.outcome}"
    _print_done(done, what, as_json=args.json)
    return EXIT_OK


def _print_done(done: Done, what: str, *, as_json: bool) -> None:
    for line in done.words:
        say("unknown", line)
    if as_json:
        print_json({"done": what, "parked_removed": done.removed, "reply_owed": done.owed, "notes": done.words})
    else:
        print(f"{what}; parked copies removed: {done.removed}")
