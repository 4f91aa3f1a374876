"""The ledger's record of one intention, and what can be found when it is asked.

A step is a pure function ``(record or None, the store's time) -> (new record or None for unchanged, verdict)``. A
ledger runs it inside its own atomic transaction, so each write is a compare-and-set on ``attempt``, the fencing token.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, TypeVar

from callmq_contracts.command import Safety


class State(StrEnum):
    """Where an intention stands."""

    FREE = "free"  # released for a later attempt
    HELD = "held"  # claimed by a worker until the lease ends; an unsafe command is not yet sent
    SENDING = "sending"  # the first byte may have left
    CLOSED = "closed"  # has its final outcome
    UNKNOWN = "unknown"  # parked until someone resolves it


@dataclass(frozen=True, slots=True)
class RecordKey:
    """The name of an intention."""

    account: str
    key: str


@dataclass(frozen=True, slots=True)
class Record:
    """What the ledger knows of one intention. Times are the store's, in seconds since the epoch.

    ``attempt`` counts claims, ``spared`` those of them that use up nothing (account pauses). ``doubt``: an earlier
    attempt may have been done. ``sequence`` counts recorded replies, ``reply`` is the JSON of the last one, ``due``
    says where that reply still has to be published (JSON, a line for each place), ``None`` when nothing is owed.
    """

    account: str
    key: str
    fingerprint: bytes
    command: str
    state: State
    received_at: float
    updated_at: float
    attempt: int = 0
    spared: int = 0
    owner: str | None = None
    lease_until: float = 0.0
    doubt: bool = False
    sequence: int = 0
    reply: bytes | None = None
    due: bytes | None = None


T = TypeVar("T")
Step: TypeAlias = Callable[[Record | None, float], tuple[Record | None, T]]


@dataclass(frozen=True, slots=True)
class Intent:
    """One delivery's wish to act. ``expires_at`` in seconds since the epoch, ``lease`` in seconds."""

    account: str
    key: str
    fingerprint: bytes
    command: str
    safety: Safety
    received_at: float
    expires_at: float
    owner: str
    lease: float
    max_attempts: int


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to act on an intention once: only the holder of this ``attempt`` may write."""

    account: str
    key: str
    attempt: int
    owner: str
    used: int
    doubt: bool
    received_at: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The record has an outcome: its last reply's JSON, and whether it is still ``unknown``.

    ``due``: where it is owed since it was recorded.
    """

    reply: bytes
    unknown: bool
    fresh: bool = False
    due: bytes | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """The key belongs to another body."""


@dataclass(frozen=True, slots=True)
class Busy:
    """Another delivery is being worked on under this key for ``seconds`` more at most."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """No attempt may be made any more: expired, out of attempts, or in doubt for good."""

    attempt: int
    used: int
    doubt: bool
    expired: bool
    received_at: float


@dataclass(frozen=True, slots=True)
class Fenced:
    """Another worker took this intention over: nothing may be written or sent."""


Weighed: TypeAlias = Claim | Stored | Conflict | Busy | Spent


@dataclass(frozen=True, slots=True)
class Conclusion:
    """An outcome to be recorded. ``attempt`` 0 means that nothing was ever claimed.

    ``address``: where the reply belongs. It is owed there at once where it ends an ``unknown``, since the delivery of
    that may be settled, and nobody would ask again.
    """

    intent: Intent
    attempt: int
    unknown: bool
    build: Callable[[int], bytes]  # sequence -> the reply's JSON
    address: Callable[[], bytes] | None = None
