"""Lanes that are opened and shut together: those that all accounts share, and those of one account."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from callmq_worker.changes import Changes
from callmq_worker.core.layout import Lane
from callmq_worker.crew import Crew, Opening
from callmq_worker.flight import Flight
from callmq_worker.gates import Gates
from callmq_worker.ports import BrokerAwayError, Consumer, Delivery, Fetcher, LedgerAwayError, Session
from callmq_worker.puller import Puller

LOG = logging.getLogger("callmq.lanes")
PROBE_LOOK: Final = 0.5
FETCH_PAUSE: Final = 1.0

Enough = Callable[[], bool]
Mend = Callable[[], None]


class Lanes:
    """Consumed lanes and the flight of what they bring. ``prefetch`` says how many deliveries of a lane are taken."""

    def __init__(self, lanes: tuple[Lane, ...], flight: Flight, prefetch: Callable[[Lane], int]) -> None:
        self.lanes = lanes
        self.flight = flight
        self._prefetch = prefetch
        self._consumers: list[tuple[Lane, Consumer]] = []

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The flights of all that they bring."""
        return (self.flight,)

    @property
    def in_flight(self) -> int:
        """How many deliveries are taken and not settled."""
        return sum(len(flight) for flight in self.flights)

    @property
    def taken(self) -> int:
        """How many deliveries were taken so far."""
        return sum(flight.taken for flight in self.flights)

    @property
    def alive(self) -> bool:
        """Whether all of them are consumed."""
        return len(self._consumers) == len(self.lanes) and all(c.alive for _, c in self._consumers)

    async def open(self, session: Session) -> None:
        """Consume those that are not consumed yet. Raises `BrokerAwayError`."""
        for lane in self.lanes:
            if lane not in (opened for opened, _ in self._consumers):
                self._consumers.append((lane, await session.consume(lane, self._prefetch(lane), self._taken(lane))))

    def _taken(self, lane: Lane) -> Callable[[Delivery], None]:
        return lambda delivery: self.flight.take(delivery, ordered=lane.ordered)

    async def stop(self) -> None:
        """Begin nothing more, and take nothing more from a lane that keeps no order.

        A lane that keeps order stays ours until its last request is settled: its consumer's end hands the lane to
        another worker.
        """
        self.flight.recall()
        await asyncio.gather(*(consumer.stop() for lane, consumer in self._consumers if not lane.ordered))

    async def close(self) -> None:
        """Close the channels: what was not begun goes back, all at once and in its order."""
        consumers, self._consumers = self._consumers, []
        await asyncio.gather(*(consumer.close() for _, consumer in consumers))
        self.flight.resume()

    def forget(self) -> None:
        """Let go of what has not begun, and of what still comes, on a lost session: it will be delivered again."""
        self._consumers = []
        self.flight.recall()


class Shard(Lanes):
    """One shard of a control lane. All workers consume it, and the broker hands it to whoever has it open longest."""

    def __init__(self, lane: Lane, flight: Flight, prefetch: int, crew: Crew) -> None:
        super().__init__((lane,), flight, lambda _lane: prefetch)
        self._queue = lane.queue
        self._crew = crew
        self._behind: Opening | None = None
        self._stepping = False

    @property
    def alive(self) -> bool:
        """Whether it is consumed, or will be as soon as it has stepped back."""
        return self._stepping or super().alive

    @property
    def in_the_way(self) -> bool:
        """Whether another worker should have it and stands behind this one."""
        rival = self._crew.rival(self._queue)
        return rival is not None and rival != self._behind

    async def open(self, session: Session) -> None:
        """Consume it, behind those that do. Raises `BrokerAwayError`."""
        if not super().alive:
            self._behind = self._crew.rival(self._queue)
            await super().open(session)

    def claim(self) -> None:
        """Tell the others that this worker could have it."""
        self._crew.opened(self._queue)

    async def close(self) -> None:
        """Let another worker have it."""
        self._crew.closed(self._queue)
        await super().close()

    def forget(self) -> None:
        """Let go of everything on a lost session."""
        self._crew.closed(self._queue)
        super().forget()

    async def step_back(self, session: Session, changes: Changes, over: Enough) -> None:
        """Close it once what is in flight has landed, and open it again behind the others. Raises `BrokerAwayError`."""
        self._stepping = True
        try:
            await self.stop()
            await changes.until(lambda: over() or not len(self.flight))
            if not over():
                await self.close()
                await self.open(session)
                self.claim()
        finally:
            self._stepping = False


class AccountLanes(Lanes):
    """One account's lanes, open while the account works, and tried now and then while it does not."""

    def __init__(
        self, lane: Lane, shards: tuple[Shard, ...], prefetch: int, puller: Puller, gates: Gates, mend: Mend
    ) -> None:
        super().__init__((lane,), puller.flight, lambda _lane: prefetch)
        self._shards = shards
        self.account = puller.account
        self._mend = mend
        self._fetcher: Fetcher | None = None
        self._puller = puller
        self._gates = gates

    async def keep(self, session: Session, changes: Changes, over: Enough) -> None:
        """Work until ``over`` says so; what is open then stays open. Raises `BrokerAwayError`."""
        while not over():
            if self._gates.works(self.account):
                await self._work(session, changes, over)
            else:
                await self._probe(session, changes, over)
            if not over():
                await self._shut(changes, over)

    @property
    def flights(self) -> tuple[Flight, ...]:
        """The flights of all that they bring."""
        return (self.flight, *(shard.flight for shard in self._shards))

    @property
    def alive(self) -> bool:
        """Whether all of them are consumed."""
        return super().alive and all(shard.alive for shard in self._shards)

    async def open(self, session: Session) -> None:
        """Consume those that are not consumed yet. Raises `BrokerAwayError`."""
        await super().open(session)
        for shard in self._shards:
            await shard.open(session)

    async def stop(self) -> None:
        """Begin nothing more."""
        await asyncio.gather(super().stop(), *(shard.stop() for shard in self._shards))

    async def close(self) -> None:
        """Close the channels, that of the fetched dials as well."""
        fetcher, self._fetcher = self._fetcher, None
        if fetcher is not None:
            await fetcher.close()
        await asyncio.gather(super().close(), *(shard.close() for shard in self._shards))

    def forget(self) -> None:
        """Let go of everything on a lost session."""
        self._fetcher = None
        super().forget()
        for shard in self._shards:
            shard.forget()

    async def _work(self, session: Session, changes: Changes, over: Enough) -> None:
        def enough() -> bool:
            return over() or not self._gates.works(self.account)

        await self.open(session)
        for shard in self._shards:
            shard.claim()
        spreading = asyncio.create_task(self._spread(session, changes, over))
        try:
            await self._fetch(session, changes, lambda: enough() or spreading.done())
            await spreading
        finally:
            spreading.cancel()
            await asyncio.gather(spreading, return_exceptions=True)

    async def _spread(self, session: Session, changes: Changes, over: Enough) -> None:
        """Let others have the shards that they should, while the account works. Raises `BrokerAwayError`.

        What has begun to step back does so to the end: only by its closing does what it had taken come back.
        """

        def enough() -> bool:
            return over() or not self._gates.works(self.account)

        def in_the_way() -> list[Shard]:
            return [shard for shard in self._shards if shard.in_the_way]

        while not enough():
            await asyncio.gather(*(shard.step_back(session, changes, over) for shard in in_the_way()))
            await changes.until(lambda: enough() or bool(in_the_way()))

    async def _fetch(self, session: Session, changes: Changes, enough: Enough) -> None:
        """Let dials go until ``enough`` says so."""
        while not enough():
            try:
                await self._puller.keep(await self._fetching(session), enough)
            except BrokerAwayError as error:
                LOG.info("dials not fetched", extra={"fields": {"account": self.account, "reason": str(error)}})
                await self._drop_fetcher()
                await changes.until(enough, FETCH_PAUSE)
            except LedgerAwayError as error:
                self.flight.miss_ledger(error)
                await changes.until(enough, FETCH_PAUSE)
            except Exception:
                LOG.exception("dials not fetched", extra={"fields": {"account": self.account}})
                await changes.until(enough, FETCH_PAUSE)

    async def _fetching(self, session: Session) -> Fetcher:
        if self._fetcher is None:
            self._fetcher = await session.fetcher()
        return self._fetcher

    async def _drop_fetcher(self) -> None:
        fetcher, self._fetcher = self._fetcher, None
        if fetcher is not None:
            await fetcher.close()
        self._mend()

    async def _probe(self, session: Session, changes: Changes, over: Enough) -> None:
        """Let one command go, from the live calls or else a dial; the rest stay untouched.

        A lane that keeps order is opened whole: a queue puts back out of order what is taken and returned in parts.
        """
        gates, account = self._gates, self.account

        def back() -> bool:
            return over() or gates.works(account)

        wait = gates.next_probe_in(account)
        if wait is None:  # only operators can let it work
            await changes.until(lambda: back() or gates.next_probe_in(account) is not None)
            return
        await changes.until(lambda: back() or gates.next_probe_in(account) is None, wait)
        if back() or gates.next_probe_in(account) is None:
            return
        pauses, before = gates.pauses(account), self.taken
        await self.open(session)
        while self.taken == before and not back():  # where nothing waits, the lanes stay open until something comes
            await changes.until(lambda: back() or self.taken != before, PROBE_LOOK)
            if self.taken == before and not back():
                await self._probe_dials(session)
        await changes.until(lambda: back() or gates.pauses(account) != pauses or not self.in_flight)

    async def _probe_dials(self, session: Session) -> None:
        try:
            await self._puller.probe(await self._fetching(session))
        except BrokerAwayError:
            await self._drop_fetcher()
        except LedgerAwayError as error:
            self.flight.miss_ledger(error)

    async def _shut(self, changes: Changes, over: Enough) -> None:
        """Shut the lanes once what is in flight has landed; where ``over`` comes first, they stay open."""
        if self._gates.works(self.account) and self.alive:
            return
        await self.stop()
        await changes.until(lambda: over() or not self.in_flight)
        if not over():
            await self.close()
