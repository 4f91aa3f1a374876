"""How a worker's memory grew, per command that it sent: by slopes that single peaks don't bend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from chaos.crew import Weight

WARM_UP = 0.3  # of a life: imports, pools, the first backlog
MOST = 30.0  # kB per 1000 commands; the least that can be kept of a command, a key, is more
NOISE = 2000.0  # kB: what the heap takes while it settles, by reconnects above all: 1400 after 9,000 commands or 35,000
LEAST_COMMANDS = 2000
LEAST_SAMPLES = 30
PAIRS = 500  # samples at most, thinned evenly: every pair of them is looked at


@dataclass(frozen=True, slots=True)
class Growth:
    """Of one life after its warm-up: kB per 1000 commands, over all of it and over its later half."""

    worker: int
    life: int
    samples: int
    commands: int
    seconds: float
    size: float
    most: float
    whole: float
    later: float

    @property
    def told(self) -> bool:
        """Whether it is long enough to tell anything."""
        return self.commands >= LEAST_COMMANDS and self.samples >= LEAST_SAMPLES

    @property
    def leaks(self) -> bool:
        """Whether it grew to the end: what only settles grows less and less."""
        grows = min(self.whole, self.later)
        return self.told and grows > MOST and grows * self.commands / 1000 > NOISE

    def __str__(self) -> str:
        slopes = f"{self.whole:+.1f} kB per 1000 commands, in the later half {self.later:+.1f}"
        return (
            f"worker {self.worker}, life {self.life}: {self.size:.0f} MB, most {self.most:.0f} MB, "
            f"{self.samples} samples over {self.commands} commands and {self.seconds:.0f} s: "
            f"{slopes if self.told else 'too short for a slope'}"
        )


def growths(weights: Iterable[Weight]) -> list[Growth]:
    """Return the growth of each worker's longest life, by commands."""
    lives: dict[tuple[int, int], list[Weight]] = defaultdict(list)
    for weight in weights:
        lives[weight.worker, weight.life].append(weight)
    longest: dict[int, list[Weight]] = {}
    for (worker, _), rows in sorted(lives.items()):
        if worker not in longest or _commands(rows) > _commands(longest[worker]):
            longest[worker] = rows
    return [_growth(rows) for rows in longest.values()]


def _commands(rows: Sequence[Weight]) -> int:
    return rows[-1].done - rows[0].done


def _growth(rows: Sequence[Weight]) -> Growth:
    begin = rows[0].done + WARM_UP * _commands(rows)
    warm = [row for row in rows if row.done >= begin]
    half = [row for row in warm if row.done >= (warm[0].done + warm[-1].done) / 2]
    sizes = [row.size for row in warm]
    return Growth(
        rows[0].worker, rows[0].life, len(warm), _commands(warm), warm[-1].at - warm[0].at, median(sizes), max(sizes),
        slope(warm), slope(half),
    )  # fmt: skip


def slope(rows: Sequence[Weight]) -> float:
    """Return the median of the slopes between all pairs (Theil and Sen): kB per 1000 commands."""
    few = rows[:: len(rows) // PAIRS + 1]
    found = [
        (after.size - before.size) / (after.done - before.done)
        for at, before in enumerate(few)
        for after in few[at + 1 :]
        if after.done > before.done
    ]
    return median(found) * 1e6 if found else 0.0  # of MB per command
