"""How fast queues of waiting dials empty, and when they are empty, if all stays as it is: a forecast, by fair turns.

While several wait, all speeds rise together, each by its turns, until a pace that binds some of them is used up: those
stay there, the others go on rising. Whenever a queue is empty the rest share anew.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from callmq_worker.core.fair import Path

_USED_UP: Final = 1e-9

Weight = Callable[[Path], float]


class Queue(NamedTuple):
    """What waits in one queue, on which path its turns come, and what paces it: names and dials a second above 0."""

    waiting: int
    path: Path
    limits: tuple[tuple[str, float], ...]


def speeds(queues: Mapping[int, Queue], weight: Weight) -> dict[int, float]:
    """Return the dials a second of each queue while all of them have some; infinite where nothing paces it."""
    turns = _turns({n: queue.path for n, queue in queues.items()}, weight)
    room = {limit: limit[1] for queue in queues.values() for limit in queue.limits}
    found, rising = dict.fromkeys(queues, 0.0), set(queues)
    while rising:
        shares = {limit: sum(turns[n] for n in rising if limit in queues[n].limits) for limit in room}
        rise = min((room[limit] / share for limit, share in shares.items() if share > 0), default=math.inf)
        if rise == math.inf:
            return found | dict.fromkeys(rising, math.inf)
        for n in rising:
            found[n] += rise * turns[n]
        room = {limit: left - rise * shares[limit] for limit, left in room.items()}
        full = {limit for limit, left in room.items() if shares[limit] > 0 and left <= _USED_UP * limit[1]}
        rising -= {n for n in rising if full & set(queues[n].limits)}
    return found


def empty_in(queues: Mapping[int, Queue], weight: Weight) -> dict[int, float]:
    """Return the seconds until each queue is empty, if nothing more comes."""
    left = {n: float(queue.waiting) for n, queue in queues.items() if queue.waiting > 0}
    found, passed = dict.fromkeys(queues, 0.0), 0.0
    while left:
        now = speeds({n: queues[n] for n in left}, weight)
        step = min(left[n] / now[n] for n in left)
        passed += step
        ended = {n for n in left if left[n] / now[n] <= step * (1 + _USED_UP)}
        found |= dict.fromkeys(ended, passed)
        left = {n: count - (now[n] * step if step else 0.0) for n, count in left.items() if n not in ended}
    return found


def _turns(paths: Mapping[int, Path], weight: Weight) -> dict[int, float]:
    """Return the share of the turns of each: at each level by weight among those that are there."""
    parts = {path[: end + 1] for path in paths.values() for end in range(len(path))}
    sums: dict[Path, float] = {}
    for part in parts:
        sums[part[:-1]] = sums.get(part[:-1], 0.0) + weight(part)
    alike = _counted(paths.values())
    return {
        n: math.prod(weight(path[: end + 1]) / sums[path[:end]] for end in range(len(path))) / alike[path]
        for n, path in paths.items()
    }


def _counted(paths: Iterable[Path]) -> dict[Path, int]:
    counted: dict[Path, int] = {}
    for path in paths:
        counted[path] = counted.get(path, 0) + 1
    return counted
