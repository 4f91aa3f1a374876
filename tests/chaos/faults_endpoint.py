"""What the endpoint does wrong, to everything that comes for a while or to some requests."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

from chaos.kinds import bitten, kind
from chaos.stage import DEADLINE, Stage

ABSURD = ("0", "-5", "soon", "1e9", "99999999999999999999", "Thu, 01 Jan 1970 00:00:00 GMT", "3.7, 4", "")


@contextlib.asynccontextmanager
async def armed(stage: Stage, action: str, **told: Any) -> AsyncIterator[None]:
    """Arm a fault for the time of the block."""
    number = stage.sandbox.arm(action, **told)
    try:
        yield
    finally:
        stage.sandbox.faults.disarm(number)


async def _some(stage: Stage, chance: random.Random, action: str, **told: Any) -> str:
    """Let some requests meet a fault."""
    count, before = chance.randint(3, 20), stage.sandbox.journal.received
    async with armed(stage, action, times=count, **told):
        await stage.seen(count, 5.0)
    met = _met(stage, before)
    return bitten(met, f"{met} requests")


def _met(stage: Stage, before: int) -> int:
    """Count the requests since then that a fault was made of."""
    return sum(entry.fault is not None for entry in stage.sandbox.journal.since(before))


async def _while(stage: Stage, chance: random.Random, action: str, **told: Any) -> str:
    """Let all requests meet a fault for a while."""
    seconds = chance.uniform(0.5, 2.0)
    before = stage.sandbox.journal.received
    async with armed(stage, action, times=0, **told):
        await asyncio.sleep(seconds)
    met = _met(stage, before)
    return bitten(met, f"{met} requests in {seconds:.1f} s")


@kind("endpoint")
async def slow(stage: Stage, chance: random.Random) -> str:
    return await _while(stage, chance, "delay", seconds=0.7, when=chance.choice(("before_acting", "before_answering")))


@kind("endpoint")
async def hang(stage: Stage, chance: random.Random) -> str:
    """Nothing comes back until after the deadline."""
    count, before = chance.randint(5, 30), stage.sandbox.journal.received
    async with armed(stage, "hang", times=count):
        await stage.seen(count, 5.0)
    await asyncio.sleep(DEADLINE + 0.5)
    stage.sandbox.release()
    met = _met(stage, before)
    return bitten(met, f"{met} requests")


@kind("endpoint")
async def drip(stage: Stage, chance: random.Random) -> str:
    """The answer comes byte by byte, for longer than the deadline."""
    return await _some(stage, chance, "drip", seconds=0.05)


@kind("endpoint")
async def stale_connection(stage: Stage, chance: random.Random) -> str:
    """A connection is reset before anything is read: a fresh one, and one that was kept alive."""
    return await _some(stage, chance, "reset_before_reading")


@kind("endpoint")
async def reset_before_acting(stage: Stage, chance: random.Random) -> str:
    return await _some(stage, chance, "reset_before_acting")


@kind("endpoint")
async def reset_after_reading(stage: Stage, chance: random.Random) -> str:
    """It was done, and the answer is lost."""
    return await _some(stage, chance, "reset_after_reading")


@kind("endpoint")
async def half_answer(stage: Stage, chance: random.Random) -> str:
    """It was done, and the answer breaks off."""
    return await _some(stage, chance, chance.choice(("half_answer", "bad_framing")))


@kind("endpoint")
async def closed_after_answering(stage: Stage, chance: random.Random) -> str:
    """The whole answer comes, then the connection that was to be kept is closed."""
    return await _some(stage, chance, "half_answer", size=2**20)


@kind("endpoint", weight=0.3)
async def too_many(stage: Stage, chance: random.Random) -> str:
    """429 for all."""
    return await _while(stage, chance, "retry_after", retry_after=chance.choice(("1", "2")))


@kind("endpoint", weight=0.5)
async def absurd_retry_after(stage: Stage, chance: random.Random) -> str:
    value = chance.choice(ABSURD)
    told = await _some(stage, chance, "retry_after", retry_after=value, match={"command": "dial"})
    return f"{told} with {value!r}"


@kind("endpoint", weight=0.3)
async def errors(stage: Stage, chance: random.Random) -> str:
    """5xx for all, whether it was done or not."""
    status, acts = chance.choice((500, 502, 503, 504)), chance.random() < 0.5
    return f"{status}, done: {acts}, {await _while(stage, chance, 'status', status=status, acts=acts)}"


@kind("endpoint")
async def refused_credentials(stage: Stage, chance: random.Random) -> str:
    """401 for all, then good again."""
    return await _while(stage, chance, "status", status=401)
