"""What happens on the way between one worker and the broker."""

from __future__ import annotations

import asyncio
import random

from chaos.kinds import bitten, kind
from chaos.stage import Stage


@kind("network", weight=1.5)
async def reset_connection(stage: Stage, chance: random.Random) -> str:
    worker = chance.choice(stage.workers)
    await worker.ready()
    return bitten(worker.proxy.reset(), f"worker {worker.number}")


@kind("network", weight=1.5)
async def cut_connection(stage: Stage, chance: random.Random) -> str:
    """Cut after so many bytes, in the middle of a frame."""
    worker, size = chance.choice(stage.workers), chance.randint(1, 20_000)
    await worker.ready()
    cut = await worker.proxy.cut_after(size, 3.0)
    return bitten(cut, f"worker {worker.number} after {size} bytes")


@kind("network")
async def blackhole(stage: Stage, chance: random.Random) -> str:
    """Nothing passes for a while; then all that was held does, or a reset."""
    worker, seconds, ends = chance.choice(stage.workers), chance.uniform(0.5, 6.0), chance.random() < 0.5
    worker.proxy.darken()
    await asyncio.sleep(seconds)
    if ends:
        worker.proxy.reset()
    worker.proxy.light()
    return f"worker {worker.number} for {seconds:.1f} s, {'then reset' if ends else 'then late'}"


@kind("network")
async def half_open(stage: Stage, chance: random.Random) -> str:
    """The broker's side is gone, the worker's side is silent until its heartbeat ends it."""
    worker = chance.choice(stage.workers)
    return bitten(worker.proxy.halve(), f"worker {worker.number}")


@kind("network")
async def unreachable(stage: Stage, chance: random.Random) -> str:
    """The broker takes none of one worker's connections for a while."""
    worker, seconds = chance.choice(stage.workers), chance.uniform(0.5, 3.0)
    worker.proxy.refuses = True
    worker.proxy.reset()
    await asyncio.sleep(seconds)
    worker.proxy.refuses = False
    return f"worker {worker.number} for {seconds:.1f} s"
