"""``callmq dead``: list, show, replay or purge what will never be done."""

import argparse
import time
from contextlib import aclosing
from typing import Any, Final

from callmq_contracts.names import Names
from callmq_worker.cli.words import (
    EXIT_NO,
    EXIT_OK,
    EXIT_USAGE,
    age,
    moment,
    perform,
    plain,
    print_json,
    print_page,
    print_rows,
    say,
    whole,
)
from callmq_worker.core.replay import Terms
from callmq_worker.opening import opened_desk, opened_shelf
from callmq_worker.operations import dead
from callmq_worker.operations.dead import Selection
from callmq_worker.settings import load

HELP: Final = "list, show, replay or purge what will never be done"
_ABOUT: Final = """\
list     what lies in the dead letters, oldest first
show     one copy with its headers, by id or position; --body for its body
replay   publishes selected commands again and removes their copies once the broker has confirmed them
purge    removes selected copies for good

A copy's key guards its replay. Where the key has a recorded outcome, only the stored reply would come again:
--new-key makes a new intention of it, and a new intention may dial again. It is for you to decide.
While one of these runs, the copies that it has looked at are hidden from others; they come back when it ends."""
_ENDING: Final = "Exit codes: 0 done, 1 something stays where it is, 2 wrong usage, 3 broker or ledger not reached."
_COLUMNS: Final = ("position", "id", "routing_key", "command", "key", "account", "campaign", "when", "detail")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.epilog = _ENDING
    acts = parser.add_subparsers(dest="act", required=True, metavar="list|show|replay|purge")
    lister = acts.add_parser("list", help="what is there, oldest first")
    shower = acts.add_parser("show", help="one copy")
    replayer = acts.add_parser("replay", help="publish again")
    purger = acts.add_parser("purge", help="remove for good")
    for each in (lister, replayer, purger):
        each.add_argument("--id", help="the reply's id, as 'list' shows it")
        each.add_argument("--code", help="a code, an outcome or both, as in rejected.refused")
        each.add_argument("--key", help="the idempotency key")
        each.add_argument("--campaign")
        each.add_argument("--older-than", type=age, metavar="AGE", help="first received before, such as 7d or 12h")
    for each in (lister, shower, replayer, purger):
        each.add_argument("--json", action="store_true", help="one JSON document a line")
    lister.add_argument("--limit", type=whole, default=100, help="how many at most (default: %(default)s)")
    shower.add_argument("id", metavar="ID", help="the reply's id, or the position")
    shower.add_argument("--body", action="store_true", help="with the body, and nothing masked: for trusted readers")
    _add_terms(replayer)
    purger.add_argument("--yes", action="store_true", help="really; without it they are only counted")


def _add_terms(replayer: argparse.ArgumentParser) -> None:
    replayer.add_argument("--all", action="store_true", help="all of them, where no other choice is made")
    replayer.add_argument("--limit", type=whole, default=1000, help="how many at most (default: %(default)s)")
    replayer.add_argument("--expires-at", type=moment, metavar="TIME", help="a new end: RFC 3339 or milliseconds")
    replayer.add_argument(
        "--new-key", metavar="SUFFIX|auto", help="append this to the key: a new intention, which may dial again"
    )
    replayer.add_argument(
        "--override-retention", action="store_true", help="also where the ledger no longer knows what became of the key"
    )


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    acts = {"list": _list, "show": _show, "replay": _replay, "purge": _purge}
    if args.act in ("replay", "purge") and not getattr(args, "all", False) and _selection(args) == Selection():
        more = " or --all" if args.act == "replay" else ""
        say("dead", f"Say which: --id, --code, --key, --campaign, --older-than{more}.")
        return EXIT_USAGE
    return perform("dead", acts[args.act](args))


def _selection(args: argparse.Namespace) -> Selection:
    return Selection(args.id, args.code, args.key, args.campaign, args.older_than)


async def _list(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    async with opened_shelf(settings) as shelf:
        rows, depth = await dead.listing(shelf, Names(settings.prefix), _selection(args), args.limit, time.time())
    print_rows(rows, _COLUMNS, as_json=args.json)
    say("dead", f"{len(rows)} shown of {depth} in the queue.")
    return EXIT_OK


async def _show(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    async with opened_shelf(settings) as shelf:
        page = await dead.show(shelf, Names(settings.prefix).dead, args.id, body=args.body)
    if args.json:
        print_json(page)
    else:
        print_page(page)
    return EXIT_OK


async def _replay(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    terms = Terms(args.new_key, args.override_retention, args.expires_at, settings.retention)
    done = stayed = 0
    async with opened_desk(settings) as desk, aclosing(dead.replay(desk, _selection(args), terms, args.limit)) as acts:
        async for each in acts:
            row = each.row()
            done, stayed = (done + 1, stayed) if row["replayed"] else (done, stayed + 1)
            print_json(row) if args.json else _print_replayed(row)
    say("dead", f"{done} published again, {stayed} stay." if done + stayed else "Nothing there is meant by this.")
    return EXIT_OK if done and not stayed else EXIT_NO


def _print_replayed(row: dict[str, Any]) -> None:
    name = f"{row['id']} {plain(row['command'])}"
    renamed = f" as {plain(row['new_key'])}" if row["new_key"] else ""
    print(f"replayed {name}{renamed}" if row["replayed"] else f"stays    {name}: {row['why']}", flush=True)


async def _purge(args: argparse.Namespace) -> int:
    settings = load(broker_only=True)
    async with opened_shelf(settings) as shelf:
        names, now = Names(settings.prefix), time.time()
        count = await dead.purge(shelf, names, _selection(args), now, really=args.yes)
    if args.json:
        print_json({"purged": count if args.yes else 0, "selected": count})
    elif args.yes:
        print(f"{count} removed")
    if not args.yes:
        say("dead", f"{count} would be removed for good: add --yes.")
        return EXIT_USAGE
    return EXIT_OK
