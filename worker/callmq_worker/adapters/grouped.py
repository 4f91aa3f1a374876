"""Many steps in one round trip to a store of several hosts: read, run the steps here, write by compare-and-set."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from callmq_worker.adapters.wishes import Wish, perform, refuse, refuse_unfit, surprise
from callmq_worker.core.record import Record, RecordKey, Step, T
from callmq_worker.ports import LedgerAwayError

GROUP: Final = 256  # steps a round trip at most: bounds how long another worker's write waits for these rows
_PURGE_BATCH: Final = 500  # deletions a commit at most, for the same reason
R = TypeVar("R")


class UnfitError(Exception):
    """A value that the store takes in no column; nothing was written."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[R]):
    """A record as the store had it, and the revision that it had; both are ``None`` where there was none."""

    record: Record | None
    revision: R | None


@dataclass(frozen=True, slots=True)
class Change(Generic[R]):
    """A record to be written, if the store still has what was ``seen``."""

    seen: Seen[R]
    after: Record


class Store(Protocol[R]):
    """What a store must do for a `GroupedLedger`. All raise `LedgerAwayError`; `read` and `write` also `UnfitError`.

    A revision is another after each write of the record, also where it was deleted and made anew.
    """

    async def read(self, keys: Sequence[RecordKey]) -> tuple[float, Mapping[RecordKey, Seen[R]]]:
        """Return the store's time, and the records that there are."""
        ...

    async def write(self, changes: Sequence[Change[R]]) -> Iterable[RecordKey]:
        """Write durably; return the keys of those that were not written because the store has something else."""
        ...

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records with a debt, oldest first."""
        ...

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        ...

    async def purge(self, before: float, limit: int) -> int:
        """Delete closed records without a debt that were last changed then or earlier, oldest first."""
        ...

    async def secret(self) -> bytes:
        """Return the ledger's secret."""
        ...

    async def losable(self) -> Sequence[str]:
        """Return what may be forgotten."""
        ...

    async def close(self) -> None:
        """Let go."""
        ...


class _Job:
    """A caller that waits for its wish."""

    __slots__ = ("future", "wish")

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


def stores_own(now: float) -> float:
    """Take the store's time as it is."""
    return now


class GroupedLedger(Generic[R]):
    """Records in a shared store. Steps that wait at the same time share one read and one write.

    A step that loses its compare-and-set is run again on what is there now. A caller that is cancelled stops waiting;
    its step may still be committed. Belongs to one event loop.
    """

    def __init__(self, system: str, store: Store[R], time: Callable[[float], float] = stores_own) -> None:
        """Use ``store``, called ``system`` in traces. ``time`` turns the store's time into the one that steps see."""
        self._system = system
        self._store = store
        self._time_of = time
        self._latest = 0.0
        self._waiting: deque[_Job] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def system(self) -> str:
        """The store's name in traces."""
        return self._system

    async def transact(self, key: RecordKey, step: Step[T]) -> T:
        """Run ``step`` on the record under ``key`` and return its verdict."""
        self._refuse_closed()
        job = _Job(Wish(key, step))
        self._waiting.append(job)
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="callmq-ledger", context=Context())
        verdict: T = await job.future
        return verdict

    async def look(self, key: RecordKey) -> Record | None:
        """Return the record as it is."""
        return await self.transact(key, lambda record, _now: (None, record))

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records whose reply is still to be published, oldest first."""
        self._refuse_closed()
        return await self._store.owed(max(limit, 0))

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        self._refuse_closed()
        return await self._store.unknowns(max(limit, 0))

    async def purge(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` closed records without a debt, unchanged for ``older_than`` seconds; say how many."""
        self._refuse_closed()
        before = self._time((await self._store.read([]))[0]) - older_than
        gone = 0
        while gone < limit:
            batch = min(_PURGE_BATCH, limit - gone)
            deleted = await self._store.purge(before, batch)
            gone += deleted
            if deleted < batch:
                break
        return gone

    async def secret(self) -> bytes:
        """Return the 32 bytes that fingerprints are made with: made once, kept with the records."""
        self._refuse_closed()
        return await self._store.secret()

    async def losable(self) -> Sequence[str]:
        """Return what the store may forget of what was committed."""
        self._refuse_closed()
        return await self._store.losable()

    async def close(self) -> None:
        """Finish what was begun and let go."""
        self._closed = True
        if self._serving is not None:
            await self._serving
        await self._store.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise LedgerAwayError("The ledger is closed: nothing was changed.")

    def _time(self, stores: float) -> float:
        self._latest = max(self._latest, self._time_of(stores))
        return self._latest

    async def _serve(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP))]
            jobs = [job for job in taken if not job.future.done()]  # the others were cancelled while they waited
            lost = await self._perform(jobs)
            for job in jobs:
                if job not in lost:
                    _deliver(job)
            self._waiting.extendleft(reversed(lost))  # they go first, with whatever came meanwhile
        self._serving = None

    async def _perform(self, jobs: Sequence[_Job]) -> list[_Job]:
        """Perform the wishes; return the jobs that must be performed again."""
        wishes = [job.wish for job in jobs]
        try:
            lost = frozenset(await self._round(wishes)) if wishes else frozenset()
        except LedgerAwayError as error:
            refuse(wishes, error)
        except UnfitError as error:
            if len(jobs) > 1:  # one of them can't be stored: find out which, and spare the others
                return [again for job in jobs for again in await self._perform([job])]
            refuse_unfit(wishes[0], error)
        except Exception as error:  # noqa: BLE001 - a task that ends would leave every caller waiting
            refuse(wishes, surprise(error))
        else:
            return [job for job in jobs if job.wish.key in lost]
        return []

    async def _round(self, wishes: Sequence[Wish]) -> Iterable[RecordKey]:
        keys = list(dict.fromkeys(wish.key for wish in wishes))
        stores_now, found = await self._store.read(keys)
        now = self._time(stores_now)
        changes: dict[RecordKey, Record] = {}
        for wish in wishes:
            before = changes.get(wish.key) or found.get(wish.key, _NOTHING).record
            after = perform(wish, before, now)
            if after is not None:
                changes[wish.key] = after
        if not changes:
            return ()
        return await self._store.write([Change(found.get(key, _NOTHING), after) for key, after in changes.items()])


_NOTHING: Final[Seen[Any]] = Seen(None, None)


def _deliver(job: _Job) -> None:
    if job.future.done():
        return  # cancelled while it waited
    if job.wish.error is None:
        job.future.set_result(job.wish.value)
    elif isinstance(job.wish.error, StopIteration):  # no future takes it
        job.future.set_exception(RuntimeError("A step raised StopIteration."))
    else:
        job.future.set_exception(job.wish.error)
