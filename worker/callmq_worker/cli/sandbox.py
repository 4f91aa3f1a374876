"""The verb ``callmq sandbox``: run the stand-in for the endpoint until a signal ends it."""

import argparse
import asyncio
import json
import os
import signal
import sys
from math import isfinite
from pathlib import Path
from typing import Final

from callmq_worker.sandbox import Sandbox, SandboxSettings

HELP: str = "run a stand-in for the dispatch endpoint: calls with states, faults on demand, a journal"
DEFAULT_PORT: Final = 8088
_MAX_PORT: Final = 65_535
_ABOUT: Final = """\
Answers POST /api/calling/calls as the platform does, but no phone rings. Point the worker at it:

  CALLMQ_ENDPOINT_URL=http://127.0.0.1:8088/api/calling/calls \\
  SIGNALWIRE_PROJECT_ID=sandbox SIGNALWIRE_API_TOKEN=sandbox-token callmq work

Make the next dial act and lose its answer, then look at what happened:

  curl -s http://127.0.0.1:8088/_sandbox/faults \\
       -d '{"action": "reset_after_reading", "match": {"command": "dial"}}'
  curl -s http://127.0.0.1:8088/_sandbox/journal

Actions: status, retry_after, delay, hang, reset_before_reading, reset_before_acting, reset_after_reading,
half_answer, html_502, huge_body, gzip_bomb, compressed, drip, bad_framing. All of it: docs/sandbox.md
"""
_CREDENTIALS: Final = """\
The token comes from --token-file, SIGNALWIRE_API_TOKEN_FILE or SIGNALWIRE_API_TOKEN, else it is "sandbox-token".
Exit codes: 0 ended by a signal, 2 wrong usage, 3 the address could not be had.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add this verb's arguments to its parser."""
    defaults = SandboxSettings()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = _ABOUT, _CREDENTIALS
    parser.add_argument("--host", default=defaults.host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="0: any free one (default: %(default)s)")
    parser.add_argument(
        "--cps",
        type=_number,
        default=defaults.cps,
        help="dials that leave the queue in a second, 0: all at once (default: %(default)s)",
    )
    for name, default, what in (
        ("ring", defaults.ring_seconds, "from leaving the queue until it rings"),
        ("answer", defaults.answer_seconds, "from ringing until it is answered"),
        ("talk", defaults.talk_seconds, "from the answer until it ends"),
    ):
        parser.add_argument(
            f"--{name}", type=_number, default=default, metavar="SECONDS", help=f"{what} (default: %(default)s)"
        )
    parser.add_argument("--project", help='project id (default: SIGNALWIRE_PROJECT_ID, else "sandbox")')
    parser.add_argument("--token-file", type=Path, help="file with the API token, see below")
    parser.add_argument(
        "--open-control", action="store_true", help="let other hosts use /_sandbox/ (it has no password)"
    )
    parser.add_argument("--json", action="store_true", help='say where it listens as {"url": ..., "control": ...}')


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code."""
    try:
        token = _token(args.token_file)
    except (OSError, UnicodeDecodeError) as error:
        print(f"callmq sandbox: the token file can't be read: {error}", file=sys.stderr)
        return 2
    settings = SandboxSettings(
        host=args.host,
        port=args.port,
        project_id=args.project or os.environ.get("SIGNALWIRE_PROJECT_ID") or SandboxSettings().project_id,
        api_token=token,
        cps=args.cps,
        ring_seconds=args.ring,
        answer_seconds=args.answer,
        talk_seconds=args.talk,
        open_control=args.open_control,
    )
    return asyncio.run(_serve(Sandbox(settings), as_json=args.json))


async def _serve(sandbox: Sandbox, *, as_json: bool) -> int:
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(wanted, ended.set)
    try:
        await sandbox.start()
    except OSError as error:
        number = error.errno or 0
        why = os.strerror(number) if number > 0 else error.strerror  # the standard library adds the address to its text
        print(f"callmq sandbox: can't listen on {sandbox.web.host}:{sandbox.web.port}: {why}", file=sys.stderr)
        return 3
    where = {"url": sandbox.url, "control": sandbox.control}
    print(json.dumps(where) if as_json else f"listening at {sandbox.url}, control at {sandbox.control}", flush=True)
    await ended.wait()
    await sandbox.stop()
    return 0


def _token(file: Path | None) -> str:
    """Return the token from a file (surrounding white space removed), the environment, or the default."""
    named = file or os.environ.get("SIGNALWIRE_API_TOKEN_FILE")
    if named:
        return Path(named).read_text(encoding="utf-8").strip()
    return os.environ.get("SIGNALWIRE_API_TOKEN") or SandboxSettings().api_token


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError("must be a number from 0")
    return value


def _port(text: str) -> int:
    if not text.isdecimal() or not int(text) <= _MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {_MAX_PORT}")
    return int(text)
