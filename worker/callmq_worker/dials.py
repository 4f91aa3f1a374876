"""How dials wait: in which queue of their account, and for which slot of its pace."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Final

from callmq_contracts.names import Names
from callmq_worker.core import berths, note
from callmq_worker.core.berths import Assignment, Berths
from callmq_worker.core.flow import Flow, Rates, sender_of
from callmq_worker.core.intake import Accepted
from callmq_worker.core.layout import Lane, QueueSpec, dial_lanes, waiting_lane
from callmq_worker.core.settle import Sorted
from callmq_worker.pacing import Grant, Pacing
from callmq_worker.policy import Tools
from callmq_worker.ports import LedgerAwayError

LOG = logging.getLogger("callmq.dials")
SILENCE: Final = 15.0  # seconds for which a queue is left alone that did not answer
LONGEST_LOOK: Final = 5.0
BATCH_SECONDS: Final = 0.25
MOST_SLOTS: Final = 50
REFRESHED: Final = 3600.0  # seconds after which a note is written again: one that nobody writes is purged

Limits = tuple[tuple[str, float], ...]


class Dials:
    """What all workers agree on about waiting dials, as this worker knows it. ``most``: queues an account."""

    def __init__(
        self, names: Names, rates: Rates, accounts: Collection[str], most: int, pacing: Pacing, tools: Tools
    ) -> None:
        self.names = names
        self.rates = rates
        self.accounts = accounts
        self._ledger = tools.ledger
        self._pacing = pacing
        self._clock = tools.clock
        self._secret = tools.secret
        self._most = most
        self._berths: dict[str, Berths] = {}
        self._noted: dict[tuple[str, Flow], float] = {}
        self._stirred: dict[str, Callable[[], None]] = {}
        self._depths: dict[str, Mapping[int, int]] = {}
        self._silent: dict[str, float] = {}

    def berths(self, account: str) -> Berths:
        """Return an account's queues and what lies in them."""
        return self._berths.get(account, ())

    def lane(self, account: str, number: int) -> Lane:
        """Return one of an account's queues."""
        return waiting_lane(self.names, account, number)

    async def queues(self) -> tuple[QueueSpec, ...]:
        """Return all queues that there must be by now, as far as the ledger says so."""
        with suppress(LedgerAwayError):
            await asyncio.gather(*(self.refresh(account) for account in self.accounts))
        return tuple(q for a, b in self._berths.items() for q in dial_lanes(self.names, a, len(b)).queues)

    async def refresh(self, account: str) -> None:
        """Look at what the others agreed on meanwhile. Raises `LedgerAwayError`."""
        key = note.note_key(berths.NOTE, account)
        record = await self._ledger.look(key)
        if record is not None and self._clock.now() - record.updated_at > REFRESHED:
            await self._ledger.transact(key, note.amend(key, lambda said, _now: (said, None)))
        found = berths.read(note.content(record))
        if len(found) >= len(self.berths(account)):  # an older answer may come behind a newer one
            self._berths[account] = found

    async def sort(self, account: str, flow: Flow) -> Sorted:
        """Return the settlement of a dial that has to wait. Raises `LedgerAwayError`."""
        number, now = berths.find(self.berths(account), flow), self._clock.monotonic()
        if not number or now - self._noted.get((account, flow), -berths.NOTED) >= berths.NOTED:
            change = Assignment(flow, self._most, self._depths.get(account, {}))
            key = note.note_key(berths.NOTE, account)
            self._berths[account] = await self._ledger.transact(key, note.amend(key, change))
            number = berths.find(self.berths(account), flow)
            self._noted = {k: t for k, t in self._noted.items() if now - t < berths.NOTED} | {(account, flow): now}
        return Sorted(self.names.dial_lane(account, number))

    def silence(self, queue: str) -> None:
        """Note that a queue does not answer: for a while its dials wait in a tier, and hold up no others."""
        if not self.silent(queue):
            LOG.warning("a queue of dials is silent", extra={"fields": {"queue": queue, "seconds": SILENCE}})
        self._silent[queue] = self._clock.monotonic() + SILENCE

    def silent(self, queue: str) -> float:
        """Return for how many seconds a queue is still left alone."""
        return max(0.0, self._silent.get(queue, 0.0) - self._clock.monotonic())

    def attend(self, account: str, stirred: Callable[[], None]) -> None:
        """Call this whenever a dial of the account was put into one of its queues here."""
        self._stirred[account] = stirred

    def stir(self, account: str) -> None:
        """Tell that a dial was put into a queue."""
        if account in self._stirred:
            self._stirred[account]()

    def seen(self, account: str, depths: Mapping[int, int]) -> None:
        """Note how many dials lie in the queues: another flow may have one that is empty and unused for long."""
        self._depths[account] = depths

    def limits(self, accepted: Accepted) -> Limits:
        """Return what paces a dial."""
        envelope, body = accepted.envelope, accepted.command.body
        sender = sender_of(body, self._secret) if self.rates.of(envelope.account).from_rate > 0 else ""
        return self.rates.limits(envelope.account, envelope.campaign or "", sender)

    async def reserve(self, account: str, limits: Limits) -> Grant:
        """Ask for the next slots, as many as a moment needs. Raises `LedgerAwayError`."""
        paced = [rate for _, rate in limits if rate > 0]
        most = MOST_SLOTS if not paced else max(1, min(MOST_SLOTS, int(min(paced) * BATCH_SECONDS)))
        return await self._pacing.reserve(account, limits, most)

    async def slot(self, accepted: Accepted, patience: float) -> bool:
        """Wait for the slot of one dial. False: it has none within so many seconds. Raises `LedgerAwayError`."""
        limits, end = self.limits(accepted), self._clock.monotonic() + patience
        while self._clock.now() < accepted.expires_at:
            if self._clock.monotonic() >= end:
                return False
            grant = await self._pacing.reserve(accepted.envelope.account, limits, 1)
            if grant.slots:
                await self._clock.sleep(max(0.0, grant.slots[0] - self._clock.monotonic()))
                return True
            await self._clock.sleep(min(LONGEST_LOOK, grant.again_in))
        return True  # to be answered as expired
