"""What may happen in a world: every possibility in turn for small worlds, a seed's choice for large ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent
from callmq_worker.ports import Published, Request

TAKEN = {"errors": [{"code": "taken", "attribute": "control_id"}]}
TURNS = {
    "done": Turn(Answered(200, {"id": "x"}), acts=True),
    "refused": Turn(Answered(400)),
    "gone": Turn(Answered(404)),
    "taken": Turn(Answered(422, TAKEN)),
    "pressed": Turn(Answered(429, None, 3.0)),
    "paused": Turn(Answered(401)),
    "lost, done": Turn(NoAnswer("reset"), acts=True),
    "lost, not done": Turn(NoAnswer("reset")),
    "not sent": Turn(NotSent("refused")),
    "broken": Turn(Answered(500)),
}
LATER = ("pressed", "paused")
# A taken control_id means something to a guarded command only, and a call that is gone nothing to an unsafe one, which
# is never repeated in doubt: to the others they are one more refusal.
# To a command, "broken" is as good as "lost, not done".
SPECIAL = {"taken": ("guarded",), "gone": ("guarded", "convergent", "safe"), "broken": ()}
# Between two effects on the world one place to die is as good as another.
EFFECTS = frozenset({"transact", "leave", "publish", "acknowledge", "acknowledge done"})


class Fate(Protocol):
    """Asked at every step that a worker makes towards the world."""

    def schedule(self, count: int) -> int:
        """Choose which of so many processes runs next."""
        ...

    def strike(self, word: str) -> str:
        """Say what befalls a worker before or after this step: ``kill``, ``stop``, ``cut``, or nothing."""
        ...

    def seconds(self, word: str) -> float | None:
        """Say how long this step takes, or a stop lasts. None: nobody else runs meanwhile."""
        ...

    def ledger(self) -> str:
        """Say whether the ledger is away ``before`` or ``after`` its commit, or not."""
        ...

    def word(self) -> tuple[Published, bool]:
        """Say the broker's word on a publication, and whether it took it."""
        ...

    def turn(self, request: Request) -> str:
        """Name what the endpoint does with a request."""
        ...

    def chance(self) -> float:
        """Return what a worker's clock gives for chance."""
        ...


class Path:
    """One path through a tree of choices. What is not yet chosen is the first branch, so `following` walks them all."""

    def __init__(self, taken: tuple[int, ...] = ()) -> None:
        self.taken = list(taken)
        self.widths: list[int] = []

    def choose(self, count: int) -> int:
        at = len(self.widths)
        self.widths.append(count)
        if at == len(self.taken):
            self.taken.append(0)
        return self.taken[at]

    def following(self) -> Path | None:
        """Return the next path, the last choice changing first. None: this was the last one."""
        for at in reversed(range(len(self.widths))):
            if self.taken[at] + 1 < self.widths[at]:
                return Path((*self.taken[:at], self.taken[at] + 1))
        return None


def every_path() -> Iterator[Path]:
    """Walk a whole tree: use each path before asking for the next."""
    path: Path | None = Path()
    while path is not None:
        yield path
        path = path.following()


@dataclass
class Every:
    """Each script of up to ``longest`` turns, with up to ``faults`` of these ``kinds`` at every step there is."""

    path: Path
    turns: tuple[str, ...]
    longest: int = 4
    faults: int = 1
    kinds: tuple[str, ...] = ("kill",)
    script: list[str] = field(default_factory=list)

    def schedule(self, _count: int) -> int:
        return 0

    def _fault(self, *kinds: str) -> str:
        possible = [kind for kind in kinds if kind in self.kinds]
        if not self.faults or not possible:
            return ""
        chosen = self.path.choose(len(possible) + 1)
        self.faults -= chosen > 0
        return ("", *possible)[chosen]

    def strike(self, word: str) -> str:
        return self._fault("kill", "stop") if word in EFFECTS else ""

    def seconds(self, word: str) -> float | None:
        if word in EFFECTS or word == "connect":
            return 0.0
        return 10.0 if word == "stop" else None

    def ledger(self) -> str:
        return self._fault("before", "after")

    def word(self) -> tuple[Published, bool]:
        fault = self._fault("unheard", "untaken")
        return (Published.UNKNOWN, fault == "unheard") if fault else (Published.CONFIRMED, True)

    def turn(self, _request: Request) -> str:
        if len(self.script) == self.longest:
            return "done"
        self.script.append(self.turns[self.path.choose(len(self.turns))])
        return self.script[-1]

    def chance(self) -> float:
        return 0.5


CALM = 150.0  # seconds after which nothing is disturbed any more, and all must come to its end
REFUSED = (Published.UNROUTABLE, Published.NACKED, Published.ABSENT, Published.BLOCKED)
# per step: each is rare, but a world has hundreds of steps
DANGERS = {"kill": 0.006, "stop": 0.006, "cut": 0.004, "ledger": 0.02, "publish": 0.03, "slow": 0.02}
ANSWERS = {
    "done": 60, "refused": 3, "gone": 4, "taken": 3, "pressed": 7, "paused": 2, "lost, done": 5, "lost, not done": 4,
    "not sent": 6,
}  # fmt: skip


class Seeded:
    """All chances from one seed. ``now`` tells the world's time."""

    def __init__(self, seed: int, now: Callable[[], float], *, healthy: bool = False) -> None:
        self.random = random.Random(seed)
        self._now = now
        self._danger = 0.0 if healthy else self.random.choice((0.3, 1.0, 1.0, 3.0))
        self._answers = {"done": 1} if healthy else ANSWERS

    def _befalls(self, danger: str) -> bool:
        return self._now() < CALM and self.random.random() < DANGERS[danger] * self._danger

    def schedule(self, count: int) -> int:
        return self.random.randrange(count)

    def strike(self, word: str) -> str:
        kinds = ("kill",) if word == "leave" else ("kill", "stop", "cut")
        return next((kind for kind in kinds if self._befalls(kind)), "")

    def seconds(self, word: str) -> float:
        if word == "stop":
            return self.random.choice((0.5, 3.0, 10.0, 40.0))
        if word == "answer" and self._befalls("slow"):
            return self.random.choice((0.5, 2.9, 7.0))
        return self.random.choice((0.0, 0.0, 0.001, 0.02)) if not self._befalls("slow") else 3.0

    def ledger(self) -> str:
        return self.random.choice(("before", "before", "after")) if self._befalls("ledger") else ""

    def word(self) -> tuple[Published, bool]:
        if not self._befalls("publish"):
            return Published.CONFIRMED, True
        if self.random.random() < 0.5:
            return Published.UNKNOWN, self.random.random() < 0.5
        return self.random.choice(REFUSED), False

    def turn(self, request: Request) -> str:
        if self._now() >= CALM:
            return "done"
        name = self.random.choices(tuple(self._answers), tuple(self._answers.values()))[0]
        return name if name != "taken" or b'"calling.record"' in request.body else "refused"

    def chance(self) -> float:
        return self.random.random()
