"""What is taken and not begun: it is given back once it was recalled, and never begins afterwards."""

import asyncio
from functools import partial

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.core.layout import SINGLE, layout
from callmq_worker.core.outcome import Answered
from callmq_worker.course import Course
from callmq_worker.crew import Crew
from callmq_worker.ports import BrokerAwayError
from callmq_worker.runner import Runner
from callmq_worker.wiring import furnish
from commands import properties
from flights import NAMES, TIERS, Hand, delivery
from world import until

EVENT = EXAMPLES["calling.user_event"][0]
DENOISE = EXAMPLES["calling.denoise"][0]


class HeldDispatcher(MemoryDispatcher):
    """An endpoint that answers nothing until it is let go."""

    def __init__(self, turn: Turn) -> None:
        super().__init__([turn, turn])
        self.begun = 0
        self.go = asyncio.Event()

    async def dispatch(self, request, leave):
        self.begun += 1
        await self.go.wait()
        return await super().dispatch(request, leave)


async def test_what_is_recalled_never_overtakes_though_its_channel_still_lives():
    clock, endpoint = ManualClock(auto=True), HeldDispatcher(Turn(Answered(200), acts=True))
    hand = Hand(clock, MemoryStore(), endpoint, MemoryPublisher())
    first, second = (delivery(clock, EVENT, properties(EVENT["command"], key), lane="control") for key in ("a", "b"))
    for each in (first, second):
        hand.flight.take(each, ordered=True)
    await until(lambda: endpoint.begun == 1)
    hand.flight.recall()  # the runner on a session that was lost; its channels close a moment later
    hand.flight.resume()
    await until(lambda: len(hand.flight) == 1)
    assert endpoint.begun == 1
    endpoint.go.set()
    await until(lambda: not len(hand.flight))
    assert (first.receipt.settled, second.receipt.settled) == ("acknowledged", None)
    assert [request.key for request in endpoint.sent] == ["a"]
    hand.flight.take(delivery(clock, EVENT, properties(EVENT["command"], "b"), lane="control"), ordered=True)
    await until(lambda: not len(hand.flight))
    assert [request.key for request in endpoint.sent] == ["a", "b"]


def keyless(clock: ManualClock, call: str | None = None):
    body = {**DENOISE, "id": call or DENOISE["id"]}
    return delivery(clock, body, properties(DENOISE["command"], None), lane="control")


async def test_what_waits_for_a_permit_when_its_session_is_lost_never_begins():
    clock, endpoint = ManualClock(auto=True), HeldDispatcher(Turn(Answered(200), acts=True))
    hand = Hand(clock, MemoryStore(), endpoint, MemoryPublisher(), concurrency=1)
    first, second = keyless(clock), keyless(clock, "5a1b0d3e-7c7a-4b6c-9a53-0f6f0a3f1d11")
    for each in (first, second):
        hand.flight.take(each, ordered=True)
    await until(lambda: endpoint.begun == 1)
    hand.flight.recall()
    endpoint.go.set()
    await until(lambda: not len(hand.flight))
    assert len(endpoint.sent) == 1
    assert (first.receipt.settled, second.receipt.settled) == ("acknowledged", None)


async def test_nothing_leaves_for_a_delivery_whose_channel_is_lost():
    clock, endpoint = ManualClock(auto=True), HeldDispatcher(Turn(Answered(200), acts=True))
    hand = Hand(clock, MemoryStore(), endpoint, MemoryPublisher())
    lost = keyless(clock)
    hand.flight.take(lost, ordered=True)
    await until(lambda: endpoint.begun == 1)  # it connects to the endpoint
    lost.receipt.alive = False
    endpoint.go.set()
    await until(lambda: not len(hand.flight))
    assert endpoint.sent == []


async def test_nothing_that_may_be_repeated_leaves_once_its_time_is_over():
    clock, endpoint = ManualClock(auto=True), HeldDispatcher(Turn(Answered(200), acts=True))
    hand = Hand(clock, MemoryStore(), endpoint, MemoryPublisher())
    headers = {"expires-at": int(1000 * (clock.now() + 2))}
    late = delivery(clock, DENOISE, properties(DENOISE["command"], "late", headers=headers), lane="control")
    hand.flight.take(late, ordered=True)
    await until(lambda: endpoint.begun == 1)  # it connects to the endpoint
    await clock.advance(3)
    endpoint.go.set()
    await until(lambda: not len(hand.flight))
    assert endpoint.sent == []
    assert late.receipt.settled == "acknowledged"


async def test_an_unforeseen_fault_lets_no_later_command_of_the_call_pass(monkeypatch, caplog):
    clock, endpoint = ManualClock(auto=True), MemoryDispatcher([])
    hand, faults = Hand(clock, MemoryStore(), endpoint, MemoryPublisher()), []
    decide = hand.engine.decide

    async def failing(situated):
        if situated.read.envelope.key == "a" and len(faults) < 2:
            faults.append(ZeroDivisionError())
            raise faults[-1]
        return await decide(situated)

    monkeypatch.setattr(hand.engine, "decide", failing)
    for key in ("a", "b"):
        hand.flight.take(delivery(clock, EVENT, properties(EVENT["command"], key), lane="control"), ordered=True)
    await until(lambda: not len(hand.flight))
    assert [request.key for request in endpoint.sent] == ["a", "b"]
    assert caplog.text.count("delivery not settled, tried again") == 2


async def test_a_fault_in_reading_puts_the_delivery_back(monkeypatch, caplog):
    clock = ManualClock(auto=True)
    hand = Hand(clock, MemoryStore(), MemoryDispatcher([]), MemoryPublisher())
    monkeypatch.setattr(hand.engine, "read", lambda *_, **__: 1 / 0)
    taken = delivery(clock, EVENT, properties(EVENT["command"], "a"), lane="control")
    hand.flight.take(taken, ordered=True)
    await until(lambda: not len(hand.flight))
    assert taken.receipt.settled == "given back"
    assert "delivery not read" in caplog.text


class DyingSession:
    """A session whose publishing side is lost while its consuming side hands over until it is closed."""

    def __init__(self, clock: ManualClock, endpoint: HeldDispatcher) -> None:
        self.clock, self.endpoint = clock, endpoint
        self.alive, self.over = True, asyncio.Event()

    async def declare(self, _layout):
        return ()

    async def consume(self, lane, _prefetch, taken):
        if lane.ordered:
            self.taken = taken
            self.hand_over("a", "b")
        return self

    def hand_over(self, *keys: str) -> None:
        for key in keys:
            self.taken(delivery(self.clock, EVENT, properties(EVENT["command"], key), lane="control"))

    async def fetcher(self):
        return self

    async def fetch(self, _lane):
        return None

    async def lost(self) -> str:
        await until(lambda: self.endpoint.begun > 0)
        return "publishing connection closed"

    async def close(self) -> None:
        self.hand_over("c")
        await until(self.over.is_set)

    def forget(self) -> None:
        pass

    async def connect(self):
        if self.over.is_set():
            raise BrokerAwayError("of the test")
        return self


async def test_what_a_lost_session_still_hands_over_does_not_overtake_what_was_recalled():
    clock, endpoint = ManualClock(), HeldDispatcher(Turn(Answered(200), acts=True))
    hand, session = Hand(clock, MemoryStore(), endpoint, MemoryPublisher()), DyingSession(clock, endpoint)
    runner = Runner(
        Course(partial(layout, NAMES, TIERS, ()), 20.0, 1_000_000.0),
        session,
        hand.ledger,
        hand.gates,
        hand.controls,
        clock,
    )
    hand.dials.accounts = ("default",)
    furnish(runner, hand.engine, hand.settler, hand.dials, Crew(hand.ledger, clock, hand.owner, SINGLE))
    running = asyncio.create_task(runner.run())
    flight = runner.accounts[0].flight
    await until(lambda: flight.taken == 3 and len(flight) == 1, running)
    assert endpoint.begun == 1
    endpoint.go.set()
    await until(lambda: not len(flight), running)
    runner.stop()
    session.over.set()
    await running
    assert [request.key for request in endpoint.sent] == ["a"]
