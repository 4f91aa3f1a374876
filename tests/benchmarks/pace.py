"""The pace of several workers together: dials in each minute, the gaps between them, and the first seconds."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import orjson
import uvloop

from callmq import Client, Message
from callmq_contracts.examples import EXAMPLES
from callmq_demo.node import PrivateNode
from callmq_worker.sandbox.server import Sandbox
from callmq_worker.sandbox.settings import SandboxSettings
from world import TOKEN, environment

WINDOW = 60.0
DIAL = orjson.dumps(EXAMPLES["dial"][0])


@contextlib.contextmanager
def workers(count: int, told: dict[str, str]) -> Iterator[None]:
    """Run so many; end them by pid."""
    command = [sys.executable, "-m", "callmq", "work"]
    processes = [subprocess.Popen(command, env={**os.environ, **told}, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def windows(times: list[float], began: float, ended: float) -> list[int]:
    """Return how many dials fall into each minute that begins on a whole second."""
    starts = [began + second for second in range(int(ended - began - WINDOW) + 1)]
    return [bisect_left(times, start + WINDOW) - bisect_left(times, start) for start in starts]


def report(times: list[float], rate: float, workers: int) -> str:
    """Say how even they were, from the first one on."""
    counts = windows(times, times[0], times[-1])
    gaps = sorted(after - before for before, after in pairwise(times))
    off = [100 * (each / (rate * WINDOW) - 1) for each in (min(counts), max(counts))]
    first = bisect_left(times, times[0] + 5)
    return (
        f"{len(times)} dials by {workers} workers in {times[-1] - times[0]:.0f} s at {rate:g}/s: "
        f"in a minute {min(counts)} to {max(counts)} of {rate * WINDOW:g} ({off[0]:+.2f} % to {off[1]:+.2f} %), "
        f"in the first 5 s {first}; gaps: least {1000 * gaps[0]:.0f} ms, median {1000 * gaps[len(gaps) // 2]:.0f} ms, "
        f"most {1000 * gaps[-1]:.0f} ms of {1000 / rate:.0f} ms"
    )


async def run(count: int, rate: float, seconds: float, url: str, folder: Path) -> None:
    """Publish more than can go, then count what the endpoint gets."""
    settings = SandboxSettings(
        project_id="project", api_token=TOKEN, cps=0.0, ring_seconds=0.0, answer_seconds=0.0, rate_limit=0, seed=1
    )
    async with Sandbox(settings) as sandbox, Client(url, app_id="bench") as client:
        more = {"CALLMQ_DIAL_RATE": str(rate), "CALLMQ_HTTP_DEADLINE": "30", "CALLMQ_LEASE": "45"}
        told = environment(url, folder / "ledger.db", sandbox.url, **more)
        with workers(count, told):
            ends = int(1000 * (time.time() + 86_400))
            while not (await client.send(DIAL, key=f"first-{time.time()}", expires_at=ends)).ok:
                await asyncio.sleep(0.2)
            dials = (Message(DIAL, f"dial-{n}", expires_at=ends) for n in range(int(1.2 * rate * seconds) + 100))
            async for result in client.send_many(dials):
                assert result.ok, result
            await asyncio.sleep(seconds)
            times = sorted(entry.time for entry in sandbox.journal.since(0) if entry.acted)
        print(report(times, rate, count), flush=True)


def main() -> None:
    """Run it on a private node."""
    parser = argparse.ArgumentParser(prog="make bench-pace", description=__doc__)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--rate", type=float, default=10.0, help="dials a second")
    parser.add_argument("--seconds", type=float, default=130.0)
    given = parser.parse_args()
    with PrivateNode() as node, node.vhost() as url, tempfile.TemporaryDirectory(prefix="callmq-bench-") as folder:
        uvloop.run(run(given.workers, given.rate, given.seconds, url, Path(folder)))


if __name__ == "__main__":
    main()
