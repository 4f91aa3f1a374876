"""What an operator's act needs: the queues to look into, a publisher, the ledger, the time."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from callmq_contracts.envelope import Properties
from callmq_contracts.names import Names
from callmq_worker.core.copies import Copy, read_copy
from callmq_worker.ports import Clock, Ledger, Publisher


class ActError(Exception):
    """The answer is no. Says what was found, where, and what to do."""


class NotReachedError(Exception):
    """Something did not answer or did not confirm. Says what was done so far; running it again is safe."""


class Found(Protocol):
    """One message, held back for as long as its queue is open here. ``position`` counts from 1 at the head."""

    position: int
    body: bytes
    properties: Properties

    async def take(self) -> None:
        """Remove it from the queue. Raises `BrokerAwayError`."""
        ...


class Browsing(Protocol):
    """A queue that is looked through, once, from its head to what was its end at the opening."""

    depth: int

    def __aiter__(self) -> AsyncIterator[Found]:
        """Walk. Raises `BrokerAwayError`."""
        ...


class Shelf(Protocol):
    """Queues to look into.

    Law: whatever was not taken goes back when the queue is closed here, in its old order; a crash takes nothing.
    """

    def open(self, queue: str) -> AbstractAsyncContextManager[Browsing]:
        """Open one queue. Raises `BrokerAwayError`."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports together. ``retention`` of records, in seconds. ``user``: the publisher's at the broker."""

    ledger: Ledger
    shelf: Shelf
    publisher: Publisher
    names: Names
    clock: Clock
    retention: float
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A copy, and the message that it was read from."""

    copy: Copy
    found: Found


def read(found: Found) -> Held:
    """Return what a message of the dead letters or the parked ones says of itself."""
    return Held(read_copy(found.position, found.body, found.properties), found)
