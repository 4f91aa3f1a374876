"""Runs a worker: sessions with the broker, lanes opened and shut, readiness, housekeeping, a graceful end."""

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from callmq_contracts.names import DIAL
from callmq_worker.core.layout import RETURNED_LANE, Lane
from callmq_worker.core.record import RecordKey
from callmq_worker.course import Condition, Course
from callmq_worker.flight import Flight, Permits
from callmq_worker.gates import Gates
from callmq_worker.housekeeping import PAUSE, keep_house
from callmq_worker.ports import Broker, BrokerAwayError, Clock, Consumer, Delivery, Ledger, LedgerAwayError, Session
from callmq_worker.settler import Settler

LOG = logging.getLogger("callmq.runner")
FIRST_BACKOFF: Final = 0.2
LONGEST_BACKOFF: Final = 15.0
TOPOLOGY_PAUSE: Final = 5.0
STEADY: Final = 5.0
PROBE_LOOK: Final = 0.5
DIAL_SECONDS: Final = 30.0


class Runner:
    """Supervises one worker process. All waiting is on one event, `changed`, and all conditions are looked at anew."""

    def __init__(self, course: Course, broker: Broker, ledger: Ledger, gates: Gates, clock: Clock) -> None:
        self._course = course
        self._broker = broker
        self._ledger = ledger
        self._gates = gates
        self._clock = clock
        self._changed = asyncio.Event()
        self._consumers: list[tuple[Lane, Consumer]] = []
        self._opened_at = math.inf
        self._session_lost: str | None = None
        self._stopping = False
        self._mend = False
        self.condition = Condition()
        self.flight: Flight
        self.settler: Settler

    def begin(self, flight: Callable[[Permits, Callable[[], None]], Flight], settler: Settler) -> None:
        """Take over what carries and settles deliveries."""
        self.permits = Permits(self._course.concurrency)
        self.flight = flight(self.permits, self._changed.set)
        self._gates.changed = self._changed.set
        self.settler = settler

    def mend(self) -> None:
        """Ask for the topology to be declared again."""
        self._mend = True
        self._changed.set()

    def stop(self) -> None:
        """Stop taking, finish what is in flight, and end `run`."""
        self._stopping = True
        self._changed.set()

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether this worker does its work, and what is in the way."""
        condition = self.condition
        condition.paused = dict(self._gates.paused) if self._gates.shut else {}
        condition.consuming = bool(self._consumers) and all(c.alive for _, c in self._consumers)
        faults = condition.faults()
        ledger = condition.ledger or self.flight.ledger_fault or self.settler.recording_fault
        if ledger:
            faults["ledger"] = ledger
        return not faults and not self._stopping, faults

    async def run(self) -> bool:
        """Work until `stop`. False: something was still in flight when the grace ended."""
        housekeeping = asyncio.create_task(
            keep_house(self.settler, self._ledger, self._course.retention, self.condition, self._clock)
        )
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
            if len(self.flight):  # the session was lost before the end: what is in flight still records
                landed = await self._landed()
        finally:
            housekeeping.cancel()
            await asyncio.gather(housekeeping, return_exceptions=True)
        return landed

    def _note_broker(self, reason: str, tries: int) -> None:
        self.condition.broker = reason
        level = logging.WARNING if tries in (0, 3) else logging.INFO
        LOG.log(level, "broker away, trying again", extra={"fields": {"reason": reason, "tries": tries + 1}})

    async def _serve(self, session: Session) -> bool:
        """Use one session until it is lost or the worker stops. False: the grace was too short."""
        self._session_lost = None
        self.flight.resume()
        self.condition.broker = None
        LOG.info("connected to the broker")
        watching = asyncio.create_task(self._watch(session))
        landed = True
        try:
            try:
                while not self._over():
                    if await self._mended(session, self._over) and await self._ledger_answers():
                        await self._consume(session)
            except BrokerAwayError as error:
                self._session_lost = str(error)
            landed = await self._shut(session) if self._stopping else self._drop()
        finally:
            self._consumers = []
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self.condition.broker = self._session_lost or "closed"
            self._broker.forget()
            await session.close()
        if self._session_lost and not self._stopping:
            LOG.warning("broker lost", extra={"fields": {"reason": self._session_lost}})
        return landed

    def _drop(self) -> bool:
        """Let go of what has not begun, and of what still comes, on a lost session: it will be delivered again."""
        self.flight.recall()
        return True

    def _over(self) -> bool:
        return self._stopping or self._session_lost is not None

    async def _watch(self, session: Session) -> None:
        self._session_lost = await session.lost()
        self._changed.set()

    async def _until_mending(self, session: Session | None, enough: Callable[[], bool]) -> None:
        """Wait until ``enough`` says so, and mend the topology meanwhile: what is in flight may wait for that."""
        try:
            while session is not None and not enough():
                await self._until(lambda: enough() or self._mend)
                while (self._mend or self.condition.topology) and not enough():
                    await self._mended(session, enough)
        except BrokerAwayError as error:
            self._session_lost = self._session_lost or str(error)
        await self._until(enough)

    async def _mended(self, session: Session, enough: Callable[[], bool]) -> bool:
        """Declare what is missing. False: something can't be, and a while has passed or ``enough`` says so."""
        self._mend = False
        faults = await session.declare(self._course.layout)
        if faults != self.condition.topology:
            for fault in faults:
                LOG.error("topology incomplete", extra={"fields": {"fault": fault}})
        self.condition.topology = faults
        if faults:
            await self._until(enough, TOPOLOGY_PAUSE)
        return not faults

    async def _ledger_answers(self) -> bool:
        """Ask the ledger for anything; while it does not answer, nothing is consumed."""
        try:
            await self._ledger.look(RecordKey("", ""))
        except LedgerAwayError as error:
            if self.condition.ledger is None:
                LOG.error("ledger away, not consuming", extra={"fields": {"reason": str(error)}})  # noqa: TRY400
            self.condition.ledger = str(error)
            await self._until(self._over, PAUSE)
            return False
        if self.condition.ledger is not None:
            LOG.warning("ledger answers")
        self.condition.ledger = self.flight.ledger_fault = None
        return True

    async def _consume(self, session: Session) -> None:
        """Keep the lanes open for as long as nothing is in the way, then shut them."""
        if self._gates.shut:
            await self._probe(session)
            return
        for lane in self._course.lanes:
            if lane not in (opened for opened, _ in self._consumers):
                await self._open(session, lane, self._prefetch(lane))
        self._opened_at = self._clock.monotonic()
        LOG.info("lanes open")

        def enough() -> bool:
            return self._over() or self.flight.ledger_fault is not None or self._gates.shut

        await self._until_mending(session, enough)
        if not self._over():
            await self._shut(session)

    async def _open(self, session: Session, lane: Lane, prefetch: int) -> None:
        def taken(delivery: Delivery) -> None:
            self.flight.take(delivery, ordered=lane.ordered)
            if self._gates.shut:  # a probe waits for this one
                self._changed.set()

        self._consumers.append((lane, await session.consume(lane, prefetch, taken)))

    async def _probe(self, session: Session) -> None:
        """While no account can work, let one command go from the first lane that has one; the rest stay untouched.

        A lane that keeps order is opened whole: a queue puts back out of order what is taken and returned in parts.
        """
        await self._until(self._over, self._gates.next_probe_in())
        pauses, before = self._gates.pauses, self.flight.taken
        for lane in self._course.lanes:
            if self._over() or self.flight.taken != before:
                break
            await self._open(session, lane, self._prefetch(lane) if lane.ordered else 1)
            await self._until(lambda: self._over() or self.flight.taken != before, PROBE_LOOK)
            if self.flight.taken == before and not self._over():
                await self._shut(session)
        await self._until_mending(
            session,
            lambda: (
                self._over()
                or self._gates.pauses != pauses
                or not self._gates.shut
                or self.flight.ledger_fault is not None
                or not len(self.flight)
            ),
        )
        resumed = not self._gates.shut and all(lane.ordered for lane, _ in self._consumers)
        if not self._over() and not resumed:
            await self._shut(session)
            await self._until(self._over, PROBE_LOOK if self._gates.shut else 0.0)

    def _prefetch(self, lane: Lane) -> int:
        course, rate = self._course, self._gates.dial_rate
        if lane.name == RETURNED_LANE:
            return 1  # what killed a worker is worked on alone
        if lane.name == DIAL:
            wanted = math.ceil(rate * DIAL_SECONDS) if rate > 0 else self.permits.dials
            return max(1, min(self.permits.dials, wanted))
        return course.concurrency

    async def _shut(self, session: Session) -> bool:
        """Begin nothing more, settle what is in flight, put back the rest. False: the grace was too short.

        A lane that keeps order stays ours until its last request is settled: its consumer's end hands the lane to
        another worker, and closing the channel puts back what was not begun, all at once and in order.
        """
        consumers, self._consumers = self._consumers, []
        self.flight.recall()
        try:
            await asyncio.gather(*(consumer.stop() for lane, consumer in consumers if not lane.ordered))
            landed = await self._landed(session)
            await asyncio.gather(*(consumer.close() for _, consumer in consumers))
        finally:
            self.flight.resume()
        return landed

    async def _landed(self, session: Session | None = None) -> bool:
        """Wait for what is in flight: without an end while the worker goes on, for the grace when it stops."""

        def down() -> bool:
            return not len(self.flight)

        await self._until_mending(session, lambda: down() or self._over())
        if not self._stopping:
            return True
        LOG.info("stopping", extra={"fields": {"in_flight": len(self.flight)}})
        with suppress(TimeoutError):
            async with asyncio.timeout(self._course.grace):
                await self._until_mending(session, down)
        if down():
            return True
        LOG.error("grace ended", extra={"fields": {"in_flight": len(self.flight)}})
        await self.flight.abandon()
        return False

    async def _back_off(self, tries: int) -> None:
        seconds = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**tries) * self._clock.chance()
        await self._until(lambda: self._stopping, seconds)

    async def _until(self, enough: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until ``enough`` says so, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not enough():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return
