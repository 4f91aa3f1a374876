"""Fetches an account's waiting dials one by one, each when its pace allows it; nothing else is taken."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple

from callmq_contracts.names import DIAL
from callmq_worker.changes import Changes
from callmq_worker.core.berths import Berth
from callmq_worker.core.fair import Path, Turns
from callmq_worker.core.intake import Accepted
from callmq_worker.dials import Dials, Limits
from callmq_worker.engine import Engine
from callmq_worker.flight import Flight
from callmq_worker.policy import Situated
from callmq_worker.ports import Delivery, Fetcher, NoAnswerError
from callmq_worker.seats import Seats

LOG = logging.getLogger("callmq.puller")
POLL: Final = 1.0  # seconds until what other workers put into a queue is seen
LONG_POLL: Final = 5.0  # where nothing ever waited
LONGEST_HOLD: Final = 2.0  # seconds: what waits longer goes back, so that others may pass it
STALE: Final = 1.0
MOST_PASSED: Final = 100  # dials at most that one probe looks at

Enough = Callable[[], bool]


class Reserved(NamedTuple):
    """What was taken for a queue's next dial before it was seen: the paces that it should have, and perhaps a slot."""

    number: int
    limits: Limits
    slot: float | None


class Puller:
    """One account's. It holds one dial at most, from when it was fetched to when its slot comes."""

    def __init__(
        self, account: str, engine: Engine, dials: Dials, flight: Flight, seats: Seats, changes: Changes
    ) -> None:
        self.account = account
        self._engine = engine
        self._clock = engine.tools.clock
        self._dials = dials
        self.flight = flight
        self._seats = seats
        self._changes = changes
        self._turns = Turns(dials.rates.weight)
        self._slots: dict[Limits, deque[float]] = {}
        self._blocked: dict[str, float] = {}  # paces without a slot, and until when
        self._held: dict[int, float] = {}  # queues whose next dial has none, and until when
        self._standing = engine.tools.controls.standing
        self._empty: set[int] = set()
        self._depths: dict[int, int] = {}
        self._more: set[int] = set()
        self._look_at = 0.0
        self._stirred = False
        dials.attend(account, self._stir)

    def _stir(self) -> None:
        if not self._stirred:
            self._stirred = True
            self._changes.tell()

    async def keep(self, fetcher: Fetcher, enough: Enough) -> None:
        """Let dials go until ``enough`` says so. Raises `BrokerAwayError` and `LedgerAwayError`."""
        while not enough():
            await self._look()
            number = self._choose()
            if number is None:
                await self._rest(enough)
            else:
                await self._step(fetcher, number, enough)

    async def probe(self, fetcher: Fetcher) -> None:
        """Let one dial be sent, whatever its pace, to see whether the account works.

        Those before it that are paused, cancelled, expired or answered tell nothing, and go their way.
        Raises `BrokerAwayError` and `LedgerAwayError`.
        """
        await self._dials.refresh(self.account)
        passed = 0
        for number, berth in enumerate(self._dials.berths(self.account), 1):
            while passed < MOST_PASSED and not self._rests(berth) and not self._silent(number):
                found = await self._fetch(fetcher, number)
                situated = await self._read(found[0]) if found is not None else None
                if situated is None:
                    break
                tells = isinstance(situated.read, Accepted) and await self._engine.needs_slot(situated.read)
                self.flight.follow(situated)
                if tells:
                    return
                passed += 1

    async def _look(self) -> None:
        now = self._clock.monotonic()
        if self._stirred:
            self._stirred = False
            self._forget_empty()
        if now >= self._look_at:
            self._dials.seen(self.account, self._depths)
            await self._dials.refresh(self.account)
            self._look_at = now + (POLL if self._dials.berths(self.account) else LONG_POLL)
            self._forget_empty()

    def _forget_empty(self) -> None:
        self._empty.clear()
        self._depths = {number: max(1, depth) for number, depth in self._depths.items()}

    def _choose(self) -> int | None:
        """Return the number of the queue whose turn it is, None where nothing can go now."""
        standing = self._engine.tools.controls.standing
        if standing is not self._standing:  # what had to wait may be cancelled
            self._standing = standing
            self._held.clear()
        paths: dict[Path, int] = {}
        for number, berth in enumerate(self._dials.berths(self.account), 1):
            if number not in self._empty and not self._waits(number, berth):
                paths.setdefault(self._path_of(number), number)
        return paths[self._turns.next(paths)] if paths else None

    def _waits(self, number: int, berth: Berth) -> bool:
        """Say whether no dial of a queue may go now: for its pace, or because its campaigns are paused."""
        if self._held.get(number, 0.0) > self._clock.monotonic() or self._silent(number):
            return True
        if self._drains(number):
            return False
        return self._rests(berth) or self._blocked_until(self._limits_of(number)) > 0

    def _rests(self, berth: Berth) -> bool:
        """Say whether all campaigns of a queue are paused."""
        return {flow.campaign for flow in berth.flows} <= self._engine.tools.controls.paused_campaigns.keys()

    def _path_of(self, number: int) -> Path:
        return tuple(self._dials.berths(self.account)[number - 1].flows[0])

    def _limits_of(self, number: int) -> Limits:
        flow = self._dials.berths(self.account)[number - 1].flows[0]
        return self._dials.rates.limits(self.account, flow.campaign, flow.sender)

    def _blocked_until(self, limits: Limits) -> float:
        """Return the time before which these paces have no slot, 0 where that is over."""
        until = max(self._blocked.get(name, 0.0) for name, _ in limits)
        return until if until > self._clock.monotonic() else 0.0

    async def _rest(self, enough: Enough) -> None:
        """Wait until something can go, something was put in, or it is time to look."""
        now = self._clock.monotonic()
        times = [self._look_at, *(t for t in (*self._blocked.values(), *self._held.values()) if t > now)]
        await self._changes.until(lambda: enough() or self._stirred, max(0.0, min(times) - now))

    async def _step(self, fetcher: Fetcher, number: int, enough: Enough) -> None:
        """Fetch the next dial of a queue and let it go at its slot.

        Where the queue is known to have one, its slot is taken first, so that nothing is fetched that has to go back.
        """
        path, expected, slot = self._path_of(number), self._limits_of(number), None
        if number in self._more and not self._drains(number):
            slot = await self._slot(expected)
            if slot is None:
                return
        found = await self._fetch(fetcher, number)
        if found is None:
            self._more.discard(number)
            self._empty.add(number)
            self._depths[number] = 0
            self._keep_slot(expected, slot)
            return
        delivery, left = found
        self._depths[number] = left + 1
        (self._more.add if left else self._more.discard)(number)
        situated = await self._read(delivery)
        if situated is None:
            self._keep_slot(expected, slot)
        elif await self._wait(situated, Reserved(number, expected, slot), enough):
            self._turns.count(path)
            await self._let_go(situated)
        else:
            self._more.add(number)
            await delivery.receipt.give_back()

    async def _fetch(self, fetcher: Fetcher, number: int) -> tuple[Delivery, int] | None:
        """Fetch from a queue; one that is silent is left alone for a while, so that it holds up no other."""
        lane = self._dials.lane(self.account, number)
        try:
            return await fetcher.fetch(lane)
        except NoAnswerError:
            self._dials.silence(lane.queue)
            raise

    def _silent(self, number: int) -> bool:
        return self._dials.silent(self._dials.lane(self.account, number).queue) > 0

    def _drains(self, number: int) -> bool:
        """Say whether a campaign of a queue is cancelled: its dials are answered at once, whatever their pace."""
        flows = self._dials.berths(self.account)[number - 1].flows
        return any(self._engine.tools.controls.drains(flow.campaign) for flow in flows)

    async def _wait(self, situated: Situated, reserved: Reserved, enough: Enough) -> bool:
        """Wait for the dial's slot. False: it has to go back."""
        read, (number, expected, slot) = situated.read, reserved
        if not isinstance(read, Accepted) or not await self._engine.needs_slot(read):
            self._keep_slot(expected, slot)
            return True
        limits = self._dials.limits(read)
        if limits != expected:
            self._keep_slot(expected, slot)
            slot = None
        began = self._clock.monotonic()
        while slot is None:
            slot = await self._slot(limits)
            if slot is None:
                until = self._blocked_until(limits)
                alone = until == self._blocked.get("", 0.0)  # the account's own pace: no other dial of it could go
                if not alone or until - began > LONGEST_HOLD:
                    self._held[number] = until
                    return False
                await self._changes.until(enough, max(0.0, until - self._clock.monotonic()))
            if enough():
                return False
        stops = self._engine.tools.controls.stops
        await self._changes.until(lambda: enough() or stops(read), max(0.0, slot - self._clock.monotonic()))
        return not enough()

    async def _slot(self, limits: Limits) -> float | None:
        """Return a slot on the monotonic clock, perhaps to come. None: there is none soon; it is noted until when."""
        now = self._clock.monotonic()
        mine = self._slots.get(limits)
        while mine:
            slot = mine.popleft()
            if slot > now - STALE:
                return slot
        grant = await self._dials.reserve(self.account, limits)
        if grant.slots:
            self._slots = {k: left for k, left in self._slots.items() if left and left[-1] > now - STALE}
            self._slots[limits] = deque(grant.slots[1:])
            return grant.slots[0]
        self._blocked = {name: t for name, t in self._blocked.items() if t > now} | {grant.by: now + grant.again_in}
        return None

    def _keep_slot(self, limits: Limits, slot: float | None) -> None:
        if slot is not None:
            self._slots.setdefault(limits, deque()).appendleft(slot)

    async def _read(self, delivery: Delivery) -> Situated | None:
        """Read a dial as it came: its queue's name stands where its routing key was."""
        properties = delivery.properties._replace(routing_key=DIAL)
        return await self.flight.read(replace(delivery, properties=properties), hold=False)

    async def _let_go(self, situated: Situated) -> None:
        await self._seats.take(self.account)
        task = self.flight.follow(situated)
        task.add_done_callback(lambda _task: self._seats.leave())
