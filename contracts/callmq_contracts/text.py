"""Bytes to a JSON object, or a problem: whatever the bytes are, in time that grows with their number only."""

import re
import sys
from itertools import accumulate
from typing import Any, Final

import orjson

from callmq_contracts.problem import Problem, ProblemCode

MAX_BODY_BYTES: Final = 262_144
MAX_NESTING: Final = 64
_SHALLOW: Final = 2 * MAX_NESTING  # too short to open and close more levels

_BOM: Final = b"\xef\xbb\xbf"
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)  # linear, even where the string has no end
_BRACKETS: Final = b"[]{}"
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS: Final = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")  # 1 and -1 as signed bytes

_SURE_DIGITS: Final = sys.float_info.dig  # any number of so many decimal digits comes out of a double as it went in
_MOST_DIGITS: Final = _SURE_DIGITS + 2  # no language needs more to name a double, though some pick not the nearest
_LOWEST: Final = -(2**63)
_HIGHEST: Final = 2**64 - 1
_LONGEST_INTEGER: Final = len(str(_LOWEST))
# Only a number with more digits, or with an exponent below -99, is in question: few bodies have such text anywhere.
_FLAT: Final = bytes.maketrans(b"123456789.E", b"0" * 10 + b"e")
_MANY_DIGITS: Final = b"0" * (_SURE_DIGITS + 1)
_TINY: Final = b"e-000"
_NUMBER: Final = re.compile(_STRING.pattern + rb"|(-?[0-9][0-9.eE+-]*)", re.DOTALL)


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
    # What is written as it was read has lost nothing.
    if orjson.dumps(document) != body and (fault := _number_fault(body)):
        return _malformed(fault)
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


def _number_fault(body: bytes) -> str | None:
    """Return what is wrong with a number of which a parser would silently make another one, and where it is."""
    flat = body.translate(_FLAT)
    if _MANY_DIGITS not in flat and _TINY not in flat:
        return None
    changed = {literal for literal in set(_NUMBER.findall(body)) if literal and not _is_held(literal.decode())}
    if not changed:
        return None
    at, literal = next((match.start(), match[1]) for match in _NUMBER.finditer(body) if match[1] in changed)
    line, column = body.count(b"\n", 0, at) + 1, at - body.rfind(b"\n", 0, at)
    return f"{_unheld(literal.decode())} (line {line}, column {column})."


def _unheld(literal: str) -> str:
    """Return what is wrong with a number that is not held, and what to write."""
    if literal.lstrip("-").isdigit():
        return "A whole number in the body needs more than 64 bits: write it as text"
    held = float(literal)
    if not held:
        return "A number in the body is nearer to 0 than a double can be: write it as text, or write 0"
    most = _SURE_DIGITS if held.is_integer() else _MOST_DIGITS
    return f"No double holds a number in the body as it is written: write it as text, or with at most {most} digits"


def _is_held(literal: str) -> bool:
    """Tell whether a number arrives as it is written: an integer of 64 bits, or a double that the digits name.

    A whole number is not rounded. Of a double with a fraction, any 17 digits that name it are taken.
    """
    if literal.lstrip("-").isdigit():
        return len(literal) <= _LONGEST_INTEGER and _LOWEST <= int(literal) <= _HIGHEST
    held = float(literal)
    if not held:
        return not _digits(literal)
    if len(literal.lower().partition("e")[0]) <= _SURE_DIGITS:
        return True
    digits = _digits(literal)
    if len(digits) <= _MOST_DIGITS and not held.is_integer():
        return True
    return digits == _digits(repr(held)) or digits == _digits(f"{held:.{len(digits) - 1}e}")


def _digits(literal: str) -> str:
    """Return the digits that count."""
    return literal.lower().partition("e")[0].replace(".", "").strip("-0")
