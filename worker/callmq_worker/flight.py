"""Deliveries in flight: each in a task of its own, in the order of its call, within the permitted concurrency."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Final

from callmq_contracts.command import Order
from callmq_contracts.names import DIAL
from callmq_worker.core import spans
from callmq_worker.core.intake import Accepted
from callmq_worker.core.layout import RETURNED_LANE, WAITING_LANE
from callmq_worker.core.order import CallOrder
from callmq_worker.core.settle import Postponed, Returned, Settlement, Sorted
from callmq_worker.dials import Dials
from callmq_worker.engine import Engine
from callmq_worker.policy import Situated
from callmq_worker.ports import Clock, Delivery, LedgerAwayError, Observer
from callmq_worker.settler import SILENT, Settler

LOG = logging.getLogger("callmq.flight")
LONGEST_HOLD: Final = 300.0  # seconds for which a lane that keeps order holds a command between its attempts
LONGEST_WAIT: Final = 60.0  # seconds for which a dial that the broker took out of its queue is held for its slot
FAULT_PAUSE: Final = 1.0
FAULTS: Final = 3  # unforeseen ones that a command in a lane that keeps order may have before it is put back
_DIALS: Final = (DIAL, WAITING_LANE)


class Permits:
    """At most ``concurrency`` at a time, dials at most three quarters of it, so that live calls never wait for them."""

    def __init__(self, concurrency: int) -> None:
        self.dials = max(1, concurrency - concurrency // 4)
        self._all = asyncio.Semaphore(concurrency)
        self._dial = _Both(asyncio.Semaphore(self.dials), self._all)

    def one(self, lane: str) -> AbstractAsyncContextManager[None]:
        """Return what holds one permit of a lane; the same for all, since it keeps nothing."""
        return self._dial if lane in _DIALS else self._all


class _Both:
    """Two permits, the second only while the first is held."""

    def __init__(self, first: asyncio.Semaphore, second: asyncio.Semaphore) -> None:
        self._first = first
        self._second = second

    async def __aenter__(self) -> None:
        await self._first.acquire()
        try:
            await self._second.acquire()
        except BaseException:
            self._first.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._second.release()
        self._first.release()


class Flight:
    """Carries deliveries to their settlement. ``changed`` is called whenever the runner should look again."""

    def __init__(
        self, engine: Engine, settler: Settler, dials: Dials, permits: Permits, changed: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._dials = dials
        self._settler = settler
        self._permits = permits
        self._changed = changed
        self._clock: Clock = engine.tools.clock
        self._observer: Observer = engine.tools.observer
        self._order: CallOrder[asyncio.Event] = CallOrder()
        self._tasks: set[asyncio.Task[None]] = set()
        self._recall = asyncio.Event()
        self.taken = 0
        self.ledger_fault: str | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self, delivery: Delivery, *, ordered: bool) -> None:
        """Take over a delivery; returns at once, since the broker's client cancels its own callbacks."""
        self._begin(self._carry(delivery, ordered=ordered))

    def follow(self, situated: Situated) -> asyncio.Task[None]:
        """Take over a delivery that was read already."""
        return self._begin(self._follow(situated, self._recall))

    def _begin(self, carrying: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.taken += 1
        task = asyncio.get_running_loop().create_task(carrying)
        self._tasks.add(task)
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self._changed()

    def miss_ledger(self, error: LedgerAwayError) -> None:
        """Say that the ledger is away: nothing more is begun until it answers."""
        self.ledger_fault = str(error)
        self._changed()

    def recall(self) -> None:
        """Begin nothing more, and give back what has not begun."""
        self._recall.set()

    def resume(self) -> None:
        """Begin what is taken from now on; what was recalled stays so, even where its channel still lives."""
        self._recall = asyncio.Event()

    async def abandon(self) -> None:
        """Stop now. What was being sent is found in the ledger by whoever gets the message next."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def read(self, delivery: Delivery, *, hold: bool) -> Situated | None:
        """Judge a delivery by its contract; one that can't be judged is put back, and None."""
        try:
            return self._engine.read(delivery, hold=hold)
        except Exception:
            LOG.exception("delivery not read", extra={"fields": {"lane": delivery.lane}})
            await self._give_up(delivery)
            return None

    async def _carry(self, delivery: Delivery, *, ordered: bool) -> None:
        recall = self._recall
        situated = await self.read(delivery, hold=ordered)
        if situated is not None:
            await self._follow(situated, recall)

    async def _follow(self, situated: Situated, recall: asyncio.Event) -> None:
        delivery, envelope = situated.delivery, situated.read.envelope

        def describe() -> tuple[str, spans.Attributes]:
            size, again = len(delivery.body), delivery.redelivered
            return spans.delivery(delivery.exchange, delivery.queue, envelope, size, redelivered=again)

        with self._observer.span("consumer", describe, envelope.trace) as span:
            try:
                if isinstance(situated.read, Accepted):
                    span.set("callmq.command", situated.read.command.name)
                span.set("callmq.outcome", await self._in_turn(situated, recall))
            except Exception:
                span.fail("fault")
                LOG.exception("delivery not settled", extra={"fields": {"lane": delivery.lane}})
                await self._give_up(delivery)

    async def _give_up(self, delivery: Delivery) -> None:
        """Put back what failed in a way that nobody thought of, after a pause."""
        await self._clock.sleep(FAULT_PAUSE)
        await delivery.receipt.give_back()

    async def _in_turn(self, situated: Situated, recall: asyncio.Event) -> str:
        """Settle it after the earlier commands of its call; calling.end does not wait."""
        read = situated.read
        call_id = read.command.call_id if isinstance(read, Accepted) and situated.hold else None
        if call_id is None or (isinstance(read, Accepted) and read.command.order is Order.OVERTAKES):
            return await self._settle(situated, recall)
        ticket = asyncio.Event()
        try:
            if not self._order.enter(call_id, ticket):
                await _unless(recall, ticket.wait())
            return await self._insist(situated, recall)
        finally:
            successor = self._order.leave(call_id, ticket)
            if successor is not None:
                successor.set()

    async def _insist(self, situated: Situated, recall: asyncio.Event) -> str:
        """Settle it, again where that fails in a way that nobody thought of: put back, it would be overtaken."""
        for _ in range(FAULTS):
            try:
                return await self._settle(situated, recall)
            except Exception:
                LOG.exception("delivery not settled, tried again", extra={"fields": {"lane": situated.delivery.lane}})
                await _unless(recall, self._clock.sleep(FAULT_PAUSE))
                situated = replace(situated, past=replace(situated.past, doubt=True))
        return await self._settle(situated, recall)

    async def _settle(self, situated: Situated, recall: asyncio.Event) -> str:
        held = 0.0
        while True:
            if recall.is_set() or not situated.delivery.receipt.alive:
                await self._give_back(situated)
                return "returned"
            try:
                settlement = await self._decide(situated, recall) if await self._in_time(situated, recall) else None
            except LedgerAwayError as error:
                self.miss_ledger(error)
                settlement = Returned()
            if settlement is None:
                await self._give_back(situated)
                return "returned"
            if isinstance(settlement, Returned):
                await _unless(recall, self._clock.sleep(FAULT_PAUSE))
                continue
            if not (isinstance(settlement, Postponed) and self._waits_here(situated, settlement, held)):
                word = await self._settler.perform(situated, settlement)
                if word == SILENT and isinstance(settlement, Sorted):
                    self._dials.silence(settlement.queue)
                    continue
                if isinstance(settlement, Sorted):
                    self._dials.stir(situated.read.envelope.account)
                return word
            await self._settler.release(settlement)  # and its followers wait with it, also through a recall
            held += settlement.delay
            situated = replace(situated, past=settlement.past)
            await _unless(recall, self._engine.wait(situated, settlement.delay))

    async def _give_back(self, situated: Situated) -> None:
        """Put it back, except in a lane that keeps order: closing its channel puts back all at once, in order."""
        if not situated.hold:
            await situated.delivery.receipt.give_back()

    async def _in_time(self, situated: Situated, recall: asyncio.Event) -> bool:
        """Wait for the slot of a dial that the broker took out of its queue. False: it has to go back."""
        read = situated.read
        if situated.delivery.lane != RETURNED_LANE or not isinstance(read, Accepted) or read.command.name != DIAL:
            return True
        waiting = asyncio.ensure_future(self._dials.slot(read, LONGEST_WAIT))
        return await _unless(recall, waiting) and waiting.result()

    async def _decide(self, situated: Situated, recall: asyncio.Event) -> Settlement:
        flow = self._engine.flow(situated)
        if flow is not None:
            sorting = await self._dials.sort(situated.read.envelope.account, flow)
            wait = self._dials.silent(sorting.queue)
            return Postponed(wait, "its queue is silent", past=situated.past) if wait else sorting
        async with self._permits.one(situated.delivery.lane):
            if recall.is_set() or not situated.delivery.receipt.alive:  # it waited for its permit meanwhile
                return Returned()
            return await self._engine.decide(situated)

    def _waits_here(self, situated: Situated, postponed: Postponed, held: float) -> bool:
        fits = held + postponed.delay <= LONGEST_HOLD
        return situated.hold and postponed.ordered and fits


async def _unless(recall: asyncio.Event, wait: Awaitable[Any]) -> bool:
    """Wait, unless what has not begun is given back. True: waited to the end. Raises what it raised."""
    waiting = asyncio.ensure_future(wait)
    recalled = asyncio.ensure_future(recall.wait())
    try:
        await asyncio.wait((waiting, recalled), return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
            return True
        return False
    finally:
        for future in (waiting, recalled):
            if not future.done():
                future.cancel()
        await asyncio.gather(waiting, recalled, return_exceptions=True)
