"""The pace of an account's dials over all workers together: a note with the next free slot of each pace.

Slots are evenly spaced and none is saved up: after a pause the next is now, and the one after it a full interval later.
Where the endpoint asks for less, all paces slow down at once and recover in steps of time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

NOTE: Final = "paces"
AHEAD: Final = 1.0  # seconds: slots are given no earlier than this, so that a stopped worker loses few
SLOWER: Final = 0.5
LEAST: Final = 1 / 64
STEP: Final = 1.0  # seconds within which all that the endpoint says counts once
RECOVERY: Final = 60.0  # seconds from the slowest to the full rate
LONGEST_WAIT: Final = 600.0
SHORTEST_WAIT: Final = 1.0

Limits = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Granted:
    """Slots on the ledger's clock, ascending; without any, the pace that has none and when to ask again."""

    slots: tuple[float, ...]
    by: str
    again_at: float


@dataclass(frozen=True, slots=True)
class Paces:
    """What an account's note says. Times on the ledger's clock.

    ``slots``: the next free one by the name of a pace, the account's own under "". ``factor``: what was left of the
    rates at ``pressed_at``. ``closed_until``: no dial before.
    """

    slots: dict[str, float]
    factor: float = 1.0
    pressed_at: float = 0.0
    closed_until: float = 0.0

    def share(self, now: float) -> float:
        """Return what the rates are multiplied with at present."""
        start = max(self.pressed_at, min(self.closed_until, now))
        return min(1.0, self.factor + (1 - LEAST) * max(0.0, now - start) / RECOVERY)


def read(text: bytes | None) -> Paces:
    """Return what a note says."""
    if text is None:
        return Paces({})
    said: dict[str, Any] = orjson.loads(text)
    return Paces(said["slots"], said["factor"], said["pressed_at"], said["closed_until"])


def _written(paces: Paces, now: float) -> bytes:
    kept = {name: slot for name, slot in paces.slots.items() if slot > now}
    told = {"factor": paces.factor, "pressed_at": paces.pressed_at, "closed_until": paces.closed_until}
    return orjson.dumps({"slots": kept, **told})


class Reservation:
    """The change that takes slots, for `note.amend`: of all ``limits`` together, at most ``most``."""

    def __init__(self, limits: Limits, most: int) -> None:
        self._limits = limits
        self._most = most

    def __call__(self, text: bytes | None, now: float) -> tuple[bytes | None, Granted]:
        """Return the note's next text, None where it stays, and what was given."""
        paces = read(text)
        share = paces.share(now)
        rates = [(name, rate * share) for name, rate in self._limits if rate > 0]
        next_slots = dict(paces.slots)
        given: list[float] = []
        slot, by = self._next(paces, next_slots, rates, now)
        while slot <= now + AHEAD and len(given) < self._most:
            given.append(slot)
            for name, rate in rates:
                next_slots[name] = slot + 1 / rate
            slot, by = self._next(paces, next_slots, rates, now)
        granted = Granted(tuple(given), by, slot - AHEAD)
        if not given or not rates:
            return None, granted
        return _written(Paces(next_slots, paces.factor, paces.pressed_at, paces.closed_until), now), granted

    def _next(self, paces: Paces, slots: dict[str, float], rates: Limits, now: float) -> tuple[float, str]:
        free = [(max(now, paces.closed_until), "")] + [(slots.get(name, 0.0), name) for name, _ in rates]
        return max(free, key=lambda each: each[0])


class Pressure:
    """The change that slows an account down, for `note.amend`; ``wait``: the seconds that the endpoint asked for.

    ``refused``: it took no more. Else it only said that no more is left for those seconds, and the rates stay.
    """

    def __init__(self, wait: float | None, *, refused: bool = True) -> None:
        asked = min(wait, LONGEST_WAIT) if wait is not None and wait > 0 else 0.0
        self._wait = max(asked, SHORTEST_WAIT) if refused else asked
        self._refused = refused

    def __call__(self, text: bytes | None, now: float) -> tuple[bytes | None, None]:
        """Return the note's next text."""
        if not (self._refused or self._wait):
            return None, None
        paces = read(text)
        closed = max(paces.closed_until, now + self._wait)
        if not self._refused:
            return _written(Paces(paces.slots, paces.share(now), now, closed), now), None
        fresh = now - paces.pressed_at >= STEP or paces.factor >= 1.0
        factor = max(LEAST, paces.share(now) * SLOWER) if fresh else paces.factor
        return _written(Paces(paces.slots, factor, now if fresh else paces.pressed_at, closed), now), None
