"""What is made of the figures: medians of ratios, percentiles, losses. No clock, no files."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Mark:
    """How many replies there were, when (seconds), and what they had cost by then (CPU seconds)."""

    replies: int
    at: float
    cpu: float


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


def costs(marks: Sequence[Mark]) -> list[float]:
    """Return the CPU microseconds of a command between each mark and the next."""
    return [(b.cpu - a.cpu) / max(1, b.replies - a.replies) * 1e6 for a, b in pairwise(marks)]


def rate(first: Mark, last: Mark) -> float:
    """Return the commands a second between two marks."""
    return (last.replies - first.replies) / max(1e-9, last.at - first.at)
