"""A host that runs one worker, starts it again when it died, and stops it when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from callmq_worker.controls import Controls
from callmq_worker.core.layout import WAITING_LANE, Lane, control_lane, lanes, layout, waiting_lane
from callmq_worker.course import Course
from callmq_worker.crew import Crew
from callmq_worker.ports import Delivery, LedgerAwayError
from callmq_worker.runner import Runner
from callmq_worker.wiring import furnish
from commands import RULES
from flights import NAMES, TIERS, Hand
from simulation.ports import HostBroker, HostClock, HostDispatcher, HostLedger, HostPublisher, HostReceipt
from simulation.post import Session

if TYPE_CHECKING:
    from simulation.world import World

HEARTBEAT = 8.0
WAITING = tuple(waiting_lane(NAMES, "default", number) for number in range(1, 5))
RESTART = 0.2


def read_as(delivery: Delivery) -> Delivery:
    """Return a delivery as whoever fetches waiting dials reads it."""
    if delivery.lane != WAITING_LANE:
        return delivery
    return replace(delivery, properties=delivery.properties._replace(routing_key="dial"))


class Host:
    """One host. ``whole``: with the real runner; else flight, engine and settler alone, back at once."""

    def __init__(self, world: World, name: str, *, whole: bool) -> None:
        self.world, self.name, self.whole = world, name, whole
        self.lives = 0
        self.session: Session
        self.runner: Runner | None = None

    def start(self) -> None:
        """Start a worker process: it knows nothing of those before it."""
        self.lives += 1
        self.process = self.world.loop.process(f"{self.name}.{self.lives}")
        self.note("starts")
        self.task = self.world.loop.start(self.process, self._live())

    async def _live(self) -> None:
        ledger, clock = HostLedger(self), HostClock(self)
        controls = Controls(ledger, clock) if self.whole else None
        hand = Hand(clock, self.world.store, HostDispatcher(self), HostPublisher(self), owner=self.process.name,
                    ledger=ledger, mend=lambda: None, controls=controls, concurrency=4,
                    **self.world.numbers)  # fmt: skip
        if not self.whole:
            self.settler = hand.settler
            while True:
                self.connect()
                for lane in (control_lane(NAMES, "default"), *lanes(NAMES), *WAITING):

                    def taken(delivery: Delivery, lane: Lane = lane) -> None:
                        hand.flight.take(read_as(delivery), ordered=lane.ordered)

                    await self.session.consume(lane, 10, taken)
                await self.session.lost()
        course = Course(partial(layout, NAMES, TIERS, RULES.accounts), 20.0, 1_000_000.0)
        runner = self.runner = Runner(course, HostBroker(self), ledger, hand.gates, hand.controls, clock)
        crew = Crew(ledger, clock, self.process.name, self.world.shards)
        furnish(runner, hand.engine, hand.settler, hand.dials, crew)
        landed = await runner.run()
        self.note("ends", "" if landed else "and something was in flight")
        self.process.kill()
        self.world.restart(self, RESTART)

    def pay(self) -> None:
        """Publish what is owed: a runner does so by itself."""
        if not self.whole:
            self.world.loop.start(self.process, self._pay())

    async def _pay(self) -> None:
        with contextlib.suppress(LedgerAwayError):
            await self.settler.pay()

    def stop(self) -> None:
        """Tell it to end gracefully."""
        if self.runner is not None:
            self.note("is told to stop")
            self.runner.stop()

    def connect(self) -> Session:
        self.session = Session(self.world.post, self.process)
        return self.session

    def receipt(self, channel: Any, letter: Any) -> HostReceipt:
        return HostReceipt(self, channel, letter)

    def note(self, word: str, detail: object = "") -> None:
        self.world.note(self.process.name, word, detail)

    async def step(self, word: str, detail: object = "") -> None:
        """Make one step towards the world, if fate lets it."""
        world = self.world
        world.note(self.process.name, word, detail)
        if world.over:
            raise asyncio.CancelledError
        struck = world.fate.strike(word)
        if struck:
            await getattr(self, f"_{struck}")(word)
        seconds = world.fate.seconds(word)
        if (
            seconds is not None and word != "leave"
        ):  # only death comes between the last look at the time and the first byte
            await asyncio.sleep(seconds)

    async def _kill(self, word: str) -> None:
        self.note("KILLED", f"at {word}")
        self.process.kill()
        self.world.disturbed += 1
        if hasattr(self, "session"):
            self.session.cut("killed")
        self.world.restart(self, RESTART)
        await self.world.loop.create_future()

    async def _stop(self, word: str) -> None:
        seconds = self.world.fate.seconds("stop")
        self.note("STOPPED", f"at {word} for {seconds} s")
        self.world.disturbed += 1
        self.process.asleep_until = self.world.loop.time() + seconds
        if seconds > HEARTBEAT and hasattr(self, "session"):
            loop = self.world.loop
            loop.call_later(HEARTBEAT, self.session.cut, "no heartbeat", context=loop.world.context)
        await asyncio.sleep(0)

    async def _cut(self, word: str) -> None:
        if hasattr(self, "session"):
            self.note("CUT", f"at {word}")
            self.world.disturbed += 1
            self.session.cut("cut")
