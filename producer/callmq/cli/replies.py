"""``callmq replies``: follow replies."""

import argparse
import asyncio
import sys

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK
from callmq.cli.fields import client_of, say, seconds, short, whole
from callmq.cli.settings import read_settings
from callmq.client import Client
from callmq.following import ReplyStream
from callmq.received import ReceivedReply
from callmq_contracts.terminal import plain

HELP = "follow replies, one a line"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = "Without --queue only replies from now on are seen. Exit code: 1 where --timeout ends a --count."
    parser.add_argument(
        "--bind", type=short, default="#", metavar="PATTERN", help="which: <app_id>.<command>.<outcome> (default: all)"
    )
    parser.add_argument("--queue", type=short, help="a durable queue, in which replies wait while nobody listens")
    parser.add_argument("--count", type=whole, metavar="N", help="end after so many")
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="end after so long")
    parser.add_argument("--json", action="store_true", help="print each reply's JSON")


def run(args: argparse.Namespace) -> int:
    """Follow until the count, the time or Ctrl-C."""
    settings = read_settings()
    return asyncio.run(_follow(client_of(settings), args))


async def _follow(client: Client, args: argparse.Namespace) -> int:
    async with client, client.replies(args.bind, args.queue) as stream:
        say("replies")("listening")
        try:
            async with asyncio.timeout(args.timeout):
                await _print_all(stream, args)
        except TimeoutError:
            return EXIT_OK if args.count is None else EXIT_NO
    return EXIT_OK


async def _print_all(stream: ReplyStream, args: argparse.Namespace) -> None:
    printed = 0
    async for reply in stream:
        sys.stdout.write((orjson.dumps(reply.document).decode() if args.json else _line(reply)) + "\n")
        sys.stdout.flush()
        await stream.acknowledge()
        printed += 1
        if printed == args.count:
            return


def _line(reply: ReceivedReply) -> str:
    when = reply.finished_at.isoformat(timespec="milliseconds") if reply.finished_at else "-"
    problem = " " + plain(f"{reply.problem.code}: {reply.problem.detail}") if reply.problem else ""
    words = (when, reply.outcome.value, reply.command, reply.idempotency_key, reply.call_id)
    return " ".join(map(plain, words)) + problem
