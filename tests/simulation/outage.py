"""A world whose endpoint fails for ten minutes: dials and commands on calls keep coming, two workers keep trying."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from callmq_contracts.examples import EXAMPLES
from callmq_worker.ports import Published, Request
from intents import START
from journal import Journal
from simulation import loop
from simulation.large import _dial, _later
from simulation.world import World

BEGINS, ENDS, LAST, OVER = 60.0, 660.0, 900.0, 1200.0
LIFE = 3600.0
ANSWERS_IN = 0.02


@dataclass
class Outage:
    """Fate that disturbs nothing but the endpoint: from `BEGINS` to `ENDS` each request has one of these ``turns``."""

    turns: tuple[str, ...]
    now: Callable[[], float]
    random: random.Random

    def schedule(self, count: int) -> int:
        return self.random.randrange(count)

    def strike(self, _word: str) -> str:
        return ""

    def seconds(self, word: str) -> float | None:
        return ANSWERS_IN if word == "answer" else None

    def ledger(self) -> str:
        return ""

    def word(self) -> tuple[Published, bool]:
        return Published.CONFIRMED, True

    def turn(self, _request: Request) -> str:
        return self.random.choice(self.turns) if BEGINS <= self.now() < ENDS else "done"

    def chance(self) -> float:
        return self.random.random()


@dataclass(frozen=True, slots=True)
class Endured:
    """What was seen. Times in seconds since the start."""

    journal: Journal
    published: list[float]
    acted: list[float]
    tried: int

    @property
    def first_success(self) -> float:
        """Return when something was done again."""
        return min(at for at in self.acted if at >= ENDS)


def endure(turns: tuple[str, ...], *, dials: float, calls: float, workers: int = 2) -> Endured:
    """Live such a world. ``dials`` and ``calls``: seconds between two dials, and between two commands on calls."""
    world = World(lambda world: Outage(turns, world.loop.time, random.Random(1)))
    for number in range(workers):
        world.host(f"worker {number + 1}", whole=True)
    headers = {"expires-at": int(1000 * (world.now() + LIFE))}
    plan = [(n * dials, _dial(n), f"dial-{n}") for n in range(math.ceil(LAST / dials))]
    plan += [(n * calls, _on_call(n), f"live-{n}") for n in range(math.ceil(LAST / calls))]
    plan.append((BEGINS + 1.0, _on_call(0), "alone"))
    for at, body, key in plan:
        _later(world, at, lambda body=body, key=key: world.publish(body, key, headers=headers))
    world.loop.call_later(OVER, lambda: None)
    with patch.object(loop, "MOST_CALLBACKS", 20_000_000):
        journal = world.live(over=lambda: world.loop.time() >= OVER and world.rests, until=20_000.0)
    at = [(receipt, receipt.at - START) for receipt in journal.receipts]
    tried = sum(BEGINS <= when < ENDS for _, when in at)
    return Endured(journal, [when for when, _, _ in plan], [when for receipt, when in at if receipt.acted], tried)


def _on_call(number: int) -> dict[str, Any]:
    name = ("calling.denoise", "calling.record", "calling.play.stop")[number % 3]
    return {**EXAMPLES[name][0], "id": f"5a1c0f7e-2b64-4d0a-9c33-{number % 40:012x}"}
