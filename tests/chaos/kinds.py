"""The kinds of faults, by name. Each does its harm, undoes it, and returns what it did and when it was over."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from chaos.stage import Stage

Act = Callable[[Stage, random.Random], Awaitable[str]]


class IdleError(Exception):
    """A fault found nothing that it could do anything to, and counts for none. ``possible``: it might next time."""

    def __init__(self, detail: str, *, possible: bool = True) -> None:
        super().__init__(detail)
        self.possible = possible


def bitten(count: int, detail: str) -> str:
    """Return what a fault did to so many things. Raises `IdleError` where there were none."""
    if not count:
        raise IdleError(detail)
    return detail


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. ``weight``: how often it is chosen beside the others. ``blow``: over as soon as it struck.

    ``sweeps``: it ends every worker, or any.
    """

    name: str
    family: str
    weight: float
    act: Act
    blow: bool = False
    sweeps: bool = False


KINDS: dict[str, Kind] = {}


def kind(
    family: str, *, weight: float = 1.0, blow: bool = False, sweeps: bool = False, name: str = ""
) -> Callable[[Act], Act]:
    """Register a fault, under the name of its function where no other is given."""

    def register(act: Act) -> Act:
        known = name or act.__name__
        KINDS[known] = Kind(known, family, weight, act, blow, sweeps)
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
    """Do it. Raises `IdleError` where it did nothing."""
    began = time.time()
    detail = await chosen.act(stage, chance)
    ended = time.time()
    return Struck(chosen, began, began if chosen.blow else ended, ended, detail)


def schedule(seed: int, faults: int, only: tuple[str, ...] = ()) -> list[Kind]:
    """Return the kinds in the order in which they strike: each once where there is room, then by weight.

    Those that spare no worker come in the first half: one worker has a long life after them.
    """
    chance = random.Random(f"schedule {seed}")
    known = [KINDS[name] for name in only] if only else list(KINDS.values())
    first = chance.sample(known, min(len(known), faults))
    rest = chance.choices(known, [each.weight for each in known], k=faults - len(first))
    order = first + rest
    chance.shuffle(order)
    half = len(order) // 2
    late = [at for at in range(half, len(order)) if order[at].sweeps]
    early = [at for at in range(half) if not order[at].sweeps]
    for here, there in zip(late, early, strict=False):
        order[here], order[there] = order[there], order[here]
    return order
