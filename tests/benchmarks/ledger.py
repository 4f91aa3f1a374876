"""Figures of each ledger: reserve and complete, 50 in flight. A report and never a test.

Run by ``make bench-ledger``. CPU is that of this process, and of the store's own processes where it has any.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from callmq_worker.adapters.memory import MemoryLedger
from callmq_worker.adapters.postgres import PostgresLedger
from callmq_worker.adapters.redis import RedisLedger
from callmq_worker.adapters.sqlite import SqliteLedger
from intents import intent
from ledgers import finish, won
from stores import PostgresServer, RedisServer, Server, find_postgres, find_redis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callmq_worker.ports import Ledger

IN_FLIGHT = 50
PAIRS = int(os.environ.get("PAIRS", "20000"))
ALONE = 500
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(server: Server | None) -> float:
    """Return the seconds that the store's processes have used."""
    if server is None:
        return 0.0
    used = 0
    for pid in server.family():
        with contextlib.suppress(OSError):  # one that has ended
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used / _TICK


async def measure(name: str, ledger: Ledger, server: Server | None) -> None:
    numbers = iter(range(-ALONE - IN_FLIGHT * 40, PAIRS))

    async def pair(number: int) -> None:
        wish = intent(f"order-{number}", expires_at=time.time() + 600)
        held = await won(ledger, wish)
        await finish(ledger, wish, held.attempt, "succeeded")

    async def work(until: int) -> None:
        for number in numbers:
            await pair(number)
            if number >= until:
                return

    await asyncio.gather(*(work(-ALONE - 1) for _ in range(IN_FLIGHT)))  # warm
    alone = time.perf_counter()
    done = 0
    while done < ALONE:
        await pair(next(numbers))
        done += 1
    alone = time.perf_counter() - alone
    start, here, there = time.perf_counter(), time.process_time(), cpu_of(server)
    first = next(numbers)
    await asyncio.gather(*(work(PAIRS) for _ in range(IN_FLIGHT)))
    wall, here, there = time.perf_counter() - start, time.process_time() - here, cpu_of(server) - there
    pairs = PAIRS - first - 1
    figures = f"{1e6 * here / pairs:8.0f} {1e6 * there / pairs:8.0f} {pairs / wall:10.0f} {1e3 * alone / ALONE:10.2f}"
    print(f"{name:34} {figures}", flush=True)
    await ledger.close()


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.remove()


async def main(folder: str, chosen: list[str]) -> None:
    print(
        f"{'reserve and complete, 50 in flight':34} {'CPU us':>8} {'store us':>8} {'per second':>10} {'alone, ms':>10}"
    )
    if not chosen or "memory" in chosen:
        await measure("memory", MemoryLedger(), None)
    if not chosen or "sqlite" in chosen:
        await measure("sqlite (FULL)", SqliteLedger(Path(folder) / "ledger.db"), None)
    if (not chosen or "postgres" in chosen) and find_postgres():
        with running(PostgresServer()) as server:
            await measure("postgres (synchronous_commit=on)", PostgresLedger(server.url()), server)
    if (not chosen or "redis" in chosen) and find_redis():
        for setting in ("always", "everysec"):
            with running(RedisServer(appendfsync=setting)) as server:
                await measure(f"redis (appendfsync {setting})", RedisLedger(server.url()), server)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="callmq-bench-") as place:
        asyncio.run(main(place, sys.argv[1:]))
