"""The embedded ledger: one SQLite file for all workers of a host, one fsync for many records."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from callmq_worker.adapters.sqlite_file import SqliteFile
from callmq_worker.adapters.sqlite_place import read_mounts
from callmq_worker.adapters.sqlite_records import SqliteRecords
from callmq_worker.adapters.wishes import Wish, refuse, surprise
from callmq_worker.core.record import Record, RecordKey, Step, T
from callmq_worker.ports import LedgerAwayError

_GROUP: Final = 256  # steps a commit at most: bounds how long another process waits for the lock
_PURGE_BATCH: Final = 500  # deletions a commit at most, for the same reason


class _Job:
    """A caller that waits: for a step (``wish``), or for the answer to a question to the whole file (``ask``)."""

    __slots__ = ("ask", "error", "future", "loop", "value", "wish")

    def __init__(self, wish: Wish | None, ask: Callable[[], Any] | None = None) -> None:
        self.wish = wish
        self.ask = ask
        self.value: Any = None
        self.error: Exception | None = None
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()


class SqliteLedger:
    """Records in one SQLite file (WAL, ``synchronous=FULL``), shared by the processes of one host.

    One thread owns the file. Steps that wait for it at the same time share a transaction, and their callers wake
    together after its commit. A caller that is cancelled stops waiting; its step may still be committed.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        now: Callable[[], float] = time.time,
        patience: float = 5.0,
        mounts: Callable[[], str] = read_mounts,
        make: bool = True,
    ) -> None:
        """Name the file; it is opened, and with ``make`` made or brought up to date, at the first use.

        ``now`` is the store's time in seconds since the epoch, the same for all processes; ``patience`` the seconds to
        wait for another process's lock; ``mounts`` returns the host's mount table.
        """
        self._records = SqliteRecords(SqliteFile(Path(path).absolute(), patience, mounts, make=make), now)
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def system(self) -> str:
        """The store's name in traces."""
        return "sqlite"

    async def transact(self, key: RecordKey, step: Step[T]) -> T:
        """Run ``step`` on the record under ``key`` and return its verdict."""
        verdict: T = await self._submit(_Job(Wish(key, step)))
        return verdict

    async def look(self, key: RecordKey) -> Record | None:
        """Return the record as it is."""
        return await self._ask(lambda: self._records.one(key))

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records whose reply is still to be published, oldest first."""
        return await self._ask(lambda: self._records.owed(limit))

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        return await self._ask(lambda: self._records.unknowns(limit))

    async def purge(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` closed records without a debt, unchanged for ``older_than`` seconds; say how many."""
        gone = 0
        while gone < limit:
            batch = min(_PURGE_BATCH, limit - gone)
            deleted = await self._ask(lambda size=batch: self._records.purge(older_than, size))  # type: ignore[misc]
            gone += deleted
            if deleted < batch:
                break
        return gone

    async def secret(self) -> bytes:
        """Return the 32 bytes that fingerprints are made with: made once, kept with the records."""
        return await self._ask(self._records.secret)

    async def losable(self) -> Sequence[str]:
        """Return what may be forgotten: nothing, each commit waits for the disk."""
        return ()

    async def close(self) -> None:
        """Finish what was begun, move the write-ahead log into the file and let go."""
        self._closed = True
        for loop in tuple(self._gathered):
            self._hand_over(loop)
        if self._thread is not None:
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    async def _ask(self, ask: Callable[[], T]) -> T:
        answer: T = await self._submit(_Job(None, ask))
        return answer

    def _submit(self, job: _Job) -> asyncio.Future[Any]:
        if self._closed:
            raise LedgerAwayError("The ledger is closed: nothing was changed.")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="callmq-ledger", daemon=True)
            self._thread.start()
        gathered = self._gathered.setdefault(job.loop, [])
        if not gathered:
            job.loop.call_soon(self._hand_over, job.loop)  # what is asked for in one turn shares a commit
        gathered.append(job)
        return job.future

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        for job in self._gathered.pop(loop, ()):
            self._queue.put(job)

    def _serve(self) -> None:
        """Perform jobs until told to stop; runs in the ledger's own thread."""
        going = True
        while going:
            taken = [self._queue.get()]
            # Only this thread takes from the queue, so what is counted is there.
            taken += [self._queue.get_nowait() for _ in range(min(self._queue.qsize(), _GROUP - 1))]
            jobs = [job for job in taken if job is not None]
            going = len(jobs) == len(taken)
            self._perform(jobs)
            _deliver(jobs)
        self._records.close()

    def _perform(self, jobs: Sequence[_Job]) -> None:
        wishes = [job.wish for job in jobs if job.wish is not None]
        try:
            if wishes:
                self._records.run(wishes)
        except Exception as error:  # noqa: BLE001 - a thread that ends would leave every caller waiting
            refuse(wishes, surprise(error))
        for job in jobs:
            if job.wish is not None:
                job.value, job.error = job.wish.value, job.wish.error
            elif job.ask is not None:
                try:
                    job.value = job.ask()
                except LedgerAwayError as error:
                    job.error = error
                except Exception as error:  # noqa: BLE001 - as above
                    job.error = surprise(error)


def _deliver(jobs: Sequence[_Job]) -> None:
    waiting: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        waiting.setdefault(job.loop, []).append(job)
    for loop, theirs in waiting.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, theirs)


def _wake(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue  # cancelled while it waited
        if job.error is None:
            job.future.set_result(job.value)
        elif isinstance(job.error, StopIteration):  # no future takes it
            job.future.set_exception(RuntimeError("A step raised StopIteration."))
        else:
            job.future.set_exception(job.error)
