"""``callmq call``: publish one command and print its reply."""

import argparse
import asyncio
import sys
from typing import Any

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK, EXIT_UNREACHABLE, UsageError
from callmq.cli.fields import add_fields, client_of, message_of, read_body, say, seconds
from callmq.cli.settings import read_settings
from callmq.client import Client
from callmq.errors import (
    BrokerRefusedError,
    BrokerUnreachableError,
    CallmqError,
    InvalidCommandError,
    NotPublishedError,
    ReplyTimeoutError,
)
from callmq.received import ReceivedReply
from callmq.results import Blocked, Unknown

HELP = "publish one command and wait for its reply"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_fields(parser)
    parser.epilog = (
        "Exit code: 0 only where the command succeeded, 1 for any other outcome, 3 where none is known. With --json "
        'one document comes in any case: the reply, or {"result": ..., "key": ..., "reason": ...} where there is none.'
    )
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="SECONDS", help="(default: %(default)g)")
    parser.add_argument("--final", action="store_true", help="wait on when the outcome is unknown")


def run(args: argparse.Namespace) -> int:
    """Call; 0 only for succeeded."""
    settings = read_settings()
    if args.reply_to is not None:
        raise UsageError("--reply-to: a call has its own reply queue; use 'callmq send'.")
    body = read_body(args, or_stdin=True)
    return asyncio.run(_call(client_of(settings, args.app_id), args, body or b""))


async def _call(client: Client, args: argparse.Namespace, body: bytes) -> int:
    key = args.key if args.key is not None else Client.new_key()
    if args.key is None:
        say("call")(f"the key is {key}")
    try:
        async with client:
            reply = await _reply(client, args, body, key)
    except InvalidCommandError as error:
        _tell(args, error, {"result": "invalid", "key": key, "problem": error.problem.as_dict()})
        return EXIT_NO
    except NotPublishedError as error:
        _tell(args, error, {"result": error.result.name, "key": key})
        return EXIT_UNREACHABLE if isinstance(error.result, (Blocked, Unknown)) else EXIT_NO
    except ReplyTimeoutError as error:
        provisional = error.provisional.document if error.provisional else None
        _tell(args, error, {"result": "timeout", "key": key, "provisional": provisional})
        return EXIT_UNREACHABLE
    except (BrokerUnreachableError, BrokerRefusedError) as error:
        result = "unreachable" if isinstance(error, BrokerUnreachableError) else "refused"
        _tell(args, error, {"result": result, "key": key})
        return EXIT_UNREACHABLE
    option = 0 if args.json else orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(reply.document, option=option).decode() + "\n")
    return EXIT_OK if reply.ok else EXIT_NO


async def _reply(client: Client, args: argparse.Namespace, body: bytes, key: str) -> ReceivedReply:
    message = message_of(args, body, key)
    return await client.call(
        body,
        key=key,
        timeout=args.timeout,
        final=args.final,
        expires_at=message.expires_at,
        account=message.account,
        campaign=message.campaign,
        priority=message.priority,
        user_id=message.user_id,
        validate=message.validate,
    )


def _tell(args: argparse.Namespace, error: CallmqError, document: dict[str, Any]) -> None:
    """Say why there is no reply; with --json as the one document on standard output as well."""
    say("call")(str(error))
    if args.json:
        sys.stdout.write(orjson.dumps({**document, "reason": str(error)}).decode() + "\n")
