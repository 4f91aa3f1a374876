"""A command that kept its contract, and what follows from its body."""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson

from callmq_contracts.problem import Problem


class Safety(StrEnum):
    """What a second sending of the same body would do."""

    SAFE = "safe"  # reads only
    CONVERGENT = "convergent"  # ends in the same state
    GUARDED = "guarded"  # is refused while the first is active
    UNSAFE = "unsafe"  # acts again


class Order(StrEnum):
    """Where a command stands among the commands of its call."""

    NONE = "none"  # dial: no call yet
    CALL = "call"  # first in, first out per call
    OVERTAKES = "overtakes"  # calling.end passes all others of its call


class Command(NamedTuple):
    """A body that kept its contract, with leniencies applied.

    ``lifetime`` is the default in seconds. ``call_id`` is in lower case. ``body`` is what is sent: the parsed
    body as published, apart from the named ``leniencies``.
    """

    name: str
    body: dict[str, Any]
    call_id: str | None
    control_id: str | None
    safety: Safety
    lifetime: float
    order: Order
    leniencies: tuple[str, ...] = ()

    def wire(self) -> bytes:
        """Return the JSON bytes to send: keys and lists in the order in which they were published."""
        return orjson.dumps(self.body)

    def fingerprint(self, secret: bytes) -> bytes:
        """Return 32 bytes, the keyed BLAKE2b of the canonical body (sorted keys): a bare hash can be guessed.

        ``secret`` has at most 64 bytes; else ValueError.
        """
        keyed = _keyed(secret).copy()
        keyed.update(orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS))
        return keyed.digest()


@lru_cache(maxsize=1)
def _keyed(secret: bytes) -> blake2b:
    """Return what every fingerprint under one secret begins with."""
    return blake2b(digest_size=32, key=secret)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that did not keep its contract. ``command`` is its name where that could be read and is known."""

    problem: Problem
    command: str | None = None
    call_id: str | None = None
