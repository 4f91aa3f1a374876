"""``callmq send``: publish one command, or one a line."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK, EXIT_UNREACHABLE, UsageError
from callmq.cli.fields import add_fields, client_of, message_of, read_body, read_stdin, say, whole
from callmq.cli.lines import lines_in_background
from callmq.cli.settings import read_settings
from callmq.cli.wrapped import message_of_line
from callmq.client import WINDOW, Client
from callmq.message import Message
from callmq.results import Blocked, Confirmed, Invalid, Nacked, SendManyResult, Unknown, Unroutable
from callmq_contracts.terminal import plain

HELP = "publish commands: one body, or one a line on standard input"
EPILOG: Final = (
    'A line is a body, or {"key": ..., "body": {...}} with any of account, campaign, priority, expires_at, '
    "correlation_id, reply_to, call_id, or as the wire spells them, such as idempotency-key. "
    "Commands without a key get a new one, which is printed: publish again with the same key and nothing "
    "is done twice. Exit code: 0 all confirmed, 1 any refused, 3 any blocked or unknown."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_fields(parser)
    parser.epilog = EPILOG
    parser.add_argument(
        "--window", type=whole, default=WINDOW, help="confirms that may be outstanding (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Publish; 0 where the broker has all of them."""
    settings = read_settings()
    body = read_body(args, or_stdin=False)
    if body is None and args.key is not None:
        raise UsageError("--key names one command: on standard input give each line its own.")
    return asyncio.run(_send(client_of(settings, args.app_id), args, body))


async def _send(client: Client, args: argparse.Namespace, body: bytes | None) -> int:
    codes = {EXIT_OK}
    async with client:
        async for result in client.send_many(_messages(args, body), window=args.window):
            codes.add(_code(result))
            _print(result, as_json=args.json)
    return EXIT_NO if EXIT_NO in codes else max(codes)


async def _messages(args: argparse.Namespace, body: bytes | None) -> AsyncIterator[Message | Invalid]:
    if body is not None:
        yield message_of(args, body, args.key if args.key is not None else Client.new_key())
        return
    async for line in lines_in_background(read_stdin):
        yield message_of_line(args, line)


def _code(result: SendManyResult) -> int:
    match result:
        case Confirmed():
            return EXIT_OK
        case Unroutable() | Nacked() | Invalid():
            return EXIT_NO
        case Blocked() | Unknown():
            return EXIT_UNREACHABLE


def _print(result: SendManyResult, *, as_json: bool) -> None:
    if not result.ok:
        say("send")(result.text)
    line = orjson.dumps(_document(result)).decode() if as_json else f"{result.name} {plain(result.key)}"
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # whoever feeds lines one by one wants to know at once


def _document(result: SendManyResult) -> dict[str, Any]:
    document: dict[str, Any] = {"result": result.name, "key": result.key, "message_id": result.message_id or None}
    if result.reason:
        document["reason"] = result.reason
    if isinstance(result, Invalid) and result.problem is not None:
        document["problem"] = result.problem.as_dict()
    return document
