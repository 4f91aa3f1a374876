"""What may pass now, by account: pauses and their probes, the breaker, pressure, the retry budgets.

One per process, asked before each claim, and told of each answer.
"""

import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from callmq_contracts.names import DIAL
from callmq_worker.core import breaker
from callmq_worker.core.breaker import WELL, Breaker, Open, Word
from callmq_worker.core.intake import Accepted
from callmq_worker.core.outcome import Again, Answer, Answered, InDoubt, Paused, Verdict
from callmq_worker.core.pacing import LONGEST_WAIT, RECOVERY, STEP
from callmq_worker.core.retry import Budget
from callmq_worker.core.settle import Attempt
from callmq_worker.pacing import Pacing
from callmq_worker.ports import Clock, LedgerAwayError

LOG = logging.getLogger("callmq.gates")
PATIENCE: Final = 1.0  # seconds for which a probe is left to a command that has not failed as one


@dataclass(slots=True)
class _Door:
    """One account's. Times on the monotonic clock. ``probing``: the command that was let go as a probe.

    ``budgets``: of the retries of dials (True), and of all else.
    """

    breaker: Breaker = WELL
    pauses: int = 0
    paused_at: float = -math.inf
    next_probe: float = 0.0
    probing: str | None = None
    pressed_at: float = -math.inf
    closed_until: float = -math.inf
    budgets: dict[bool, Budget] = field(default_factory=lambda: {True: Budget(), False: Budget()})


@dataclass(slots=True)
class Gates:
    """The process's own state of pressure.

    ``probe_interval``: the seconds between the probes of an account that is refused, and at most between those of a
    breaker. ``paused``: accounts that the endpoint refuses, or whose endpoint fails; ``stopped``: those that an
    operator paused, which no probe and no answer lets work again.
    """

    clock: Clock
    probe_interval: float
    pacing: Pacing
    paused: dict[str, str] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    changed: Callable[[], None] = lambda: None  # called whenever an account stops or works again
    _doors: dict[str, _Door] = field(default_factory=dict)

    def _door(self, account: str) -> _Door:
        door = self._doors.get(account)
        if door is None:
            door = self._doors[account] = _Door()
        return door

    # Pauses

    def works(self, account: str) -> bool:
        """Return whether this account is not paused."""
        return account not in self.paused and account not in self.stopped

    def stop(self, accounts: Mapping[str, str]) -> None:
        """Take over which accounts operators have paused, and why."""
        if accounts != self.stopped:
            self.stopped = accounts
            self.changed()

    def reasons(self) -> dict[str, str]:
        """Return the accounts that can't work, and why."""
        return self.paused | {a: f"by an operator: {why}".rstrip(": ") for a, why in self.stopped.items()}

    def pauses(self, account: str) -> int:
        """Return how often an account was paused by now, or stayed so after a probe."""
        return self._door(account).pauses

    def pause(self, account: str, reason: str) -> bool:
        """Stop an account until a probe succeeds. True: it was not stopped before."""
        return self._pause(account, reason, self.probe_interval)

    def _pause(self, account: str, reason: str, seconds: float) -> bool:
        fresh, door, now = account not in self.paused, self._door(account), self.clock.monotonic()
        self.paused[account] = reason
        door.pauses += 1
        door.paused_at = now if fresh else door.paused_at
        door.next_probe = now + seconds
        if fresh:
            LOG.error("account paused", extra={"fields": {"account": account, "reason": reason}})
        self.changed()
        return fresh

    def resume(self, account: str) -> bool:
        """Let an account work again. True: it was paused."""
        if self.paused.pop(account, None) is None:
            return False
        door = self._door(account)
        door.breaker = WELL if isinstance(door.breaker, Open) else door.breaker
        LOG.warning("account resumed", extra={"fields": {"account": account}})
        self.changed()
        return True

    # Probes

    def next_probe_in(self, account: str) -> float | None:
        """Return the seconds until an account may be probed, 0 where it works, None where only operators let it."""
        if account in self.stopped:
            return None
        left = self._door(account).next_probe - self.clock.monotonic()
        return max(0.0, left) if account in self.paused else 0.0

    def hasten(self, account: str) -> None:
        """Let an account that is paused be probed at once: something about it is new."""
        if account in self.paused:
            self._door(account).next_probe = self.clock.monotonic()
            self.changed()

    def admit(self, account: str, command: str = "") -> bool:
        """Return whether a command of this account may go now: always, or as the one probe of an interval.

        ``command``: its name. One that has failed as a probe lets others try first, so that it stops nobody.
        """
        if account in self.stopped:
            return False
        if account not in self.paused:
            return True
        door, now = self._door(account), self.clock.monotonic()
        failed = isinstance(door.breaker, Open) and command in door.breaker.tried
        if now < door.next_probe + (PATIENCE if failed else 0.0):
            return False
        door.next_probe, door.probing = now + self.probe_interval, command
        return True

    def waive(self, account: str, command: str) -> None:
        """Take back that a command was the probe, because it was not sent: another may be."""
        door = self._door(account)
        if account in self.paused and door.probing == command:
            door.next_probe, door.probing = self.clock.monotonic(), None

    # What came back

    async def heard(self, made: Attempt, answer: Answer, verdict: Verdict, begun: float) -> bool:
        """Take over what an answer says of its account. ``begun``: when its attempt did, on the monotonic clock.

        True: it says nothing of the command, and must use up no attempt of it.
        """
        accepted, said = made.accepted, breaker.word_of(answer)
        account, door = accepted.envelope.account, self._door(accepted.envelope.account)
        if isinstance(verdict, Paused):
            door.breaker = WELL
            self.pause(account, verdict.reason)
        elif account not in self.paused or begun > door.paused_at:  # else it was on its way before: nothing new
            self._hear(account, said, name_of(accepted), verdict)
        await self._press(account, answer, refused=said is Word.PRESSED)
        spared = said is not Word.TAKEN and breaker.spares(door.breaker)
        if made.used == 1 and not spared:
            dial = _is_dial(accepted)
            door.budgets[dial] = door.budgets[dial].earn()
        return spared

    def _hear(self, account: str, said: Word, command: str, verdict: Verdict) -> None:
        door = self._door(account)
        door.probing = None
        if said is not Word.FAILED:
            self.resume(account)
        if isinstance(door.breaker, Open):
            door.breaker = breaker.failed_again(door.breaker, command)
        else:
            door.breaker = breaker.hear(door.breaker, said, command, self.clock.monotonic())
        if isinstance(door.breaker, Open):
            reason = verdict.reason if isinstance(verdict, Again | InDoubt) else "no word"
            wait = door.breaker.wait(self.clock.chance(), self.probe_interval)
            self._pause(account, f"endpoint fails: {reason}", wait)

    # Pressure

    async def _press(self, account: str, answer: Answer, *, refused: bool) -> None:
        """Slow the account's dials down on all workers, where the answer asks for less."""
        if not isinstance(answer, Answered) or not (refused or answer.used_up_for):
            return
        door, now = self._door(account), self.clock.monotonic()
        wait = answer.used_up_for if answer.retry_after is None else answer.retry_after
        closed_until = now + min(max(wait or 0.0, 0.0), LONGEST_WAIT)
        if (not refused or now - door.pressed_at < STEP) and closed_until <= door.closed_until + STEP / 2:
            return  # many answers of a moment say the same
        door.pressed_at = now if refused else door.pressed_at
        door.closed_until = closed_until
        with suppress(LedgerAwayError):  # whoever claims next hears of it
            await self.pacing.press(account, wait, refused=refused)

    def pressed(self, account: str) -> bool:
        """Say whether the endpoint asked this worker for less a short while ago."""
        door = self._door(account)
        return self.clock.monotonic() - max(door.pressed_at, door.closed_until) < RECOVERY

    # Retries

    def spend(self, accepted: Accepted) -> bool:
        """Take one retry out of the account's budget: dials have one, all else another. False: it is empty."""
        door, dial = self._door(accepted.envelope.account), _is_dial(accepted)
        left = door.budgets[dial].spend()
        if left is not None:
            door.budgets[dial] = left
        return left is not None


def name_of(accepted: Accepted) -> str:
    """Return what tells a command from others: its key, or its call where it has none."""
    return accepted.envelope.key or accepted.command.call_id or ""


def _is_dial(accepted: Accepted) -> bool:
    return accepted.command.name == DIAL
