"""Two workers on one ledger: the lease makes a takeover quick, the fencing token makes it correct."""

from __future__ import annotations

import asyncio

import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.core.outcome import Answer, Answered, NoAnswer, Withheld
from callmq_worker.core.record import State
from callmq_worker.ports import Leave, Published, Request
from commands import NAMED, properties
from flights import KEY, Hand, again, delivery, kept, replies, waiting
from intents import START

LEASE = 45.0
DONE = Answered(200, {"id": "first"})


class SlowEndpoint(MemoryDispatcher):
    """Holds a request before or after it leaves, until the test lets it go."""

    def __init__(self, hold: str, answer: Answer = DONE) -> None:
        super().__init__()
        self.hold, self.answer = hold, answer
        self.reached, self.go = asyncio.Event(), asyncio.Event()

    async def dispatch(self, request: Request, leave: Leave) -> Answer:
        if self.hold == "before":
            await self._wait()
        if not await leave():
            return Withheld()
        self.sent.append(request)
        self.acted.append(request)
        if self.hold == "after":
            await self._wait()
        return self.answer

    async def _wait(self) -> None:
        self.reached.set()
        await self.go.wait()


class Two:
    """A slow worker with a request on its way, and a second one that gets the same message."""

    def __init__(self, safety: str, hold: str, answer: Answer = DONE) -> None:
        self.clock, self.store, self.publisher = ManualClock(), MemoryStore(), MemoryPublisher()
        self.body = NAMED[safety]
        headers = {"expires-at": int((START + 86_400) * 1000)}
        self.given = properties(self.body["command"], headers=headers)
        self.slow, self.quick = SlowEndpoint(hold, answer), MemoryDispatcher()
        self.first = Hand(self.clock, self.store, self.slow, self.publisher, owner="worker-1")
        self.second = Hand(self.clock, self.store, self.quick, self.publisher, owner="worker-2")
        self.held = delivery(self.clock, self.body, self.given)

    async def begin(self) -> None:
        self.task = asyncio.create_task(self.first.carry(self.held))
        await self.slow.reached.wait()

    async def redeliver(self, given=None) -> str | None:
        again_delivered = delivery(self.clock, self.body, given or self.given, redelivered=True)
        return await self.second.carry(again_delivered)

    async def end(self) -> str | None:
        self.slow.go.set()
        return await self.task

    @property
    def record(self):
        return self.store.records[KEY]

    @property
    def outcomes(self):
        return [(r["outcome"], r["replayed"]) for r in replies(self.publisher.taken)]

    @property
    def acted(self):
        return len(self.slow.acted) + len(self.quick.acted)


@pytest.mark.parametrize("safety", NAMED)
@pytest.mark.parametrize("hold", ["before", "after"])
async def test_while_the_lease_lives_the_second_waits_and_then_repeats(safety, hold):
    two = Two(safety, hold)
    await two.begin()
    assert await two.redeliver() == "acknowledged"
    (copy,) = two.publisher.taken
    assert waiting(copy)
    assert await two.end() == "acknowledged"
    await two.clock.advance(1)
    assert await two.redeliver(again(copy)) == "acknowledged"
    assert two.outcomes == [("succeeded", False), ("succeeded", True)]
    assert two.acted == 1


@pytest.mark.parametrize("safety", NAMED)
async def test_what_was_not_sent_is_taken_over_and_the_first_sends_nothing(safety):
    two = Two(safety, "before")
    await two.begin()
    await two.clock.advance(LEASE + 1)
    assert await two.redeliver() == "acknowledged"
    assert two.outcomes == [("succeeded", False)]
    await two.end()
    assert (two.acted, two.slow.sent) == (1, [])
    assert waiting(two.publisher.taken[-1])
    await two.redeliver(again(two.publisher.taken[-1]))
    assert two.outcomes == [("succeeded", False), ("succeeded", True)]
    assert two.record.attempt == 2


async def test_a_dial_that_may_have_left_is_unknown_and_a_late_answer_resolves_it():
    two = Two("unsafe", "after")
    await two.begin()
    await two.clock.advance(LEASE + 1)
    assert await two.redeliver() == "acknowledged"
    assert (two.outcomes, two.record.state) == ([("unknown", False)], State.UNKNOWN)
    assert await two.end() == "acknowledged"
    assert (two.outcomes, two.record.state) == ([("unknown", False), ("succeeded", False)], State.CLOSED)
    first, second = replies(two.publisher.taken)
    assert first["reply_id"] != second["reply_id"]
    assert two.acted == 1
    await two.redeliver()
    assert replies(two.publisher.taken)[-1] == {**second, "replayed": True}


@pytest.mark.parametrize("answer", [Answered(400), NoAnswer("reset")], ids=["rejected", "unknown"])
async def test_what_waits_for_an_attempt_whose_channel_is_lost_keeps_its_copy(answer):
    two = Two("unsafe", "after", answer)
    await two.begin()
    two.held.receipt.alive = False
    assert await two.redeliver() == "acknowledged"
    (waits,) = two.publisher.taken
    await two.end()
    assert two.publisher.taken == [waits]
    back = delivery(two.clock, two.body, again(waits))
    assert await two.second.carry(back) == "acknowledged"
    assert [kept(p) for p in two.publisher.taken[1:]] == [True, False]


@pytest.mark.parametrize("answer", [DONE, Answered(400)], ids=["succeeded", "rejected"])
async def test_a_late_answer_is_owed_where_no_delivery_is_left_to_ask_for_it(answer):
    two = Two("unsafe", "after", answer)
    await two.begin()
    two.held.receipt.alive = False  # the worker slept: its channel is gone, and the second settled the message
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    await two.end()
    assert two.outcomes == [("unknown", False)]
    assert two.record.state is State.CLOSED
    assert await two.second.settler.pay() == 1
    assert two.outcomes[1:] == [("succeeded" if answer is DONE else "rejected", False)]
    assert two.record.due is None


async def test_a_late_answer_that_is_published_at_once_is_owed_no_longer():
    two = Two("unsafe", "after")
    await two.begin()
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    await two.end()
    assert (two.outcomes[-1], two.record.due) == (("succeeded", False), None)


async def test_whoever_was_not_told_of_the_doubt_is_told_what_is_final():
    two = Two("unsafe", "after")
    two.publisher._results = iter([Published.CONFIRMED, Published.NACKED, *[Published.CONFIRMED] * 9])
    await two.begin()
    await two.clock.advance(LEASE + 1)
    await two.redeliver(two.given._replace(correlation_id="the second"))
    await two.end()
    assert two.outcomes == [("succeeded", False)]
    await two.second.settler.pay()
    owed = two.publisher.taken[-1]
    assert (owed.correlation_id, owed.routing_key) == ("the second", "-.dial.succeeded")
    assert two.outcomes == [("succeeded", False)] * 2
    assert two.record.due is None


async def test_a_late_doubt_adds_nothing_to_an_unknown():
    two = Two("unsafe", "after", NoAnswer("no answer in time"))
    await two.begin()
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    record = two.record
    await two.end()
    assert two.record == record
    assert two.outcomes == [("unknown", False), ("unknown", True)]
    assert len([p for p in two.publisher.taken if kept(p)]) == 1


@pytest.mark.parametrize("safety", ["safe", "convergent", "guarded"])
async def test_what_may_be_repeated_is_and_the_late_answer_of_the_first_is_fenced(safety):
    two = Two(safety, "after", Answered(400))
    await two.begin()
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    record = two.record
    await two.end()
    assert two.record == record
    assert two.outcomes == [("succeeded", False), ("succeeded", True)]
    assert (two.acted, record.attempt) == (2, 2)


async def test_a_late_answer_while_the_second_works_is_fenced_and_comes_back_for_the_outcome():
    two = Two("convergent", "after", Answered(400))
    await two.begin()
    await two.clock.advance(LEASE + 1)
    slow = SlowEndpoint("after")
    second = Hand(two.clock, two.store, slow, two.publisher, owner="worker-2")
    task = asyncio.create_task(second.carry(delivery(two.clock, two.body, two.given, redelivered=True)))
    await slow.reached.wait()
    assert await two.end() == "acknowledged"
    assert two.outcomes == []
    (copy,) = two.publisher.taken
    assert waiting(copy)
    slow.go.set()
    assert await task == "acknowledged"
    await two.redeliver(again(copy))
    assert two.outcomes == [("succeeded", False), ("succeeded", True)]


async def test_a_cancelled_worker_leaves_the_mark_and_nobody_dials_again():
    two = Two("unsafe", "after")
    await two.begin()
    two.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two.task
    assert (two.held.receipt.settled, two.record.state) == (None, State.SENDING)
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    assert (two.outcomes, two.acted) == ([("unknown", False)], 1)


@pytest.mark.parametrize(("safety", "outcome"), [("convergent", "succeeded"), ("guarded", "unknown")])
async def test_what_a_lost_worker_may_have_done_is_remembered(safety, outcome):
    two = Two(safety, "after")
    await two.begin()
    two.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two.task
    await two.clock.advance(LEASE + 1)
    gone = MemoryDispatcher([Turn(Answered(404))])
    third = Hand(two.clock, two.store, gone, two.publisher, owner="worker-3")
    await third.carry(delivery(two.clock, two.body, two.given, redelivered=True))
    assert two.outcomes == [(outcome, False)]


async def test_cancelled_before_it_left_it_is_sent_by_the_next():
    two = Two("unsafe", "before")
    await two.begin()
    two.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await two.task
    assert two.record.state is State.HELD
    await two.clock.advance(LEASE + 1)
    await two.redeliver()
    assert (two.outcomes, two.acted) == ([("succeeded", False)], 1)


async def test_two_at_the_same_moment_send_once():
    two = Two("unsafe", "after")
    hands = [Hand(two.clock, two.store, two.quick, two.publisher, owner=f"w{n}") for n in range(5)]
    await asyncio.gather(*(h.carry(delivery(two.clock, two.body, two.given)) for h in hands for _ in range(4)))
    assert two.acted == 1
    assert two.record.attempt == 1
