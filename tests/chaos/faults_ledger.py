"""What happens to the ledger's file between one step of a command and the next."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading

from chaos.kinds import kind
from chaos.stage import Stage


@kind("ledger", weight=1.5)
async def lock_ledger(stage: Stage, chance: random.Random) -> str:
    """Another process's transaction holds the file, also longer than a worker is patient."""
    seconds = chance.choice((0.5, 2.0, 7.0))
    stop, locked = threading.Event(), threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(stage.ledger, timeout=30, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        locked.set()
        stop.wait()
        connection.execute("ROLLBACK")
        connection.close()

    holding = asyncio.create_task(asyncio.to_thread(hold))
    await asyncio.to_thread(locked.wait, 30)
    await asyncio.sleep(seconds)
    stop.set()
    await holding
    return f"{seconds:.1f} s"


@kind("ledger")
async def unwritable_ledger(stage: Stage, chance: random.Random) -> str:
    """No file may grow any more under one worker, as on a full disk."""
    worker, seconds = chance.choice(stage.workers), chance.uniform(0.5, 4.0)
    worker.confine(1)
    await asyncio.sleep(seconds)
    worker.confine(-1)
    return f"worker {worker.number} for {seconds:.1f} s"
