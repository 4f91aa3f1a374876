"""Fair turns: whoever has had the least for its weight is next (stride scheduling), level by level."""

from collections.abc import Callable, Iterable
from typing import Final

Path = tuple[str, ...]
_MOST: Final = 10_000


class Turns:
    """Plain data: it says whose turn it is and remembers who had one.

    A path has one word a level: ranks share by their weights, the campaigns of a rank share its turns, and so on. What
    was away for a while has no turns saved up.
    """

    def __init__(self, weight: Callable[[Path], float]) -> None:
        self._weight = weight
        self._had: dict[Path, float] = {}
        self._now: dict[Path, float] = {}

    def next(self, waiting: Iterable[Path]) -> Path:
        """Return the path whose turn it is. All paths have the same length. Raises ValueError where none waits."""
        paths = sorted(set(waiting))
        if not paths:
            raise ValueError("nobody waits")
        chosen: Path = ()
        while len(chosen) < len(paths[0]):
            level = {p[: len(chosen) + 1] for p in paths if p[: len(chosen)] == chosen}
            chosen = min(sorted(level), key=self._place)
        return chosen

    def count(self, path: Path) -> None:
        """Note that it had its turn."""
        for end in range(1, len(path) + 1):
            part = path[:end]
            place = self._place(part)
            self._now[part[:-1]] = place
            self._had[part] = place + 1 / self._weight(part)
        if len(self._had) > _MOST:  # begin anew: for a moment all stand alike
            self._had.clear()
            self._now.clear()

    def _place(self, part: Path) -> float:
        return max(self._had.get(part, 0.0), self._now.get(part[:-1], 0.0))
