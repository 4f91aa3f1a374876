"""The ledger and the clock without a world: the same laws, in one process, gone with it."""

import asyncio
import heapq
import itertools
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from callmq_worker.core.record import Record, RecordKey, State, Step, T
from callmq_worker.ports import LedgerAwayError

_SECRET_BYTES: Final = 32
_IDLE_TURNS: Final = 16  # loop turns without a new sleeper after which everybody is taken to be asleep
_AGE: Final = attrgetter("updated_at", "account", "key")


@dataclass(slots=True)
class MemoryStore:
    """What `MemoryLedger` instances share, as workers share a file. ``latest``: the last time handed to a step."""

    records: dict[RecordKey, Record] = field(default_factory=dict)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(_SECRET_BYTES), repr=False)
    latest: float = 0.0


class MemoryLedger:
    """A dict of records: atomic because no step awaits, durable only as long as its `MemoryStore`."""

    def __init__(self, now: Callable[[], float] = time.time, store: MemoryStore | None = None) -> None:
        """Open a new store, or the one given. ``now`` is the store's time in seconds since the epoch."""
        self.store = store if store is not None else MemoryStore()
        self._now = now
        self._closed = False

    @property
    def system(self) -> str:
        """The store's name in traces."""
        return "memory"

    async def transact(self, key: RecordKey, step: Step[T]) -> T:
        """Run ``step`` on the record under ``key`` and return its verdict."""
        store = self._open()
        after, verdict = step(store.records.get(key), self._time())
        if after is not None:
            if (after.account, after.key) != (key.account, key.key):
                raise ValueError("a step may only write the record that it was given")
            store.records[key] = after
        return verdict

    async def look(self, key: RecordKey) -> Record | None:
        """Return the record as it is."""
        return self._open().records.get(key)

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records whose reply is still to be published, oldest first."""
        return self._oldest(limit, lambda r: r.due is not None)

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        return self._oldest(limit, lambda r: r.state is State.UNKNOWN)

    async def purge(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` closed records without a debt, unchanged for ``older_than`` seconds; say how many."""
        before = self._time() - older_than
        gone = self._oldest(limit, lambda r: r.state is State.CLOSED and r.due is None and r.updated_at <= before)
        for record in gone:
            del self.store.records[RecordKey(record.account, record.key)]
        return len(gone)

    async def secret(self) -> bytes:
        """Return the 32 bytes that fingerprints are made with: made once, kept with the records."""
        return self._open().secret

    async def losable(self) -> Sequence[str]:
        """Return what may be forgotten."""
        return ("All of it ends with this process.",)

    async def close(self) -> None:
        """Refuse everything from now on; the store stays."""
        self._closed = True

    def _open(self) -> MemoryStore:
        if self._closed:
            raise LedgerAwayError("The ledger in memory is closed: nothing was changed.")
        return self.store

    def _time(self) -> float:
        self.store.latest = max(self.store.latest, self._now())
        return self.store.latest

    def _oldest(self, limit: int, wanted: Callable[[Record], bool]) -> list[Record]:
        return sorted(filter(wanted, self._open().records.values()), key=_AGE)[: max(limit, 0)]


class ManualClock:
    """Time that stands still until it is told to move, and chances from a list or a seed.

    A sleeper wakes when `advance` passes its moment. With ``auto`` the clock advances itself: once everybody sleeps
    (no new sleeper for some turns of the loop) it jumps to the earliest moment. What waits for the real world
    (sockets, threads) is not seen by ``auto``.
    """

    def __init__(
        self,
        now: float = 1_800_000_000.0,
        chances: Sequence[float] | int = (0.5,),
        *,
        auto: bool = False,
    ) -> None:
        """Start at ``now`` seconds since the epoch; ``chances`` repeat for ever, a whole number seeds a generator."""
        self._start = self._time = now
        self._auto = auto
        if isinstance(chances, int):
            self._chance: Callable[[], float] = random.Random(chances).random  # noqa: S311 - chance, not secrets
        else:
            self._chance = itertools.cycle(chances).__next__
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._jump: asyncio.Handle | None = None

    def now(self) -> float:
        """Return seconds since the epoch."""
        return self._time

    def monotonic(self) -> float:
        """Return seconds since this clock was made."""
        return self._time - self._start

    def chance(self) -> float:
        """Return the next number of the list or of the seeded generator."""
        return self._chance()

    @property
    def sleepers(self) -> int:
        """How many are asleep."""
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has moved by ``seconds``; zero or less only lets the others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        heapq.heappush(self._sleepers, (self._time + seconds, next(self._order), sleeper))
        if self._auto:
            self._jump_later(loop, _IDLE_TURNS)
        await sleeper

    async def advance(self, seconds: float) -> None:
        """Move the time, waking sleepers in their order; each wakes at its own moment and may sleep again."""
        until = self._time + seconds
        await self._turns()
        while self._sleepers and self._sleepers[0][0] <= until:
            self._wake_earliest()
            await self._turns()
        self._time = until

    async def _turns(self) -> None:
        for _ in range(_IDLE_TURNS):
            await asyncio.sleep(0)

    def _wake_earliest(self) -> None:
        moment = self._sleepers[0][0]
        self._time = max(self._time, moment)
        while self._sleepers and self._sleepers[0][0] == moment:
            sleeper = heapq.heappop(self._sleepers)[2]
            if not sleeper.done():
                sleeper.set_result(None)

    def _jump_later(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if self._jump is not None:
            self._jump.cancel()
        self._jump = loop.call_soon(self._count_down, loop, turns)

    def _count_down(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        self._jump = None
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)  # cancelled while asleep
        if not self._sleepers:
            return
        if turns == 0:
            self._wake_earliest()
            turns = _IDLE_TURNS
        self._jump_later(loop, turns - 1)
