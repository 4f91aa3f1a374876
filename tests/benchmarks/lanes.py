"""Live calls beside a backlog: a control command from its publish to the endpoint, and the memory of the worker."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import aio_pika
import orjson
import uvloop

from callmq import Client, Message
from callmq_contracts.examples import EXAMPLES
from callmq_contracts.names import Names
from callmq_demo.node import PrivateNode
from callmq_worker.sandbox.server import Sandbox
from callmq_worker.sandbox.settings import SandboxSettings
from world import TOKEN, environment

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
NAMES = Names()
CALLS = 50
RATE = 100


def dials(count: int) -> Iterator[Message]:
    """Yield so many dials that have a day."""
    ends = int(1000 * (time.time() + 86_400))
    body = orjson.dumps(DIAL)
    for number in range(count):
        yield Message(body, f"dial-{number}", expires_at=ends, campaign="big" if number % 2 else None)


async def live(client: Client, sandbox: Sandbox, calls: list[str], seconds: float, mark: str) -> list[float]:
    """Send control commands at an even pace; return the seconds from each publish to its request at the endpoint."""
    sent: dict[str, float] = {}
    tasks = []
    began = time.monotonic()
    for number in itertools.count():
        due = began + number / RATE
        if due > began + seconds:
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        key = f"{mark}-{number}"
        sent[key] = time.time()
        body = {**EVENT, "id": calls[number % CALLS]}
        tasks.append(asyncio.ensure_future(client.send(body, key=key)))
    await asyncio.gather(*tasks)
    await asyncio.sleep(3)
    arrived = {e.subject.key: e.time for e in sandbox.journal.since(0) if e.subject.key in sent}
    assert len(arrived) == len(sent), f"{len(sent) - len(arrived)} never came"
    return sorted(arrived[key] - at for key, at in sent.items())


def told(name: str, times: list[float], process: subprocess.Popen[bytes]) -> str:
    """Say how long it took."""
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    return (
        f"{name:<34} {len(times):6} commands  p50 {1000 * p50:6.1f} ms  p99 {1000 * p99:6.1f} ms  "
        f"most {1000 * times[-1]:6.1f} ms  worker {memory(process):.0f} MB"
    )


def memory(process: subprocess.Popen[bytes]) -> float:
    """Return the resident memory in MB."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def run(count: int, seconds: float, node: PrivateNode, url: str, folder: Path) -> None:
    """Measure with nothing waiting, while the backlog is being sorted, and with all of it waiting."""
    settings = SandboxSettings(
        project_id="project", api_token=TOKEN, cps=0.0, ring_seconds=0.0, answer_seconds=0.0, talk_seconds=86_400.0,
        operation_seconds=86_400.0, rate_limit=0, seed=1,
    )  # fmt: skip
    async with Sandbox(settings) as sandbox:
        calls = [str(uuid.uuid4()) for _ in range(CALLS)]
        for each in calls:
            sandbox.calls.make(each, "answered", sandbox.now())
        more = environment(url, folder / "ledger.db", sandbox.url, CALLMQ_DIAL_RATE="1", CALLMQ_HTTP_DEADLINE="30")
        more |= {"CALLMQ_LEASE": "45"}
        with (folder / "worker.log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "callmq", "work"], env={**os.environ, **more}, stderr=log)
        try:
            await _measure(count, seconds, url, sandbox, calls, process)
        finally:
            process.terminate()
            process.wait()


async def _measure(
    count: int, seconds: float, url: str, sandbox: Sandbox, calls: list[str], process: subprocess.Popen[bytes]
) -> None:
    async with Client(url, app_id="bench") as client:
        while not (await client.send(DIAL, key=f"first-{time.time()}")).ok:
            await asyncio.sleep(0.2)
        while not sandbox.journal.received:
            await asyncio.sleep(0.1)
        print(told("nothing waits", await live(client, sandbox, calls, seconds, "none"), process), flush=True)
        began = time.monotonic()
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as another:
            publishing = asyncio.get_running_loop().run_in_executor(another, publish, url, count)
            times = await live(client, sandbox, calls, seconds, "during")
            print(told("while dials are published and sorted", times, process), flush=True)
            confirmed = await publishing
        print(f"{confirmed} dials confirmed after {time.monotonic() - began:.0f} s", flush=True)
        waiting = await _all_sorted(url)
        print(f"all sorted after {time.monotonic() - began:.0f} s, {waiting} wait", flush=True)
        print(told(f"{waiting} dials wait", await live(client, sandbox, calls, seconds, "all"), process), flush=True)


async def _all_sorted(url: str) -> int:
    """Wait until no dial lies before the queues of its flow; return how many lie in those."""
    async with await aio_pika.connect(url) as connection:
        while await _depth(connection, NAMES.dial):
            await asyncio.sleep(1)
        await asyncio.sleep(1)  # the last ones are in flight
        return sum([await _depth(connection, NAMES.dial_lane("default", n)) for n in (1, 2)])


async def _depth(connection: aio_pika.abc.AbstractConnection, name: str) -> int:
    async with connection.channel() as channel:
        queue = await channel.declare_queue(name, passive=True)
        return queue.declaration_result.message_count or 0


def publish(url: str, count: int) -> int:
    """Publish all dials; return how many were confirmed."""
    return uvloop.run(_publish(url, count))


async def _publish(url: str, count: int) -> int:
    async with Client(url, app_id="bulk") as client:
        return sum([result.ok async for result in client.send_many(dials(count))])


def main() -> None:
    """Run it on a private node."""
    parser = argparse.ArgumentParser(prog="make bench-lanes", description=__doc__)
    parser.add_argument("--dials", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    with PrivateNode() as node, node.vhost() as url, tempfile.TemporaryDirectory(prefix="callmq-bench-") as folder:
        uvloop.run(run(given.dials, given.seconds, node, url, Path(folder)))


if __name__ == "__main__":
    main()
