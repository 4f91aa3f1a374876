"""Runs a worker: sessions with the broker, lanes opened and shut, readiness, housekeeping, a graceful end."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from callmq_worker.changes import Changes
from callmq_worker.controls import Controls
from callmq_worker.core.layout import CONSISTENT_HASH, HASH_PLUGIN, QueueSpec
from callmq_worker.core.note import note_key, touch
from callmq_worker.course import Condition, Course
from callmq_worker.crew import Crew
from callmq_worker.flight import Flight
from callmq_worker.gates import Gates
from callmq_worker.housekeeping import PAUSE, keep_house
from callmq_worker.lanes import AccountLanes, Lanes
from callmq_worker.ports import Broker, BrokerAwayError, Clock, Ledger, LedgerAwayError, Session
from callmq_worker.settler import Settler

LOG = logging.getLogger("callmq.runner")
FIRST_BACKOFF: Final = 0.2
LONGEST_BACKOFF: Final = 15.0
TOPOLOGY_PAUSE: Final = 5.0
STEADY: Final = 5.0
WRITTEN: Final = note_key("lanes opened")

Queues = Callable[[], Awaitable[Iterable[QueueSpec]]]


class Runner:
    """Supervises one worker process. All waiting is on `changes`, and all conditions are looked at anew."""

    def __init__(
        self, course: Course, broker: Broker, ledger: Ledger, gates: Gates, controls: Controls, clock: Clock
    ) -> None:
        self._course = course
        self._broker = broker
        self._ledger = ledger
        self._gates = gates
        self._controls = controls
        self._clock = clock
        self._opened_at = math.inf
        self._session_lost: str | None = None
        self._stopping = False
        self._mend = False
        self.changes = Changes()
        self.condition = Condition()
        gates.changed = self.changes.tell
        controls.changed = self._heard
        self.lanes: tuple[Lanes, ...]
        self.accounts: tuple[AccountLanes, ...]
        self.settler: Settler
        self._queues: Queues
        self._crew: Crew

    def begin(
        self, shared: Lanes, accounts: tuple[AccountLanes, ...], settler: Settler, queues: Queues, crew: Crew
    ) -> None:
        """Take over what carries and settles deliveries; ``queues``: those that came to the layout meanwhile."""
        self.lanes, self.accounts = (shared, *accounts), accounts
        self.settler = settler
        self._queues = queues
        self._crew = crew
        crew.changed = self.changes.tell

    def _heard(self) -> None:
        """Take over what operators said."""
        self._gates.stop(self._controls.paused_accounts)
        self.changes.tell()

    @property
    def in_flight(self) -> int:
        """How many deliveries are taken and not settled."""
        return sum(lanes.in_flight for lanes in self.lanes)

    @property
    def _flights(self) -> Iterator[Flight]:
        return (flight for lanes in self.lanes for flight in lanes.flights)

    async def abandon(self) -> None:
        """Stop now. What was being sent is found in the ledger by whoever gets the message next."""
        await asyncio.gather(*(flight.abandon() for flight in self._flights))

    def mend(self) -> None:
        """Ask for the topology to be declared again."""
        self._mend = True
        self.changes.tell()

    def stop(self) -> None:
        """Stop taking, finish what is in flight, and end `run`."""
        self._stopping = True
        self.changes.tell()

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether this worker does its work, and what is in the way: one account that works is enough."""
        condition, gates = self.condition, self._gates
        working = [lanes for lanes in self.accounts if gates.works(lanes.account)]
        condition.paused = {} if working else gates.reasons()
        condition.consuming = self.lanes[0].alive and all(lanes.alive for lanes in working)
        faults = condition.faults()
        ledger = condition.ledger or self._ledger_fault or self.settler.recording_fault
        if ledger:
            faults["ledger"] = ledger
        return not faults and not self._stopping, faults

    @property
    def _ledger_fault(self) -> str | None:
        return next((fault for flight in self._flights if (fault := flight.ledger_fault)), None)

    async def run(self) -> bool:
        """Work until `stop`. False: something was still in flight when the grace ended."""
        house = keep_house(self.settler, self._ledger, self._course.retention, self.condition, self._clock)
        beside = [asyncio.create_task(each) for each in (house, self._controls.keep(), self._crew.keep())]
        landed, tries = True, 0
        try:
            while not self._stopping:
                try:
                    session = await self._broker.connect()
                except BrokerAwayError as error:
                    self._note_broker(str(error), tries)
                    await self._back_off(tries)
                    tries = min(tries + 1, 10)
                    continue
                self._opened_at = math.inf
                landed = await self._serve(session)
                steady = self._clock.monotonic() - self._opened_at > STEADY
                tries = 0 if steady else min(tries + 1, 10)
                if not self._stopping:
                    await self._back_off(tries)
            if self.in_flight:  # the session was lost before the end: what is in flight still records
                landed = await self._landed()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        return landed

    def _note_broker(self, reason: str, tries: int) -> None:
        self.condition.broker = reason
        level = logging.WARNING if tries in (0, 3) else logging.INFO
        LOG.log(level, "broker away, trying again", extra={"fields": {"reason": reason, "tries": tries + 1}})

    async def _serve(self, session: Session) -> bool:
        """Use one session until it is lost or the worker stops. False: the grace was too short."""
        self._session_lost = None
        self.condition.broker = None
        for flight in self._flights:
            flight.resume()
        LOG.info("connected to the broker")
        beside = [asyncio.create_task(self._watch(session))]
        landed = True
        try:
            try:
                await self._count_shards()
                while not self._over():
                    if await self._ledger_answers() and await self._mended(session, self._over):
                        if len(beside) == 1:
                            beside.append(asyncio.create_task(self._keep_mended(session)))
                        await self._consume(session)
            except BrokerAwayError as error:
                self._session_lost = str(error)
            landed = await self._shut() if self._stopping and not self._session_lost else self._drop()
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self.condition.broker = self._session_lost or "closed"
            self._broker.forget()
            await session.close()
        if self._session_lost and not self._stopping:
            LOG.warning("broker lost", extra={"fields": {"reason": self._session_lost}})
        return landed

    async def _count_shards(self) -> None:
        """Look whether the broker offers what shards need; without it each control lane is one queue."""
        used, known = self._crew.wanted
        if known > 1:
            self._crew.offered = used == 1 or await self._broker.offers(CONSISTENT_HASH)
            if not self._crew.offered:
                LOG.warning("control lanes not sharded", extra={"fields": {"plugin off": HASH_PLUGIN}})

    def _drop(self) -> bool:
        for lanes in self.lanes:
            lanes.forget()
        return True

    def _over(self) -> bool:
        return self._stopping or self._session_lost is not None

    async def _watch(self, session: Session) -> None:
        self._session_lost = await session.lost()
        self.changes.tell()

    async def _keep_mended(self, session: Session) -> None:
        """Mend the topology whenever that is asked for: what is in flight may wait for it."""
        try:
            while True:
                await self.changes.until(lambda: self._mend or bool(self.condition.topology))
                await self._mended(session, lambda: self._session_lost is not None)
        except BrokerAwayError as error:
            self._session_lost = self._session_lost or str(error)
            self.changes.tell()

    async def _mended(self, session: Session, enough: Callable[[], bool]) -> bool:
        """Declare what is missing. False: something can't be, and a while has passed or ``enough`` says so."""
        self._mend = False
        layout = self._course.layout(self._crew.shards)
        faults = await session.declare(replace(layout, queues=(*layout.queues, *await self._queues())))
        if faults != self.condition.topology:
            for fault in faults:
                LOG.error("topology incomplete", extra={"fields": {"fault": fault}})
        self.condition.topology = faults
        if faults:
            await self.changes.until(enough, TOPOLOGY_PAUSE)
        return not faults

    async def _ledger_answers(self) -> bool:
        """Ask the ledger what is cancelled and paused, and have it write: else nothing is consumed, nor returned."""
        try:
            await self._controls.look()
            await self._ledger.transact(WRITTEN, touch(WRITTEN))
        except LedgerAwayError as error:
            if self.condition.ledger is None:
                LOG.error("ledger away, not consuming", extra={"fields": {"reason": str(error)}})  # noqa: TRY400
            self.condition.ledger = str(error)
            await self.changes.until(self._over, PAUSE)
            return False
        if self.condition.ledger is not None:
            LOG.warning("ledger answers")
        self.condition.ledger = None
        for flight in self._flights:
            flight.ledger_fault = None
        return True

    async def _consume(self, session: Session) -> None:
        """Keep the lanes open for as long as nothing is in the way, then shut them. Raises `BrokerAwayError`."""

        def enough() -> bool:
            return self._over() or self._ledger_fault is not None or any(task.done() for task in keeping)

        keeping: list[asyncio.Task[None]] = []
        await self.lanes[0].open(session)
        for lanes in self.accounts:
            keeping.append(asyncio.create_task(lanes.keep(session, self.changes, self._over)))
            keeping[-1].add_done_callback(lambda _task: self.changes.tell())
        self._opened_at = self._clock.monotonic()
        LOG.info("lanes open")
        try:
            await self.changes.until(enough)
        finally:
            for task in keeping:
                task.cancel()
            ends = await asyncio.gather(*keeping, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end
        if not self._over():
            await self._shut()

    async def _shut(self) -> bool:
        """Begin nothing more, settle what is in flight, put back the rest. False: the grace was too short."""
        await asyncio.gather(*(lanes.stop() for lanes in self.lanes))
        landed = await self._landed()
        await asyncio.gather(*(lanes.close() for lanes in self.lanes))
        return landed

    async def _landed(self) -> bool:
        """Wait for what is in flight: without an end while the worker goes on, for the grace when it stops."""
        await self.changes.until(lambda: not self.in_flight or self._over())
        if not self._stopping:
            return True
        LOG.info("stopping", extra={"fields": {"in_flight": self.in_flight}})
        with suppress(TimeoutError):
            async with asyncio.timeout(self._course.grace):
                await self.changes.until(lambda: not self.in_flight)
        if not self.in_flight:
            return True
        LOG.error("grace ended", extra={"fields": {"in_flight": self.in_flight}})
        await self.abandon()
        return False

    async def _back_off(self, tries: int) -> None:
        seconds = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**tries) * self._clock.chance()
        await self.changes.until(lambda: self._stopping, seconds)
