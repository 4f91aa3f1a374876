"""When to try again: exponential with full jitter, through delay tiers, within the lifetime and a shared budget."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

FIRST_DELAY: Final = 1.0
LONGEST_DELAY: Final = 3600.0
# Without budget, in its lane: a live call waits for it, and what it may cost is known, since no lane holds more than
# its prefetch. At 100 commands that all wait this is 20 requests a second.
LANE_PAUSE: Final = 5.0
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}
_TIER: Final = re.compile(r"^([1-9][0-9]{0,5})([smh])\Z")


@dataclass(frozen=True, slots=True)
class Tier:
    """One delay queue: its name (``30s``) and its seconds."""

    name: str
    seconds: int


def parse_tiers(text: str) -> tuple[Tier, ...]:
    """Read ``1s,5s,2m``: whole seconds, minutes or hours, ascending. Raises `ValueError` with the rule broken."""
    tiers = []
    for word in text.split(","):
        match = _TIER.match(word.strip())
        if not match:
            raise ValueError("each tier is a whole number with s, m or h, such as 30s")
        tiers.append(Tier(word.strip(), int(match[1]) * _UNITS[match[2]]))
    if [t.seconds for t in tiers] != sorted({t.seconds for t in tiers}):
        raise ValueError("tiers must ascend")
    return tuple(tiers)


def tier_for(delay: float, tiers: Sequence[Tier]) -> Tier:
    """Return the smallest tier that is at least ``delay`` seconds, else the longest."""
    return next((t for t in tiers if t.seconds >= delay), tiers[-1])


@dataclass(frozen=True, slots=True)
class Budget:
    """Extra load that retries may make: ``tokens`` left of ``capacity``; each first attempt earns ``share``."""

    tokens: float = 20.0
    capacity: float = 20.0
    share: float = 0.1

    def earn(self) -> "Budget":
        """Return the budget after a first attempt."""
        return Budget(min(self.capacity, self.tokens + self.share), self.capacity, self.share)

    def spend(self) -> "Budget | None":
        """Return the budget after a retry, ``None`` where nothing is left."""
        return Budget(self.tokens - 1, self.capacity, self.share) if self.tokens >= 1 else None


@dataclass(frozen=True, slots=True)
class Due:
    """Seconds until the next attempt."""

    delay: float


@dataclass(frozen=True, slots=True)
class NoMore:
    """No further attempt. ``lifetime``: it would come too late, else the attempts ran out."""

    lifetime: bool


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the choice of a delay depends on.

    ``left``: seconds of lifetime; ``chance`` in [0, 1); ``exact``: waits in its lane and needs no tier; ``spared``: the
    attempt does not count; ``shut_for``: seconds until its account is tried again.
    """

    used: int
    max_attempts: int
    left: float
    chance: float
    retry_after: float | None
    budget: bool
    tiers: tuple[Tier, ...]
    exact: bool = False
    spared: bool = False
    shut_for: float = 0.0


def next_delay(s: Situation) -> Due | NoMore:
    """Return the wait before the next attempt: never before ``retry_after``, never after the lifetime."""
    if s.used >= s.max_attempts and not s.spared:
        return NoMore(lifetime=False)
    ceiling = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(s.used - 1, 32))
    wanted = s.shut_for or ceiling * s.chance
    if not s.budget:
        long = LANE_PAUSE if s.exact else float(s.tiers[-2 if len(s.tiers) > 1 else -1].seconds)
        wanted = max(wanted, long)
    least = max(s.retry_after or 0.0, min(float(s.tiers[0].seconds), FIRST_DELAY))
    for delay in (_rounded(max(least, wanted), s), _rounded(least, s)):
        if delay < s.left:
            return Due(delay)
    return NoMore(lifetime=True)


def _rounded(delay: float, s: Situation) -> float:
    return delay if s.exact else max(delay, float(tier_for(delay, s.tiers).seconds))
