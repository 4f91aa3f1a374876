"""The kinds of faults, by name. Each does its harm, undoes it, and returns what it did and when it was over."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.stage import Stage

Act = Callable[[Stage, random.Random], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. ``weight``: how often it is chosen beside the others. ``blow``: over as soon as it struck."""

    name: str
    family: str
    weight: float
    act: Act
    blow: bool = False


KINDS: dict[str, Kind] = {}


def kind(family: str, *, weight: float = 1.0, blow: bool = False) -> Callable[[Act], Act]:
    """Register a fault under the name of its function."""

    def register(act: Act) -> Act:
        name = act.__name__
        KINDS[name] = Kind(name, family, weight, act, blow)
        return act

    return register


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault as it happened: seconds since the epoch. ``over``: from when on consumption may be expected."""

    kind: Kind
    began: float
    over: float
    ended: float
    detail: str


async def strike(chosen: Kind, stage: Stage, chance: random.Random) -> Struck:
    """Do it."""
    began = time.time()
    detail = await chosen.act(stage, chance)
    ended = time.time()
    return Struck(chosen, began, began if chosen.blow else ended, ended, detail)


def schedule(seed: int, faults: int, only: tuple[str, ...] = ()) -> list[Kind]:
    """Return the kinds in the order in which they strike: each once where there is room, then by weight."""
    chance = random.Random(f"schedule {seed}")
    known = [KINDS[name] for name in only] if only else list(KINDS.values())
    first = chance.sample(known, min(len(known), faults))
    rest = chance.choices(known, [each.weight for each in known], k=faults - len(first))
    order = first + rest
    chance.shuffle(order)
    return order
