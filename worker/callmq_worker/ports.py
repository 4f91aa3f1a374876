"""What the engine needs of the world: a few small protocols, their laws in the docstrings."""

import enum
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from callmq_contracts.envelope import Properties
from callmq_worker.core.layout import Lane, Layout
from callmq_worker.core.outcome import Answer
from callmq_worker.core.publications import Publication
from callmq_worker.core.record import Record, RecordKey, Step, T


class LedgerAwayError(Exception):
    """The ledger could not be asked or written; nothing is known to have changed. Wait and ask again."""


class LedgerUnusableError(LedgerAwayError, ValueError):
    """Waiting won't mend it: the settings name a place that can't be this ledger."""


class LedgerAbsentError(LedgerAwayError):
    """There is none yet, or one of an older version, and whoever asked may not make it: a worker's start does."""


class BrokerAwayError(Exception):
    """The broker can't be reached or closed the connection. The supervisor reconnects."""


class NoAnswerError(BrokerAwayError):
    """The broker, or one queue of it, did not answer in time."""


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Ledger(Protocol):
    """A store of records, changed only by pure steps.

    Laws: `transact` runs the step on the current record in one atomic, durable transaction (two workers never both
    see the record as it was before); the time that it hands to the step is the store's; it may run a step several
    times and commits one run; it returns only after the commit is durable. All raise `LedgerAwayError`.
    """

    @property
    def system(self) -> str:
        """The store's name in traces (``db.system.name``): sqlite, postgresql, redis."""
        ...

    async def transact(self, key: RecordKey, step: Step[T]) -> T:
        """Run ``step`` on the record under ``key`` and return its verdict."""
        ...

    async def look(self, key: RecordKey) -> Record | None:
        """Return the record as it is."""
        ...

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records whose reply is still to be published, oldest first."""
        ...

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        ...

    async def purge(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` closed records without a debt, unchanged for so many seconds; return how many."""
        ...

    async def secret(self) -> bytes:
        """Return the 32 bytes that fingerprints are made with: made once, kept with the records."""
        ...

    async def losable(self) -> Sequence[str]:
        """Return what the store, as it is set up, may forget of what was committed: a sentence each, empty is best."""
        ...

    async def close(self) -> None:
        """Finish what was begun and let go."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to the endpoint.

    ``fresh``: it needs a connection that can't be stale; ``deadline`` in seconds; ``resend``: attempts before this one.
    """

    account: str
    body: bytes
    key: str | None
    fresh: bool
    deadline: float
    resend: int = 0


Leave: TypeAlias = Callable[[], Awaitable[bool]]


class Dispatcher(Protocol):
    """The way to the endpoint.

    Laws: ``leave`` is awaited exactly once, immediately before the first byte may leave, and not at all when no byte
    can; where it returns False nothing is sent and the answer is `Withheld`. Never raises but for cancellation; a
    cancelled request after `leave` may have been done. Nothing is retried, redirected or sent through a proxy.
    """

    async def dispatch(self, request: Request, leave: Leave) -> Answer:
        """Send once and say what is known."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Published(enum.Enum):
    """What is known of a publication."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"  # returned: no queue took it
    NACKED = "nacked"  # refused by a full queue
    ABSENT = "absent"  # there is no such exchange
    BLOCKED = "blocked"  # the broker takes nothing at present
    UNKNOWN = "unknown"  # no word: it may yet arrive


class Publisher(Protocol):
    """Never raises but for cancellation; every doubt is in the result. Each publication gets its own message id."""

    async def publish(self, publication: Publication) -> Published:
        """Publish and wait for the broker's word."""
        ...


class Receipt(Protocol):
    """The right to settle one delivery, once. Does nothing when its channel is gone: the broker redelivers."""

    @property
    def alive(self) -> bool:
        """Whether the channel that delivered it still is."""
        ...

    async def acknowledge(self) -> None:
        """Tell the broker that it is settled."""
        ...

    async def give_back(self) -> None:
        """Put it back into its queue, untouched."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as the broker handed it over. ``received_at`` in seconds since the epoch."""

    lane: str
    queue: str
    exchange: str
    body: bytes
    properties: Properties
    receipt: Receipt
    received_at: float
    redelivered: bool = False
    delivery_count: int = 0


class Span(Protocol):
    """One timed step of a trace."""

    @property
    def recording(self) -> bool:
        """Whether anybody will see what is told here."""
        ...

    def set(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 - an attribute may be a boolean
        """Add an attribute; a phone number in it is masked."""
        ...

    def fail(self, kind: str) -> None:
        """Mark the step as failed, with the value of ``error.type``."""
        ...


Attributes: TypeAlias = Mapping[str, str | float | bool]
Describe: TypeAlias = Callable[[], tuple[str, Attributes]]


class Observer(Protocol):
    """Traces, by the OpenTelemetry conventions for messaging and HTTP."""

    def span(
        self, kind: str, describe: Describe, parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Time a step of a kind (consumer, producer, client, internal) under W3C headers, else the running step.

        ``describe`` returns the step's name and attributes. It is called only where the step is recorded.
        """
        ...

    def headers(self) -> Mapping[str, str]:
        """Return the W3C headers of the running step."""
        ...


class Consumer(Protocol):
    """One lane that is consumed."""

    @property
    def alive(self) -> bool:
        """Whether the broker still has this consumer, as far as can be known here."""
        ...

    async def stop(self) -> None:
        """Take nothing new. What was handed over can still be settled."""
        ...

    async def close(self) -> None:
        """Close the channel: what is unsettled goes back to the queue."""
        ...


class Fetcher(Protocol):
    """A channel on which messages are asked for one by one, one question at a time."""

    async def fetch(self, lane: Lane) -> tuple[Delivery, int] | None:
        """Return the next message of a lane and how many are left, None where it is empty or was not made yet.

        Raises `BrokerAwayError`, also where a queue has gone.
        """
        ...

    async def close(self) -> None:
        """Close it: what was fetched and is unsettled goes back to its queue."""
        ...


class Session(Protocol):
    """A connection to the broker, from connect to loss."""

    async def lost(self) -> str:
        """Wait until a connection, a channel or a consumer is gone; return which and why."""
        ...

    async def declare(self, layout: Layout) -> tuple[str, ...]:
        """Declare what is missing; return a sentence for each thing that is wrong and can't be mended."""
        ...

    async def consume(self, lane: Lane, prefetch: int, hand_over: Callable[[Delivery], None]) -> Consumer:
        """Open a lane; ``hand_over`` must return at once. Raises `BrokerAwayError`."""
        ...

    async def fetcher(self) -> Fetcher:
        """Open a channel to fetch on. Raises `BrokerAwayError`."""
        ...

    async def close(self) -> None:
        """Close it: what is unsettled goes back to the queues."""
        ...


class Broker(Protocol):
    """Makes sessions. Recovery is the runner's business, never the adapter's."""

    async def connect(self) -> Session:
        """Connect. Raises `BrokerAwayError`."""
        ...

    async def offers(self, kind: str) -> bool:
        """Say whether there are exchanges of this type. Raises `BrokerAwayError`."""
        ...

    def forget(self) -> None:
        """Publish nothing until the next session."""
        ...
