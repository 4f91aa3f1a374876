"""``callmq call``: publish one command and print its reply."""

import argparse
import asyncio
import sys

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK, EXIT_UNREACHABLE, UsageError
from callmq.cli.fields import add_fields, message_of, read_body, say
from callmq.cli.settings import read_settings
from callmq.client import Client
from callmq.errors import InvalidCommandError, NotPublishedError, ReplyTimeoutError
from callmq.results import Blocked, Unknown

HELP = "publish one command and wait for its reply"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_fields(parser)
    parser.epilog = "Exit code: 0 only where the command succeeded, 1 for any other outcome, 3 where none is known."
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="(default: %(default)g)")
    parser.add_argument("--final", action="store_true", help="wait on when the outcome is unknown")


def run(args: argparse.Namespace) -> int:
    """Call; 0 only for succeeded."""
    settings = read_settings()
    if args.reply_to is not None:
        raise UsageError("--reply-to: a call has its own reply queue; use 'callmq send'.")
    body = read_body(args, or_stdin=True)
    client = Client(settings.url, app_id=args.app_id, prefix=settings.prefix)
    return asyncio.run(_call(client, args, body or b""))


async def _call(client: Client, args: argparse.Namespace, body: bytes) -> int:
    words = say("call")
    key = args.key if args.key is not None else Client.new_key()
    if args.key is None:
        words(f"the key is {key}")
    message = message_of(args, body, key)
    async with client:
        try:
            reply = await client.call(
                body,
                key=key,
                timeout=args.timeout,
                final=args.final,
                expires_at=message.expires_at,
                account=message.account,
                campaign=message.campaign,
                validate=message.validate,
            )
        except InvalidCommandError as error:
            words(str(error))
            return EXIT_NO
        except NotPublishedError as error:
            words(str(error))
            return EXIT_UNREACHABLE if isinstance(error.result, (Blocked, Unknown)) else EXIT_NO
        except ReplyTimeoutError as error:
            words(str(error))
            return EXIT_UNREACHABLE
    option = 0 if args.json else orjson.OPT_INDENT_2
    sys.stdout.write(orjson.dumps(reply.document, option=option).decode() + "\n")
    return EXIT_OK if reply.ok else EXIT_NO
