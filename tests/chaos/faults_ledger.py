"""What happens to the ledger's file between one step of a command and the next."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator

from chaos.faults_endpoint import armed
from chaos.kinds import IdleError, bitten, kind
from chaos.stage import Stage


@contextlib.asynccontextmanager
async def locked(stage: Stage) -> AsyncIterator[None]:
    """Let another process's transaction hold the file for the time of the block."""
    stop, held = threading.Event(), threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(stage.ledger, timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        held.set()
        stop.wait()
        connection.execute("ROLLBACK")
        connection.close()

    holding = asyncio.create_task(asyncio.to_thread(hold))
    try:
        await asyncio.to_thread(held.wait, 30)
        yield
    finally:
        stop.set()
        await holding


@kind("ledger", weight=1.5)
async def lock_ledger(stage: Stage, chance: random.Random) -> str:
    """Another process's transaction holds the file, also longer than a worker is patient."""
    seconds = chance.choice((0.5, 2.0, 7.0))
    async with locked(stage):
        await asyncio.sleep(seconds)
    return f"{seconds:.1f} s"


@kind("ledger")
async def away_before_the_record(stage: Stage, _: random.Random) -> str:
    """The file is locked while requests are out: their answers can't be recorded until long after they came."""
    async with armed(stage, "hang", times=0, acts=True):
        await asyncio.sleep(0.5)
    async with locked(stage):
        count = stage.sandbox.release()
        await asyncio.sleep(6.5)
    return bitten(count, f"{count} requests held")


@kind("ledger")
async def read_only_ledger(stage: Stage, chance: random.Random) -> str:
    """Nobody may write the file, nor its log, as on a disk that turned read-only, though they are open already."""
    seconds = chance.uniform(0.5, 6.0)
    files = [str(path) for path in (stage.ledger, stage.ledger.with_name(f"{stage.ledger.name}-wal")) if path.exists()]
    done = await asyncio.to_thread(subprocess.run, ["chattr", "+i", *files], check=False, capture_output=True)
    try:
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(subprocess.run, ["chattr", "-i", *files], check=False, capture_output=True)
    if done.returncode:
        raise IdleError("not possible for this user on this file system", possible=False)
    return f"{seconds:.1f} s"


@kind("ledger")
async def unwritable_ledger(stage: Stage, chance: random.Random) -> str:
    """No file may grow any more under one worker, as on a full disk."""
    worker, seconds = chance.choice(stage.workers), chance.uniform(0.5, 4.0)
    worker.confine(1)
    await asyncio.sleep(seconds)
    worker.confine(-1)
    return f"worker {worker.number} for {seconds:.1f} s"
