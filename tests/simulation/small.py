"""Small worlds, all of them: one command, every script of answers, every place of every fault, and duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from commands import NAMED
from intents import START
from journal import Journal
from promises import breaches, tally
from simulation.fate import SPECIAL, TURNS, Every, Path, every_path
from simulation.world import World

LATER = int((START + 86_400) * 1000)


@dataclass(frozen=True, slots=True)
class Family:
    """What is tried in every way: see `Every` for ``longest``, ``faults`` and ``kinds``.

    ``copies`` of the message: together, and one once all is done where there are three. ``workers``: who stops for long
    is cut off, and another gets its message.
    """

    safety: str = "unsafe"
    key: str | None = "order-1"
    copies: int = 1
    longest: int = 4
    faults: int = 1
    kinds: tuple[str, ...] = ("kill",)
    max_attempts: int = 8
    workers: int = 1

    def __str__(self) -> str:
        key = "" if self.key else " without a key"
        faults = f"up to {self.faults} of {'/'.join(self.kinds)}"
        hosts = f"{self.copies} copies, {self.workers} workers, {self.max_attempts} attempts"
        return f"{self.safety}{key}, up to {self.longest} answers, {faults}, {hosts}"

    @property
    def turns(self) -> tuple[str, ...]:
        return tuple(name for name in TURNS if self.safety in SPECIAL.get(name, (self.safety,)))


@dataclass(frozen=True, slots=True)
class Lived:
    """One world that was lived to its end."""

    family: Family
    path: Path
    world: World
    journal: Journal
    breaches: list[str]

    def __str__(self) -> str:
        return "\n".join([f"{self.family}", f"path {self.path.taken}", *self.breaches, self.world.tell()])


def live(family: Family, path: Path) -> Lived:
    """Live one small world."""
    fate = Every(path, family.turns, family.longest, family.faults, family.kinds)
    world = World(lambda _: fate, lease=1.2, http_deadline=0.2, max_attempts=family.max_attempts)
    for number in range(family.workers):
        world.host(f"worker {number + 1}", whole=False)
    for _ in range(min(family.copies, 2)):
        world.publish(NAMED[family.safety], family.key, headers={"expires-at": LATER})
    if family.copies > 2:
        late = lambda: world.publish(NAMED[family.safety], family.key, headers={"expires-at": LATER})  # noqa: E731
        world.loop.call_later(60.0, late, context=world.loop.world.context)
    journal = world.live()
    return Lived(family, path, world, journal, breaches(journal))


@dataclass
class Count:
    """How many worlds were lived, and how their commands ended."""

    worlds: int = 0
    steps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def every(family: Family, count: Count) -> Iterator[Lived]:
    """Live every world of a family, counting them."""
    for path in every_path():
        lived = live(family, path)
        count.worlds += 1
        count.steps += len(lived.world.story)
        count.outcomes += tally(lived.journal)
        yield lived


def broken(family: Family, count: Count) -> Lived | None:
    """Return the first world in which a promise is broken."""
    return next((lived for lived in every(family, count) if lived.breaches), None)


ALL = ("kill", "stop", "before", "after", "unheard", "untaken")
# What CI lives through; `make simulate` adds `WIDER`; `DEEP` is for ARGS=--deep, and takes hours.
USUALLY = (
    Family(longest=4),
    *(Family(safety, longest=2, kinds=ALL, workers=2) for safety in NAMED),
    Family(longest=1, faults=2, kinds=("kill", "stop", "unheard"), workers=2),
    Family(longest=2, faults=2, max_attempts=2),
    *(Family(safety, copies=3, longest=2) for safety in ("unsafe", "convergent")),
    *(Family(safety, None, longest=2) for safety in ("safe", "convergent")),
)
WIDER = (
    *(Family(safety, longest=3) for safety in ("guarded", "convergent", "safe")),
    *(Family(safety, longest=1, faults=2, kinds=ALL, workers=2) for safety in NAMED),
    *(Family(safety, longest=2, faults=2) for safety in NAMED),
    *(Family(safety, copies=3, longest=3) for safety in NAMED),
    *(Family(safety, copies=2, longest=2, kinds=ALL, workers=2) for safety in NAMED),
)
DEEP = tuple(
    Family(safety, copies=copies, longest=4, faults=2, max_attempts=attempts)
    for safety in NAMED
    for copies in (1, 3)
    for attempts in (2, 8)
)
