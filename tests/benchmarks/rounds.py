"""One round of one contender: queue filled, program started, watched until its last reply, ended, counted."""

import asyncio
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.arithmetic import Mark, costs, counted, rate
from benchmarks.cast import Contender
from benchmarks.endpoints import Endpoint, UnavailableError
from benchmarks.stage import Stage
from benchmarks.troupe import Troupe, environment, playing
from callmq_demo.administration import Administration

WARM_SHARE = 0.1
STILL_SECONDS = 60.0
AFTERGLOW = 0.6  # until the logs are flushed, and a doubled reply would be there
PAUSE, FINE_PAUSE = 0.05, 0.01


@dataclass(frozen=True)
class Theatre:
    """What all rounds share."""

    administration: Administration
    endpoints: dict[int, Endpoint]
    traces: Endpoint
    folder: Path


@dataclass(frozen=True)
class Figures:
    """What one round gave. Times in seconds, ``cpu_us`` in microseconds a command, memory in MiB."""

    cpu_us: float
    per_second: float
    first_reply: float
    ready: float | None
    peak_mib: float
    requests_lost: int
    requests_doubled: int
    replies_lost: int
    replies_doubled: int
    not_succeeded: int
    left: int
    spans: int

    def document(self) -> dict[str, Any]:
        return asdict(self)


@asynccontextmanager
async def staged(theatre: Theatre, contender: Contender, delay: int) -> AsyncIterator[tuple[Stage, dict[str, str]]]:
    """Lend a fresh vhost with the contender's queues, and the environment that its program runs in."""
    url = await asyncio.to_thread(theatre.administration.create_vhost, f"bench-{secrets.token_hex(4)}")
    folder = Path(tempfile.mkdtemp(dir=theatre.folder, prefix=f"{contender.name}-"))
    settings = environment(contender, folder, url, theatre.endpoints[delay], theatre.traces)
    try:
        if contender.is_callmq:
            declare(contender, settings)
        async with Stage.at(url, contender.queues, dict(contender.arguments)) as stage:
            yield stage, settings
    finally:
        await asyncio.to_thread(theatre.administration.delete_vhost, url)
        await asyncio.to_thread(shutil.rmtree, folder)  # a ledger may have gigabytes


def declare(contender: Contender, settings: dict[str, str]) -> None:
    command = [str(contender.python), "-m", "callmq", "topology", "declare"]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"callmq topology declare failed: {done.stdout}{done.stderr}"[-500:])


async def play(theatre: Theatre, contender: Contender, delay: int, commands: int) -> Figures:
    """Run one round."""
    async with staged(theatre, contender, delay) as (stage, settings):
        keys = await stage.fill(contender.envelope, commands)
        theatre.endpoints[delay].lines()
        theatre.traces.lines()
        begun = time.perf_counter()
        with playing(contender, Path(settings["HOME"]), settings) as troupe:
            ready = await until_ready(troupe) - begun if troupe.health else None
            first = await reach(stage, troupe, 1, FINE_PAUSE)
            warm = await reach(stage, troupe, max(1, int(commands * WARM_SHARE)), PAUSE)
            last = await reach(stage, troupe, commands, PAUSE)
            peak = troupe.peak_mib()
            await asyncio.sleep(AFTERGLOW)
        requests = counted(keys, theatre.endpoints[delay].lines())
        left = await stage.waiting()
        heard = await stage.drain()
    replies = counted(keys, heard.keys)
    return Figures(
        cpu_us=costs([warm, last])[0],
        per_second=rate(warm, last),
        first_reply=first.at - begun,
        ready=ready,
        peak_mib=peak,
        requests_lost=requests.lost,
        requests_doubled=requests.doubled,
        replies_lost=replies.lost,
        replies_doubled=replies.doubled,
        not_succeeded=heard.other,
        left=left,
        spans=sum(int(line) for line in theatre.traces.lines()),
    )


async def until_ready(troupe: Troupe) -> float:
    """Return when it said that it is ready. Raises `UnavailableError`."""
    until = time.perf_counter() + STILL_SECONDS
    while not await asyncio.to_thread(troupe.ready):
        if troupe.ended() or time.perf_counter() > until:
            raise UnavailableError(f"It did not get ready:\n{troupe.last_words()}")
        await asyncio.sleep(FINE_PAUSE)
    return time.perf_counter()


async def reach(stage: Stage, troupe: Troupe, wanted: int, pause: float) -> Mark:
    """Return where it was when it had published so many replies, or when nothing came any more for a long time."""
    seen, moved = 0, time.perf_counter()
    while True:
        replies = await stage.replies()
        now = time.perf_counter()
        if replies >= wanted or now - moved > STILL_SECONDS:
            return Mark(replies, now, troupe.cpu_seconds())
        if troupe.ended():
            raise UnavailableError(f"It ended by itself:\n{troupe.last_words()}")
        if replies != seen:
            seen, moved = replies, now
        await asyncio.sleep(pause)
