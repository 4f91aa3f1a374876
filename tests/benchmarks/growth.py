"""Whether a command costs more behind a long queue, with a full ledger, or late in a long run."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.arithmetic import Mark, costs
from benchmarks.cast import CALLMQ
from benchmarks.endpoints import UnavailableError
from benchmarks.rounds import PAUSE, WARM_SHARE, Theatre, reach, staged
from benchmarks.stage import Stage
from benchmarks.troupe import playing

# A key is a random hexadecimal number, and so are those of the benchmark's commands: these lie evenly among them.
KEYS = 2**48
BULK = """
INSERT INTO records ({columns})
WITH RECURSIVE counted(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM counted WHERE n + 1 < {count})
SELECT {values} FROM counted, pattern
"""


def bulk_load(path: Path, count: int) -> None:
    """Copy a ledger's first record so many times under keys of their own, in ascending order: 10 million in minutes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as ledger:
        columns = [row[1] for row in ledger.execute("PRAGMA table_info(records)")]
        own = {"key": f"printf('%012x-%d', n * ({KEYS} / {count}), n)"}
        values = ", ".join(own.get(column, column) for column in columns)
        # Or all of it would lie in the log first; the worker sets its own mode again when it opens the file.
        ledger.execute("PRAGMA journal_mode = OFF")
        ledger.execute("CREATE TEMP TABLE pattern AS SELECT * FROM records LIMIT 1")
        ledger.execute(BULK.format(columns=", ".join(columns), values=values, count=count))


def ledger_of(folder: Path) -> Path:
    """Find the ledger in a worker's state folder."""
    found = sorted(folder.rglob("*.db"))
    if not found:
        raise UnavailableError("The worker left no SQLite ledger in its state folder.")
    return found[0]


async def perform(stage: Stage, settings: dict[str, str], commands: int, marks: Sequence[int]) -> list[Mark]:
    """Run callmq until it has published ``commands`` replies; return how far it was at each of the marks."""
    before = await stage.replies()
    with playing(CALLMQ, Path(settings["HOME"]), settings) as troupe:
        return [await reach(stage, troupe, before + mark, PAUSE) for mark in (*marks, commands)]


async def behind(theatre: Theatre, backlog: int, commands: int) -> float:
    """Return the CPU microseconds of a command at the head of so many."""
    async with staged(theatre, CALLMQ, 0) as (stage, settings):
        await stage.fill(CALLMQ.envelope, max(backlog, commands))
        return costs(await perform(stage, settings, commands, [int(commands * WARM_SHARE)]))[0]


async def with_records(theatre: Theatre, records: int, commands: int) -> float:
    """Return the CPU microseconds of a command where the ledger holds so many records already."""
    async with staged(theatre, CALLMQ, 0) as (stage, settings):
        if records:
            await stage.fill(CALLMQ.envelope, 1)
            await perform(stage, settings, 1, [])
            await asyncio.to_thread(bulk_load, ledger_of(Path(settings["HOME"])), records)
        await stage.fill(CALLMQ.envelope, commands)
        return costs(await perform(stage, settings, commands, [int(commands * WARM_SHARE)]))[0]


async def in_the_long_run(theatre: Theatre, commands: int, parts: int = 5) -> list[float]:
    """Return the CPU microseconds of a command in each part of one long run."""
    async with staged(theatre, CALLMQ, 0) as (stage, settings):
        await stage.fill(CALLMQ.envelope, commands)
        marks = [commands * part // parts for part in range(parts)]
        return costs(await perform(stage, settings, commands, [max(1, marks[0]), *marks[1:]]))
