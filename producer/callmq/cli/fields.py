"""The options that the publishing verbs share, and what they read."""

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from callmq.cli.exits import UsageError
from callmq.cli.settings import Settings
from callmq.client import Client
from callmq.message import Message
from callmq_contracts.envelope import ACCOUNT_PATTERN, Priority, parse_moment
from callmq_contracts.terminal import plain

STDIN: Final = 0
_SHORTSTR: Final = 255
_MOST_DIGITS: Final = 15


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a command."""
    parser.add_argument("body", nargs="?", help="the command's JSON body, as it would be POSTed")
    parser.add_argument("--file", type=Path, metavar="PATH", help="read the body from a file")
    parser.add_argument("--key", help="idempotency key: the same one never acts twice (default: a new one, printed)")
    parser.add_argument("--account", type=account, help="the configured account that sends it")
    parser.add_argument("--campaign", type=short, help="a name that groups commands")
    parser.add_argument("--priority", type=priority, metavar="P", help="which dials go first: high, normal or bulk")
    parser.add_argument("--expires-at", type=time, metavar="TIME", help="RFC 3339, or milliseconds since the epoch")
    parser.add_argument("--reply-to", type=short, metavar="QUEUE", help="a queue that gets the reply too")
    parser.add_argument(
        "--app-id", type=short, metavar="NAME", help="the producing service: first word of the reply's routing key"
    )
    parser.add_argument(
        "--user-id", type=short, metavar="USER", help="your user at the broker, for accounts that list their producers"
    )
    parser.add_argument("--no-validate", action="store_true", help="publish the body without checking it first")
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line")


def priority(text: str) -> str:
    """Read a priority."""
    if text not in {p.value for p in Priority}:
        raise argparse.ArgumentTypeError(f"must be {', '.join(p.value for p in Priority)}")
    return text


def read_body(args: argparse.Namespace, *, or_stdin: bool) -> bytes | None:
    """Return the one body of the arguments, byte for byte, or None where lines on standard input are meant.

    Raises `UsageError` for a file that can't be read, for two bodies, and for none with a terminal as standard input.
    """
    if args.body is not None and args.file is not None:
        raise UsageError("give the body or --file, not both.")
    if args.body is not None:
        return str(args.body).encode("utf-8", "surrogateescape")
    if args.file is not None:
        try:
            content: bytes = args.file.read_bytes()
        except OSError as error:
            raise UsageError(f"--file: the file can't be read ({error.strerror}).") from error
        return content.strip()
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("there is no body: give it as an argument, by --file, or on standard input.")
    if or_stdin:
        return b"".join(iter(lambda: read_stdin(65_536), b"")).strip()
    return None


def read_stdin(size: int) -> bytes:
    """Read up to ``size`` bytes of standard input, none at its end."""
    return os.read(STDIN, size)


def message_of(args: argparse.Namespace, body: bytes, key: str) -> Message:
    """Return the message that the options and a body make."""
    return Message(
        body,
        key,
        expires_at=moment(args.expires_at),
        account=args.account,
        campaign=args.campaign,
        priority=args.priority,
        reply_to=args.reply_to,
        user_id=args.user_id,
        validate=not args.no_validate,
    )


def client_of(settings: Settings, app_id: str | None = None) -> Client:
    """Return the client that settings and options mean; raises `UsageError`."""
    try:
        return Client(settings.url, app_id=app_id, prefix=settings.prefix, extra_commands=settings.extra_commands)
    except ValueError as error:
        raise UsageError(str(error)) from error


def moment(text: Any) -> Any:
    """Return milliseconds as a number and everything else as it is."""
    digits = isinstance(text, str) and len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
    return int(text) if digits else text


def short(text: str) -> str:
    """Read what AMQP has as a short text."""
    if not 0 < len(text.encode()) <= _SHORTSTR or not text.isprintable():
        raise argparse.ArgumentTypeError("must be 1 to 255 bytes of printable text")
    return text


def account(text: str) -> str:
    """Read an account's name."""
    if not ACCOUNT_PATTERN.match(text):
        raise argparse.ArgumentTypeError("must be 1 to 64 letters, digits, '.', '_' or '-'")
    return text


def time(text: str) -> str:
    """Read a moment; it stays as it was written."""
    if parse_moment(moment(text)) is None:
        raise argparse.ArgumentTypeError("must be RFC 3339 with a zone, or milliseconds since the epoch")
    return text


def seconds(text: str) -> float:
    """Read a span of time."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("must be a number of seconds above 0")
    return number


def whole(text: str) -> int:
    """Read a number from 1 on."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS) or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return int(text)


def say(verb: str) -> Callable[[str], None]:
    """Return a function that writes one line for a person to standard error."""

    def line(text: str) -> None:
        print(f"callmq {verb}: {plain(text)}", file=sys.stderr)

    return line
