"""What may pass now: paused accounts, the pace of dials, the retry budget. One per process, asked before each claim."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from callmq_worker.core.pace import Pace
from callmq_worker.core.retry import Budget
from callmq_worker.ports import Clock


@dataclass(slots=True)
class Gates:
    """The process's own state of pressure. ``dial_rate`` in dials a second per account, 0 for unpaced.

    ``probe_interval`` in seconds.
    """

    clock: Clock
    dial_rate: float
    probe_interval: float
    accounts: frozenset[str]
    paused: dict[str, str] = field(default_factory=dict)
    pauses: int = 0
    changed: Callable[[], None] = lambda: None  # called whenever an account stops or works again
    _next_probe: dict[str, float] = field(default_factory=dict)
    _lines: dict[str, asyncio.Lock] = field(default_factory=dict)
    _paces: dict[str, Pace] = field(default_factory=dict)
    _budget: Budget = field(default_factory=Budget)

    def pause(self, account: str, reason: str) -> bool:
        """Stop an account until a probe succeeds. True: it was not stopped before."""
        fresh = account not in self.paused
        self.paused[account] = reason
        self.pauses += 1
        self._next_probe[account] = self.clock.monotonic() + self.probe_interval
        self.changed()
        return fresh

    @property
    def shut(self) -> bool:
        """Whether no account can work."""
        return self.paused.keys() >= self.accounts

    def next_probe_in(self) -> float:
        """Return the seconds until some account may be probed."""
        now = self.clock.monotonic()
        return max(0.0, min((t - now for t in self._next_probe.values()), default=0.0))

    def resume(self, account: str) -> bool:
        """Let an account work again. True: it was stopped."""
        self._next_probe.pop(account, None)
        if self.paused.pop(account, None) is None:
            return False
        self.changed()
        return True

    def works(self, account: str) -> bool:
        """Return whether this account is not paused."""
        return account not in self.paused

    def admit(self, account: str) -> bool:
        """Return whether a command of this account may go now: always, or as the one probe of an interval."""
        if account not in self.paused:
            return True
        now = self.clock.monotonic()
        if now < self._next_probe[account]:
            return False
        self._next_probe[account] = now + self.probe_interval
        return True

    async def pace(self, account: str, wanted: Callable[[], bool]) -> None:
        """Wait for this account's next dial slot. One waits and the others stand behind it, so no slot is lost.

        ``wanted`` is asked when its turn comes: who no longer wants a slot takes none.
        """
        async with self._lines.setdefault(account, asyncio.Lock()):
            if not wanted():
                return
            pace, wait = self._paces.get(account, Pace(self.dial_rate)).take(self.clock.monotonic())
            if wait > 0:
                await self.clock.sleep(wait)
            self._paces[account] = pace

    def earn(self) -> None:
        """Count a first attempt."""
        self._budget = self._budget.earn()

    def spend(self) -> bool:
        """Take one retry out of the budget. False: it is empty."""
        left = self._budget.spend()
        if left is not None:
            self._budget = left
        return left is not None
