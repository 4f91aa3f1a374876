"""What may pass now: paused accounts, the pace of dials, the retry budget. One per process, asked before each claim."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from callmq_worker.core.pacing import RECOVERY, STEP
from callmq_worker.core.retry import Budget
from callmq_worker.pacing import Pacing
from callmq_worker.ports import Clock, LedgerAwayError

FULL: Final = Budget()


@dataclass(slots=True)
class Gates:
    """The process's own state of pressure. ``probe_interval`` in seconds.

    ``paused``: accounts that the endpoint refuses; ``stopped``: those that an operator paused, which no probe and no
    answer lets work again.
    """

    clock: Clock
    probe_interval: float
    pacing: Pacing
    paused: dict[str, str] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None  # called whenever an account stops or works again
    _pauses: dict[str, int] = field(default_factory=dict)
    _next_probe: dict[str, float] = field(default_factory=dict)
    _pressed_at: dict[str, float] = field(default_factory=dict)
    _budgets: dict[tuple[str, bool], Budget] = field(default_factory=dict)

    def pause(self, account: str, reason: str) -> bool:
        """Stop an account until a probe succeeds. True: it was not stopped before."""
        fresh = account not in self.paused
        self.paused[account] = reason
        self._pauses[account] = self.pauses(account) + 1
        self._next_probe[account] = self.clock.monotonic() + self.probe_interval
        self.changed()
        return fresh

    def stop(self, accounts: Mapping[str, str]) -> None:
        """Take over which accounts operators have paused, and why."""
        if accounts != self.stopped:
            self.stopped = accounts
            self.changed()

    def reasons(self) -> dict[str, str]:
        """Return the accounts that can't work, and why."""
        return self.paused | {a: f"by an operator: {why}".rstrip(": ") for a, why in self.stopped.items()}

    def pauses(self, account: str) -> int:
        """Return how often an account was stopped by now."""
        return self._pauses.get(account, 0)

    def next_probe_in(self, account: str) -> float | None:
        """Return the seconds until an account may be probed, None where only operators can let it work."""
        if account in self.stopped:
            return None
        return max(0.0, self._next_probe.get(account, 0.0) - self.clock.monotonic())

    def resume(self, account: str) -> bool:
        """Let an account work again. True: it was stopped."""
        self._next_probe.pop(account, None)
        if self.paused.pop(account, None) is None:
            return False
        self.changed()
        return True

    def works(self, account: str) -> bool:
        """Return whether this account is not paused."""
        return account not in self.paused and account not in self.stopped

    def admit(self, account: str) -> bool:
        """Return whether a command of this account may go now: always, or as the one probe of an interval."""
        if account in self.stopped:
            return False
        if account not in self.paused:
            return True
        now = self.clock.monotonic()
        if now < self._next_probe[account]:
            return False
        self._next_probe[account] = now + self.probe_interval
        return True

    async def press(self, account: str, wait: float | None) -> None:
        """Slow an account's dials down on all workers: the endpoint asked for less, and perhaps for seconds to wait."""
        now = self.clock.monotonic()
        if now - self._pressed_at.get(account, -math.inf) < STEP:
            return
        self._pressed_at[account] = now
        with suppress(LedgerAwayError):  # whoever claims next hears of it
            await self.pacing.press(account, wait)

    def pressed(self, account: str) -> bool:
        """Say whether the endpoint asked this worker for less a short while ago."""
        return self.clock.monotonic() - self._pressed_at.get(account, -math.inf) < RECOVERY

    def earn(self, account: str, *, live: bool) -> None:
        """Count a first attempt. ``live``: of a command on a live call, whose retries have a budget of their own."""
        self._budgets[account, live] = self._budgets.get((account, live), FULL).earn()

    def spend(self, account: str, *, live: bool) -> bool:
        """Take one retry out of the budget. False: it is empty."""
        left = self._budgets.get((account, live), FULL).spend()
        if left is not None:
            self._budgets[account, live] = left
        return left is not None
