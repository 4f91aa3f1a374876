"""``callmq validate``: bodies in, verdicts out."""

import argparse
import os
import sys
from collections.abc import Iterable
from typing import Final, TextIO

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK
from callmq.cli.lines import read_lines
from callmq_contracts.codec import decode
from callmq_contracts.command import Command

HELP = "check command bodies without sending them: one body a line on standard input, one verdict a line out"
_STDIN: Final = 0
# A missing control_id is derived from the key, which a body alone does not have: any will do for a verdict.
_SOME_KEY: Final = "validate"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--key", default=_SOME_KEY, help="the idempotency key from which a missing control_id derives")
    parser.add_argument("--json", action="store_true", help="verdicts are JSON with or without it")


def run(args: argparse.Namespace) -> int:
    """Judge every line; 1 where any is bad."""
    return judge_lines(read_lines(lambda size: os.read(_STDIN, size)), args.key, sys.stdout)


def judge_lines(lines: Iterable[bytes], key: str, out: TextIO) -> int:
    """Write one verdict for each line and return the exit code."""
    code = EXIT_OK
    for line in lines:
        verdict = verdict_of(line, key)
        out.write(orjson.dumps(verdict).decode() + "\n")
        out.flush()  # whoever feeds lines one by one wants to know at once
        if not verdict["ok"]:
            code = EXIT_NO
    return code


def verdict_of(body: bytes, key: str) -> dict[str, object]:
    """Return the verdict on one body, as the wire description has it."""
    decoded = decode(body, key=key)
    if isinstance(decoded, Command):
        leniencies = list(decoded.leniencies)
        return {"ok": True, "command": decoded.name, "class": decoded.safety.value, "leniencies": leniencies}
    return {"ok": False, "problem": decoded.problem.as_dict()}
