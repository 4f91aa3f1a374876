"""The pace of dials: evenly spaced slots, no burst at the start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Slots ``1 / rate`` seconds apart; ``rate`` 0 means unpaced. ``next_slot`` on the caller's monotonic clock."""

    rate: float
    next_slot: float = 0.0

    def take(self, now: float) -> tuple["Pace", float]:
        """Return the pace after taking the next free slot, and the seconds to wait for it."""
        if self.rate <= 0:
            return self, 0.0
        slot = max(now, self.next_slot)
        return Pace(self.rate, slot + 1 / self.rate), slot - now
