"""How long from publish to reply, at a steady pace that nobody is troubled by."""

import asyncio
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.arithmetic import percentile
from benchmarks.cast import Contender
from benchmarks.endpoints import UnavailableError
from benchmarks.rounds import STILL_SECONDS, Theatre, staged
from benchmarks.stage import Stage
from benchmarks.troupe import playing

WARM_UP = 100
LAST_REPLIES = 10.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from just before the publish to the reply's arrival at its consumer."""

    p50_ms: float | None
    p99_ms: float | None
    replies: int
    lost: int

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Pace:
    """Publishes at a rate and notes when the replies come."""

    def __init__(self, stage: Stage, contender: Contender) -> None:
        self._stage, self._envelope = stage, contender.envelope
        self.sent: dict[str, float] = {}
        self.came: dict[str, float] = {}

    def hear(self, key: str, at: float) -> None:
        self.came.setdefault(key, at)

    async def publish(self) -> None:
        key = uuid4().hex
        self.sent[key] = time.perf_counter()
        await self._stage.publish(self._envelope, key)

    async def run(self, rate: float, count: int) -> None:
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(begun + number / rate - time.perf_counter())
                group.create_task(self.publish())

    async def answered(self, seconds: float) -> bool:
        """Wait until every command has its reply; the answer is whether it came to that in time."""
        until = time.perf_counter() + seconds
        while len(self.came) < len(self.sent):
            if time.perf_counter() > until:
                return False
            await asyncio.sleep(0.01)
        return True


async def listen(theatre: Theatre, contender: Contender, rate: float, seconds: float) -> Latency:
    """Publish ``rate`` commands a second for so many seconds, after some that are not counted."""
    async with staged(theatre, contender, 0) as (stage, settings):
        with playing(contender, Path(settings["HOME"]), settings) as troupe:
            first = Pace(stage, contender)
            pace = Pace(stage, contender)

            def hear(key: str, at: float) -> None:
                (pace if key in pace.sent else first).hear(key, at)

            await stage.hear(hear)
            await first.publish()
            if not await first.answered(STILL_SECONDS):
                raise UnavailableError(f"It answered nothing:\n{troupe.last_words()}")
            await first.run(rate, WARM_UP)
            await first.answered(LAST_REPLIES)
            await pace.run(rate, int(rate * seconds))
            await pace.answered(LAST_REPLIES)
    taken = [(at - pace.sent[key]) * 1000 for key, at in pace.came.items()]
    return Latency(percentile(taken, 0.5), percentile(taken, 0.99), len(taken), len(pace.sent) - len(taken))
