"""Bytes to a JSON object, or a problem: whatever the bytes are, in time that grows with their number only."""

import re
from itertools import accumulate
from typing import Any, Final

import orjson

from callmq_contracts.problem import Problem, ProblemCode

MAX_BODY_BYTES: Final = 262_144
MAX_NESTING: Final = 64
_SHALLOW: Final = 2 * MAX_NESTING  # too short to open and close more levels

_BOM: Final = b"\xef\xbb\xbf"
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_MANY_DIGITS: Final = b"0" * 19
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # linear, even where the string has no end
_LONG_INTEGER: Final = re.compile(rb"(?<![0-9.eE+-])-?[0-9]{19,}(?![0-9.eE])")
_LONGEST_INTEGER: Final = len(str(-(2**63)))
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**64 - 1
_BRACKETS: Final = b"[]{}"
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS: Final = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")  # 1 and -1 as signed bytes


def parse(body: bytes) -> dict[str, Any] | Problem:
    """Return the object that ``body`` is, or why it is none. Of a duplicate key the last counts."""
    if len(body) > MAX_BODY_BYTES:
        return Problem(ProblemCode.TOO_LARGE, f"The body has more than {MAX_BODY_BYTES} bytes.")
    if len(body) > _SHALLOW and body.count(b"[") + body.count(b"{") > MAX_NESTING and _nesting(body) > MAX_NESTING:
        return _malformed(f"The body is nested deeper than {MAX_NESTING} levels.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return _malformed(_why(body, error))
    if _MANY_DIGITS in body.translate(_DIGITS) and _has_wide_integer(body):
        return _malformed("A whole number in the body needs more than 64 bits.")
    if not isinstance(document, dict):
        return _malformed("The body must be a JSON object.")
    return document


def _malformed(detail: str) -> Problem:
    return Problem(ProblemCode.MALFORMED, detail)


def _why(body: bytes, error: orjson.JSONDecodeError) -> str:
    if not body:
        return "The body is empty."
    if body.startswith(_BOM):
        return "The body begins with a byte order mark: send plain UTF-8."
    if "infinity" in error.msg:
        return "A number in the body is beyond what 64 bits can hold."
    return f"The body is not JSON in UTF-8 (line {error.lineno}, column {error.colno})."


def _nesting(body: bytes) -> int:
    """Return the deepest level. Brackets inside strings do not count."""
    steps = _STRING.sub(b"", body).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def _has_wide_integer(body: bytes) -> bool:
    """Tell whether an integer is beyond 64 bits: orjson would make an inexact float of it."""
    for match in _LONG_INTEGER.finditer(_STRING.sub(b'""', body)):
        digits = match.group()
        if len(digits) > _LONGEST_INTEGER or not _LOWEST <= int(digits) <= _HIGHEST:
            return True
    return False
