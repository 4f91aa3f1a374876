"""Lanes that are given away: only once what they brought has landed."""

import asyncio

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.changes import Changes
from callmq_worker.core.layout import Shards, shard_lanes
from callmq_worker.core.outcome import Answered
from callmq_worker.crew import Crew
from callmq_worker.flight import Flight, Permits
from callmq_worker.lanes import Shard
from commands import properties
from flights import NAMES, Hand, delivery

EVENT = EXAMPLES["calling.user_event"][0]
FOUR = Shards(4, 4)


class Endpoint(MemoryDispatcher):
    """It tells when a request has begun, and answers once it is let go."""

    def __init__(self, told: list[str]) -> None:
        super().__init__([Turn(Answered(200), acts=True)])
        self._told = told
        self.begun, self.go = asyncio.Event(), asyncio.Event()

    async def dispatch(self, request, leave):
        self.begun.set()
        await self.go.wait()
        answer = await super().dispatch(request, leave)
        self._told.append("answered")
        return answer


class Session:
    """A session, and each consumer that it made."""

    alive = True

    def __init__(self, told: list[str]) -> None:
        self._told = told

    async def consume(self, _lane, _prefetch, _hand_over):
        self._told.append("consumed")
        return self

    async def stop(self) -> None:
        self._told.append("stopped")

    async def close(self) -> None:
        self._told.append("closed")


async def test_a_shard_is_given_away_only_once_its_last_request_has_landed():
    told: list[str] = []
    clock, changes, endpoint = ManualClock(auto=True), Changes(), Endpoint(told)
    hand = Hand(clock, MemoryStore(), endpoint, MemoryPublisher())
    flight = Flight(hand.engine, hand.settler, hand.dials, Permits(10), changes.tell)
    lane = shard_lanes(NAMES, "default", FOUR)[0]
    shard = Shard(lane, flight, 10, Crew(hand.ledger, clock, "one", FOUR))
    session = Session(told)
    await shard.open(session)
    first, second = (delivery(clock, EVENT, properties(EVENT["command"], key), lane="control") for key in ("a", "b"))
    for each in (first, second):
        flight.take(each, ordered=True)
    await endpoint.begun.wait()
    moving = asyncio.create_task(shard.step_back(session, changes, lambda: False))
    for _ in range(50):
        await asyncio.sleep(0)
    assert told == ["consumed"]
    endpoint.go.set()
    await moving
    assert told == ["consumed", "answered", "closed", "consumed"]
    assert (first.receipt.settled, second.receipt.settled) == ("acknowledged", None)
