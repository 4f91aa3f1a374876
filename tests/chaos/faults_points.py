"""kill -9 at each named point of a command's way."""

from __future__ import annotations

import contextlib
import random
import time

from chaos.crew import Worker
from chaos.failpoint import POINTS
from chaos.faults_endpoint import armed
from chaos.kinds import Act, bitten, kind
from chaos.stage import Stage

WITHIN = 15.0
# What only some commands come by: a retry frees its claim and waits in a tier, which is a copy as well.
RARE = ("after_the_release", "after_the_copy")


def _kill_at(point: str) -> Act:
    async def kill_at(stage: Stage, chance: random.Random) -> str:
        """Put a worker in one's place that kills itself there; then another takes the place."""
        worker = chance.choice(stage.mortal)
        times = 1 if point in RARE else chance.randint(1, 10)
        worker.kill()
        stage.crew.start(worker, ("-m", "chaos.failpoint", point, str(times)))
        with contextlib.suppress(AssertionError):  # it came there before it was ready
            await worker.ready()
        async with armed(stage, "retry_after", times=60 if point in RARE else 1, retry_after="1"):
            came = await _comes_there(stage, worker)
        worker.kill()
        stage.crew.start(worker)
        return bitten(came, f"worker {worker.number} at passage {times}{'' if came else ', which never came'}")

    return kill_at


async def _comes_there(stage: Stage, worker: Worker) -> bool:
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        if await stage.crew.gone(worker, 0.05):
            return True
    return False


for _point in POINTS:
    kind("worker", weight=0.3, name=f"kill_{_point}")(_kill_at(_point))
