"""Tells the ledger which accounts can't work in this process, so that whoever looks sees it of all workers."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from callmq_worker.core import trouble
from callmq_worker.core.note import amend, note_key
from callmq_worker.gates import Gates
from callmq_worker.ports import Clock, Ledger, LedgerAwayError

LOG = logging.getLogger("callmq.telling")
LOOK_EVERY: Final = 1.0
AGAIN: Final = trouble.LASTS / 3
LAST_WORD: Final = 1.0


@dataclass(slots=True)
class Telling:
    """Beside the deliveries, none of which waits for it; what can't be written now is written later, or never."""

    gates: Gates
    ledger: Ledger
    clock: Clock
    owner: str
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)  # by account: the reason, and when it was told

    async def keep(self) -> None:
        """Tell what is new each second and what stays each twenty, until cancelled."""
        while True:
            try:
                await self.tell()
            except LedgerAwayError as error:
                LOG.debug("trouble not told", extra={"fields": {"reason": str(error)}})
            except Exception:
                LOG.exception("trouble not told, and tried again")
            await self.clock.sleep(LOOK_EVERY)

    async def tell(self) -> None:
        """Tell what is new, or was told long ago. Raises `LedgerAwayError`."""
        now = self.clock.monotonic()
        for account, reason in dict(self.gates.paused).items():
            said, at = self._told.get(account, ("", now))
            if said != reason or now - at >= AGAIN:
                await self._write(account, trouble.tell(self.owner, reason))
                self._told[account] = (reason, now)
        for account in self._told.keys() - self.gates.paused.keys():
            await self._withdraw(account)

    async def end(self) -> None:
        """Take everything back, where that goes at once."""
        with suppress(LedgerAwayError, TimeoutError):
            async with asyncio.timeout(LAST_WORD):
                for account in list(self._told):
                    await self._withdraw(account)

    async def _withdraw(self, account: str) -> None:
        await self._write(account, trouble.withdraw(self.owner))
        self._told.pop(account, None)

    async def _write(self, account: str, change: trouble.Change) -> None:
        key = note_key(trouble.NOTE, account)
        await self.ledger.transact(key, amend(key, change))
