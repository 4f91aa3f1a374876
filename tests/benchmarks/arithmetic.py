"""What is made of the figures: medians of ratios, percentiles, losses. No clock, no files."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counted:
    """How often each of the expected keys was seen, as losses: never, and more often than once."""

    lost: int
    doubled: int


def counted(expected: Iterable[str], seen: Iterable[str]) -> Counted:
    """Compare what was seen with what must be seen once; what was not expected is not counted."""
    times = Counter(seen)
    keys = set(expected)
    return Counted(sum(key not in times for key in keys), sum(times[key] > 1 for key in keys))


def ratios(values: Mapping[int, float], yardstick: Mapping[int, float]) -> list[float]:
    """Return value / yardstick of each round that has both: a slow minute of the machine is in both and cancels out."""
    return [values[number] / yardstick[number] for number in sorted(values) if yardstick.get(number)]


def median(values: Sequence[float]) -> float | None:
    """Return the middle value, None where there is none."""
    return statistics.median(values) if values else None


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the least value that at least this share (0 to 1) of the values does not exceed: the nearest rank."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Return the names in their order, begun at another one each round: nobody is always first."""
    turn = by % len(names) if names else 0
    return [*names[turn:], *names[:turn]]
