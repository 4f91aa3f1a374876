"""Runs a worker: sessions with the broker, lanes opened and shut, readiness, housekeeping, a graceful end."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from callmq_contracts.names import DIAL
from callmq_worker.core.layout import RETURNED_LANE, Lane, Layout
from callmq_worker.core.record import RecordKey
from callmq_worker.flight import Flight, Permits
from callmq_worker.gates import Gates
from callmq_worker.ports import Broker, BrokerAwayError, Clock, Consumer, Ledger, LedgerAwayError, Session
from callmq_worker.settler import Settler

LOG = logging.getLogger("callmq.runner")
FIRST_BACKOFF: Final = 0.2
LONGEST_BACKOFF: Final = 15.0
TOPOLOGY_PAUSE: Final = 5.0
HOUSEKEEPING_PAUSE: Final = 2.0
PURGE_EVERY: Final = 60.0
PURGE_BATCH: Final = 500
DIAL_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Course:
    """What this worker runs by. Times in seconds."""

    lanes: tuple[Lane, ...]
    layout: Layout
    concurrency: int
    grace: float
    retention: float


@dataclass(slots=True)
class Condition:
    """What readiness is made of. A part that is None or empty is well."""

    broker: str | None = "not connected yet"
    topology: tuple[str, ...] = ()
    consuming: bool = False
    ledger: str | None = None
    paused: dict[str, str] = field(default_factory=dict)

    def faults(self) -> dict[str, Any]:
        """Return the parts that are not well."""
        parts: dict[str, Any] = {
            "broker": self.broker,
            "topology": list(self.topology),
            "ledger": self.ledger,
            "paused": dict(self.paused),
        }
        faults = {name: part for name, part in parts.items() if part}
        if not self.consuming and not faults:
            faults["lanes"] = "not consuming"
        return faults


class Runner:
    """Supervises one worker process. All waiting is on one event, `changed`, and all conditions are looked at anew."""

    def __init__(self, course: Course, broker: Broker, ledger: Ledger, gates: Gates, clock: Clock) -> None:
        self._course = course
        self._broker = broker
        self._ledger = ledger
        self._gates = gates
        self._clock = clock
        self._changed = asyncio.Event()
        self._consumers: list[Consumer] = []
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
        if self.flight.ledger_fault or self.settler.recording_fault:
            condition.ledger = self.flight.ledger_fault or self.settler.recording_fault
        condition.consuming = bool(self._consumers) and all(c.alive for c in self._consumers)
        faults = condition.faults()
        return not faults and not self._stopping, faults

    async def run(self) -> bool:
        """Work until `stop`. False: something was still in flight when the grace ended."""
        housekeeping = asyncio.create_task(self._keep_house())
        landed, tries = True, 0
        try:
            while not self._stopping:
                try:
                    session = await self._broker.connect()
                except BrokerAwayError as error:
                    self._note_broker(str(error), tries)
                    await self._pause(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**tries) * self._clock.chance())
                    tries = min(tries + 1, 10)
                    continue
                tries = 0
                landed = await self._serve(session)
            if len(self.flight):  # the session was lost before the end: what is in flight still records
                landed = await self._land(self._course.grace)
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
        self.condition.broker = None
        LOG.info("connected to the broker")
        watching = asyncio.create_task(self._watch(session))
        landed = True
        try:
            while not self._over():
                if await self._mended(session) and await self._ledger_answers():
                    await self._consume(session)
        except BrokerAwayError as error:
            self._session_lost = str(error)
        finally:
            if self._stopping:
                landed = await self._shut(self._course.grace)
            self._consumers = []
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            self.condition.broker = self._session_lost or "closed"
            self._broker.forget()
            await session.close()
        if self._session_lost and not self._stopping:
            LOG.warning("broker lost", extra={"fields": {"reason": self._session_lost}})
        return landed

    def _over(self) -> bool:
        return self._stopping or self._session_lost is not None

    async def _watch(self, session: Session) -> None:
        self._session_lost = await session.lost()
        self._changed.set()

    async def _mended(self, session: Session) -> bool:
        self._mend = False
        faults = await session.declare(self._course.layout)
        if faults != self.condition.topology:
            for fault in faults:
                LOG.error("topology incomplete", extra={"fields": {"fault": fault}})
        self.condition.topology = faults
        if faults:
            await self._until(self._over, TOPOLOGY_PAUSE)
        return not faults

    async def _ledger_answers(self) -> bool:
        """Ask the ledger for anything; while it does not answer, nothing is consumed."""
        try:
            await self._ledger.look(RecordKey("", ""))
        except LedgerAwayError as error:
            if self.condition.ledger is None:
                LOG.error("ledger away, not consuming", extra={"fields": {"reason": str(error)}})  # noqa: TRY400
            self.condition.ledger = str(error)
            await self._until(self._over, HOUSEKEEPING_PAUSE)
            return False
        if self.condition.ledger is not None:
            LOG.warning("ledger answers")
        self.condition.ledger = self.flight.ledger_fault = None
        return True

    async def _consume(self, session: Session) -> None:
        """Keep the lanes open for as long as nothing is in the way, then shut them."""
        probing = self._gates.shut
        if probing:
            await self._until(self._over, self._gates.next_probe_in())
            if self._over():
                return
        pauses = self._gates.pauses
        for lane in self._course.lanes:
            prefetch = 1 if probing else self._prefetch(lane)
            ordered = lane.ordered
            consumer = await session.consume(lane, prefetch, lambda d, o=ordered: self.flight.take(d, ordered=o))  # type: ignore[misc]
            self._consumers.append(consumer)
        LOG.info("lanes open", extra={"fields": {"probing": probing}})

        def enough() -> bool:
            probed = probing and (self._gates.pauses != pauses or not self._gates.shut)
            away = self.flight.ledger_fault is not None
            return self._over() or probed or away or (not probing and self._gates.shut)

        while not enough():
            await self._until(lambda: enough() or self._mend)
            while (self._mend or self.condition.topology) and not enough():
                await self._mended(session)  # with the lanes open: what is in flight waits for the mended part
        if not self._over():
            await self._shut(None)

    def _prefetch(self, lane: Lane) -> int:
        course, rate = self._course, self._gates.dial_rate
        if lane.name == RETURNED_LANE:
            return 1  # what killed a worker is worked on alone
        if lane.name == DIAL:
            wanted = math.ceil(rate * DIAL_SECONDS) if rate > 0 else self.permits.dials
            return max(1, min(self.permits.dials, wanted))
        return course.concurrency

    async def _shut(self, grace: float | None) -> bool:
        """Cancel the consumers, settle what is in flight, give back the rest, close the channels."""
        consumers, self._consumers = self._consumers, []
        for consumer in consumers:
            await consumer.stop()
        landed = await self._land(grace)
        for consumer in consumers:
            await consumer.close()
        return landed

    async def _land(self, grace: float | None) -> bool:
        if grace is not None:
            LOG.info("stopping", extra={"fields": {"in_flight": len(self.flight)}})
        landed = await self.flight.land(grace)
        if not landed:
            LOG.error("grace ended", extra={"fields": {"in_flight": len(self.flight)}})
            await self.flight.abandon()
        return landed

    async def _keep_house(self) -> None:
        """Publish what is owed, and purge what is old, in small batches."""
        purged_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(HOUSEKEEPING_PAUSE)
            try:
                if self.condition.broker is None and await self.settler.pay():
                    LOG.info("owed replies published")
                if self._clock.monotonic() - purged_at > PURGE_EVERY:
                    purged_at = self._clock.monotonic()
                    while await self._ledger.purge(self._course.retention, PURGE_BATCH) == PURGE_BATCH:
                        await self._clock.sleep(0.1)
            except LedgerAwayError as error:
                LOG.warning("housekeeping put off", extra={"fields": {"reason": str(error)}})

    async def _pause(self, seconds: float) -> None:
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
