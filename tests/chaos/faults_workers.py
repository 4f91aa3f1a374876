"""What happens to worker processes."""

from __future__ import annotations

import asyncio
import random
import signal

from chaos.kinds import bitten, kind
from chaos.stage import LEASE, Stage


@kind("worker", weight=3)
async def kill(stage: Stage, chance: random.Random) -> str:
    """Kill one at a random moment; it is back at once."""
    worker = chance.choice(stage.mortal)
    await asyncio.sleep(chance.uniform(0, 0.5))
    worker.kill()
    stage.crew.start(worker)
    return f"worker {worker.number}"


@kind("worker", weight=2)
async def kill_holding(stage: Stage, chance: random.Random) -> str:
    """Kill one while requests that were done hang at the endpoint."""
    fault = stage.sandbox.arm("hang", match={"command": "dial"}, times=12, acts=True)
    for _ in range(100):
        if len(stage.sandbox._held) >= 6:
            break
        await asyncio.sleep(0.02)
    held = len(stage.sandbox._held)
    worker = chance.choice(stage.mortal)
    worker.kill()
    stage.sandbox.faults.disarm(fault)
    stage.sandbox.release()
    stage.crew.start(worker)
    return bitten(held, f"worker {worker.number}, {held} requests held")


@kind("worker", sweeps=True)
async def kill_all(stage: Stage, chance: random.Random) -> str:
    """Kill all at once, as a power cut would."""
    await asyncio.sleep(chance.uniform(0, 0.5))
    for worker in stage.workers:
        worker.signal(signal.SIGKILL)
    for worker in stage.workers:
        worker.kill()
        stage.crew.start(worker)
    await asyncio.gather(*(worker.ready() for worker in stage.workers))
    return "all"


@kind("worker", weight=2)
async def terminate(stage: Stage, chance: random.Random) -> str:
    """SIGTERM under load; another takes the place once it has ended."""
    worker = chance.choice(stage.mortal)
    code = await stage.crew.retire(worker)
    stage.crew.start(worker)
    return f"worker {worker.number} ended with {code}"


@kind("worker", weight=0.3, sweeps=True)
async def rolling_restart(stage: Stage, _: random.Random) -> str:
    """SIGTERM to one after the other, each replaced and ready before the next."""
    codes = []
    for worker in stage.workers:
        codes.append(await stage.crew.retire(worker))
        stage.crew.start(worker)
        await worker.ready()
    return f"ended with {codes}"


@kind("worker", weight=2)
async def sleep(stage: Stage, chance: random.Random) -> str:
    """SIGSTOP beyond the lease while the broker gives its commands to another, then SIGCONT."""
    worker = chance.choice(stage.workers)
    worker.signal(signal.SIGSTOP)
    worker.proxy.halve()
    seconds = LEASE + chance.uniform(0.5, 2.0)
    await asyncio.sleep(seconds)
    worker.signal(signal.SIGCONT)
    return f"worker {worker.number} for {seconds:.1f} s"


@kind("worker")
async def doze(stage: Stage, chance: random.Random) -> str:
    """SIGSTOP for a moment, with its connections kept."""
    worker = chance.choice(stage.workers)
    seconds = chance.uniform(0.2, LEASE)
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    worker.signal(signal.SIGCONT)
    return f"worker {worker.number} for {seconds:.1f} s"


@kind("worker", weight=0.2, sweeps=True)
async def poison(stage: Stage, chance: random.Random) -> str:
    """A command whose every dispatch kills all workers, again and again, beside innocent ones."""
    key = stage.producer.poison()
    fault = stage.sandbox.arm("hang", match={"key": key}, times=0)
    kills, since = 0, stage.sandbox.journal.received
    for _ in range(3):
        for _ in range(300):
            if any(entry.subject.key == key for entry in stage.sandbox.journal.since(since)):
                break
            await asyncio.sleep(0.02)
        else:
            break
        for worker in stage.workers:
            worker.kill()
            stage.crew.start(worker)
        kills, since = kills + 1, stage.sandbox.journal.received
        await asyncio.gather(*(worker.ready() for worker in stage.workers))
    stage.sandbox.faults.disarm(fault)
    stage.sandbox.release()
    return bitten(kills, f"{kills} times")
