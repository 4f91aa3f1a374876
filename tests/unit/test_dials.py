"""How dials wait: which take turns, what is remembered of their queues, and how long one is held for its slot."""

from __future__ import annotations

import asyncio

from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher
from callmq_worker.core.flow import Flow, Pace, Rates
from callmq_worker.core.layout import RETURNED_LANE
from callmq_worker.dials import REFRESHED
from callmq_worker.flight import LONGEST_WAIT
from commands import DIAL, properties
from flights import Hand, delivery


def hand(rates: Rates, clock: ManualClock | None = None) -> Hand:
    clock = clock or ManualClock(auto=True)
    return Hand(clock, MemoryStore(), MemoryDispatcher(), MemoryPublisher(), rates=rates)


async def test_unpaced_dials_take_turns_only_where_there_are_several_accounts():
    for shared, waits in ((False, False), (True, True)):
        one = hand(Rates(Pace(0.0), shared=shared))
        situated = one.engine.read(delivery(one.clock), hold=False)
        assert (one.engine.flow(situated) is not None) == waits


async def test_what_lies_in_which_queue_is_remembered_for_as_long_as_a_worker_runs():
    one = hand(Rates(Pace(1.0)))
    await one.dials.sort("default", Flow("normal"))
    for _ in range(10):
        await one.clock.sleep(REFRESHED + 1)
        await one.dials.refresh("default")
    await one.ledger.purge(2 * REFRESHED, 100)
    assert len(one.dials.berths("default")) == 1
    other = hand_of(one)
    await other.dials.refresh("default")
    assert other.dials.berths("default") == one.dials.berths("default")


def hand_of(one: Hand) -> Hand:
    return Hand(one.clock, one.store, MemoryDispatcher(), MemoryPublisher(), rates=one.rates)


async def test_a_dial_that_the_broker_took_out_is_not_held_for_long():
    one = hand(Rates(Pace(1.0)))
    await one.gates.pacing.press("default", 600.0, refused=True)
    taken = delivery(one.clock, DIAL, properties("dial"), lane=RETURNED_LANE)
    began = one.clock.now()
    assert await asyncio.wait_for(one.carry(taken), 10) == "given back"
    assert LONGEST_WAIT <= one.clock.now() - began <= LONGEST_WAIT + 10
    assert one.dispatcher.sent == []
