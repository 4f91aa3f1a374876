"""What the limit headers of an answer say: for how long the endpoint takes no more.

Read are those of the IETF's drafts, old (`RateLimit-Remaining`, `RateLimit-Reset`) and new (`RateLimit: "x";r=0;t=9`,
`RateLimit: remaining=0, reset=9`), and `X-RateLimit-*` in its spellings, where a reset may be a moment instead.
"""

import re
from collections.abc import Iterable
from typing import Final

# What is longer than ten years of seconds is a moment, in seconds or milliseconds since the epoch.
_MOMENT: Final = 315_360_000.0
_MOMENT_IN_MILLISECONDS: Final = 1e11
_NUMBER: Final = re.compile(rb"\s*(\d{1,15})(?:\.\d*)?\s*(?:[,;]|\Z)")
_PAIR: Final = re.compile(rb"(?:\A|[,;])\s*(remaining|reset|r|t)\s*=\s*(\d{1,15})")


def used_up_for(headers: Iterable[tuple[bytes, bytes]], now: float) -> float | None:
    """Return the seconds until something is taken again; None where something is, or nothing is said.

    ``now`` in seconds since the epoch.
    """
    remaining: bytes | None = None
    reset: bytes | None = None
    waits: list[float] = []
    for name, value in headers:
        word = name.lower()
        if b"imit" not in word:  # almost all answers end here
            continue
        word = word.removeprefix(b"x-").replace(b"rate-limit", b"ratelimit")
        if word == b"ratelimit":
            waits += _limits(value, now)
        elif word == b"ratelimit-remaining":
            remaining = value
        elif word == b"ratelimit-reset":
            reset = value
    if remaining is not None and reset is not None and _number(remaining) == 0:
        waits += _seconds(_number(reset), now)
    return max(waits, default=None)


def _limits(value: bytes, now: float) -> list[float]:
    """Return the waits of a structured header: each limit of a list has its own, a dictionary is one limit."""
    waits = []
    for limit in [value] if b"remaining" in value else value.split(b","):
        said = {name: float(number) for name, number in _PAIR.findall(limit)}
        if said.get(b"r", said.get(b"remaining")) == 0:
            waits += _seconds(said.get(b"t", said.get(b"reset")), now)
    return waits


def _number(value: bytes) -> float | None:
    found = _NUMBER.match(value)
    return float(found[1]) if found else None


def _seconds(reset: float | None, now: float) -> list[float]:
    if reset is None:
        return []
    if reset > _MOMENT:
        reset = (reset / 1000 if reset > _MOMENT_IN_MILLISECONDS else reset) - now
    return [reset] if reset > 0 else []
