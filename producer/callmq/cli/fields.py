"""The options that the publishing verbs share, and what they read."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from callmq.cli.exits import UsageError
from callmq.message import Message

STDIN: Final = 0


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Add what may be said about a command."""
    parser.add_argument("body", nargs="?", help="the command's JSON body, as it would be POSTed")
    parser.add_argument("--file", type=Path, metavar="PATH", help="read the body from a file")
    parser.add_argument("--key", help="idempotency key: the same one never acts twice (default: a new one, printed)")
    parser.add_argument("--account", help="the configured account that sends it")
    parser.add_argument("--campaign", help="a name that groups commands")
    parser.add_argument("--expires-at", metavar="TIME", help="RFC 3339, or milliseconds since the epoch")
    parser.add_argument("--reply-to", metavar="QUEUE", help="a queue that gets the reply too")
    parser.add_argument("--app-id", metavar="NAME", help="the producing service: first word of the reply's routing key")
    parser.add_argument("--no-validate", action="store_true", help="publish the body without checking it first")
    parser.add_argument("--json", action="store_true", help="print JSON, one document a line")


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
        reply_to=args.reply_to,
        validate=not args.no_validate,
    )


def moment(text: Any) -> Any:
    """Return milliseconds as a number and everything else as it is."""
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() else text


def say(verb: str) -> Callable[[str], None]:
    """Return a function that writes one line for a person to standard error."""

    def line(text: str) -> None:
        print(f"callmq {verb}: {text}", file=sys.stderr)

    return line
