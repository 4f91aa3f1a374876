"""What operators have said, as this worker knows it: it looks at the note each second, and before lanes are opened."""

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from callmq_contracts.names import DIAL
from callmq_worker.core import controls
from callmq_worker.core.controls import NOTE, NOTHING, Scope, Standing, Target, UnreadableError
from callmq_worker.core.intake import Accepted
from callmq_worker.core.note import amend, content
from callmq_worker.ports import Clock, Ledger, LedgerAwayError

LOG = logging.getLogger("callmq.controls")
LOOK_EVERY: Final = 1.0
PATIENCE: Final = (
    10.0  # seconds: who knows nothing newer sends nothing, so a cancellation holds after that at the latest
)

UNREADABLE: Final = (
    "What is cancelled or paused can't be read: a newer version wrote it into the ledger. Update this one."
)


@dataclass(slots=True)
class Controls:
    """Keeps what stands. ``changed`` is called whenever it is another; ``patience`` in seconds."""

    ledger: Ledger
    clock: Clock
    patience: float = PATIENCE
    changed: Callable[[], None] = lambda: None
    standing: Standing = NOTHING
    paused_accounts: Mapping[str, str] = field(default_factory=dict)
    paused_campaigns: Mapping[str, str] = field(default_factory=dict)
    _said: bytes | None = None
    _asked_at: float = -math.inf
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)  # an older answer never comes behind a newer one

    @property
    def known(self) -> bool:
        """Whether this is new enough to act on."""
        return self.clock.monotonic() - self._asked_at <= self.patience

    def cancelled(self, accepted: Accepted) -> Scope | None:
        """Return what of a command is cancelled, ``None`` where nothing is."""
        envelope = accepted.envelope
        return self.standing.cancels(envelope.account, envelope.key, envelope.campaign, accepted.command.call_id)

    def bars(self, accepted: Accepted) -> bool:
        """Say whether nothing of a command may leave: it is cancelled or paused, or nobody knows."""
        paused = accepted.envelope.account in self.paused_accounts or self.rests(accepted)
        return paused or self.cancelled(accepted) is not None or not self.known

    def stops(self, accepted: Accepted) -> bool:
        """Say whether a command would not be sent now, whatever its pace."""
        return self.cancelled(accepted) is not None or self.rests(accepted)

    def drains(self, campaign: str) -> bool:
        """Say whether a campaign is cancelled: what waits of it is answered at once."""
        return Target(Scope.CAMPAIGN, campaign) in self.standing.cancelled

    def rests(self, accepted: Accepted) -> bool:
        """Say whether it is a dial of a campaign that is paused."""
        return accepted.command.name == DIAL and accepted.envelope.campaign in self.paused_campaigns

    async def look(self) -> None:
        """Ask the ledger once. Raises `LedgerAwayError`, also where the note can't be read."""
        async with self._looking:
            asked_at = self.clock.monotonic()
            said = content(await self.ledger.look(NOTE))
            try:
                self._hear(said)
                if controls.wants_refresh(self.standing, self.clock.now()):
                    await self.ledger.transact(NOTE, amend(NOTE, controls.refresh))
            except UnreadableError as error:
                raise LedgerAwayError(UNREADABLE) from error
            self._asked_at = asked_at

    def _hear(self, said: bytes | None) -> None:
        if said == self._said:
            return
        self.standing = controls.read(said)
        self._said = said
        self.paused_accounts = self.standing.pauses(Scope.ACCOUNT)
        self.paused_campaigns = self.standing.pauses(Scope.CAMPAIGN)
        counted = {"cancelled": len(self.standing.cancelled), "paused": len(self.standing.paused)}
        LOG.warning("operators' word taken over", extra={"fields": counted})
        self.changed()

    async def keep(self) -> None:
        """Look each second, until cancelled."""
        fault: str | None = None
        while True:
            try:
                await self.look()
                fault = None
            except LedgerAwayError as error:
                if fault is None:
                    LOG.warning("operators' word not heard", extra={"fields": {"reason": str(error)}})
                fault = str(error)
            except Exception:
                LOG.exception("operators' word not heard, and asked for again")
            await self.clock.sleep(LOOK_EVERY)
