"""``callmq validate``: bodies in, verdicts out."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache, partial
from typing import BinaryIO, Final, TypeAlias

import orjson

from callmq.cli.exits import EXIT_NO, EXIT_OK
from callmq.cli.lines import read_blocks
from callmq.cli.settings import read_extra_commands
from callmq_contracts.codec import decode
from callmq_contracts.command import Command, Rejected, Safety
from callmq_contracts.problem import ProblemCode

HELP = "check command bodies without sending them: one body a line on standard input, one verdict a line out"
_STDIN: Final = 0
# A missing control_id is derived from the key, which a body alone does not have: any will do for a verdict.
_SOME_KEY: Final = "validate"
_NO_JSON: Final = "is not JSON"
_ONE_A_LINE: Final = "One body a line: is this body spread over several?"

Judge: TypeAlias = Callable[[bytes], Command | Rejected]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--key", default=_SOME_KEY, help="the idempotency key from which a missing control_id derives")
    parser.add_argument("--json", action="store_true", help="verdicts are JSON with or without it")


def run(args: argparse.Namespace) -> int:
    """Judge every line; 1 where any is bad."""
    judge = partial(decode, key=args.key, extra=read_extra_commands())
    return judge_blocks(read_blocks(lambda size: os.read(_STDIN, size)), judge, sys.stdout.buffer)


def judge_blocks(blocks: Iterable[list[bytes]], judge: Judge, out: BinaryIO) -> int:
    """Write one verdict for each line, those of a block together, and return the exit code."""
    code = EXIT_OK
    for lines in blocks:
        for line in lines:
            judged = judge(line)
            out.write(verdict(judged))
            if isinstance(judged, Rejected):
                code = EXIT_NO
        out.flush()  # whoever feeds lines one by one wants to know at once
    return code


def verdict(judged: Command | Rejected) -> bytes:
    """Return the verdict on one body and its line's end, as the wire description has it."""
    if isinstance(judged, Command):
        return _good(judged.name, judged.safety, judged.leniencies)
    problem = judged.problem
    if problem.code is ProblemCode.MALFORMED and _NO_JSON in problem.detail:
        problem = replace(problem, detail=f"{problem.detail} {_ONE_A_LINE}")
    return orjson.dumps({"ok": False, "problem": problem.as_dict()}, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=512)
def _good(name: str, safety: Safety, leniencies: tuple[str, ...]) -> bytes:
    document = {"ok": True, "command": name, "class": safety.value, "leniencies": leniencies}
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
