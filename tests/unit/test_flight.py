"""What is taken and not begun: it is given back once it was recalled, and never begins afterwards."""

import asyncio

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.core.outcome import Answered
from commands import properties
from flights import Hand, delivery
from world import until

EVENT = EXAMPLES["calling.user_event"][0]


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


async def test_a_fault_in_reading_puts_the_delivery_back(monkeypatch, caplog):
    clock = ManualClock(auto=True)
    hand = Hand(clock, MemoryStore(), MemoryDispatcher([]), MemoryPublisher())
    monkeypatch.setattr(hand.engine, "read", lambda *_, **__: 1 / 0)
    taken = delivery(clock, EVENT, properties(EVENT["command"], "a"), lane="control")
    hand.flight.take(taken, ordered=True)
    await until(lambda: not len(hand.flight))
    assert taken.receipt.settled == "given back"
    assert "delivery not read" in caplog.text
