"""The SQLite ledger's file, and how many steps share a commit."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callmq_worker.adapters import sqlite_records
from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core.record import Record, RecordKey, State
from intents import Time
from ledgers import closed, run_sql

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def ledger(connect: Callable[..., SqliteLedger]) -> SqliteLedger:
    return connect()


# The file


async def test_only_its_owner_may_read_it(ledger: SqliteLedger, path: Path):
    before = os.umask(0)
    try:
        await ledger.transact(*closed(1))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = list(path.parent.iterdir())
    assert {f.name for f in files} == {"ledger.db", "ledger.db-wal", "ledger.db-shm"}
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


async def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path, connect: Callable[..., SqliteLedger]):
    folder = tmp_path / "given"
    folder.mkdir(mode=0o750)
    folder.chmod(0o750)
    await connect(folder / "ledger.db").transact(*closed(1))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


async def test_each_commit_waits_for_the_disk(ledger: SqliteLedger):
    def asked(pragma: str) -> Any:
        return ledger._records._file.transact(lambda c: c.execute(f"PRAGMA {pragma}").fetchone()[0], writing=False)

    assert await ledger._ask(lambda: asked("synchronous")) == 2
    assert await ledger._ask(lambda: asked("journal_mode")) == "wal"


async def test_closing_leaves_one_file(ledger: SqliteLedger, path: Path):
    await ledger.transact(*closed(1))
    await ledger.close()
    assert [f.name for f in path.parent.iterdir()] == ["ledger.db"]
    assert run_sql(path, "SELECT count(*) FROM records") == 1


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (sqlite_records._ONE, "USING INDEX sqlite_autoindex_records_1 (account=? AND key=?)"),
        (sqlite_records._OWED, "USING INDEX records_owed"),
        (sqlite_records._UNKNOWNS, "USING INDEX records_unknown"),
        (sqlite_records._DONE, "USING INDEX records_done (updated_at<?)"),
        (sqlite_records._DELETE, "(account=? AND key=?)"),
    ],
)
async def test_no_question_reads_the_whole_table(ledger: SqliteLedger, path: Path, query: str, index: str):
    await ledger.secret()
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?")).fetchall()
    assert len(plan) == 1
    assert index in plan[0][3]


# Grouped commits


async def blocked(ledger: SqliteLedger, gate: threading.Event) -> asyncio.Task[None]:
    """Keep the ledger's thread busy until the gate opens."""
    entered = asyncio.Event()
    loop = asyncio.get_running_loop()

    def step(_record: Record | None, _now: float) -> tuple[None, None]:
        loop.call_soon_threadsafe(entered.set)
        assert gate.wait(60)
        return None, None

    task = asyncio.create_task(ledger.transact(RecordKey("default", "blocks"), step))
    await entered.wait()
    return task


async def test_what_waits_shares_a_commit_and_the_loop_goes_on(connect: Callable[..., SqliteLedger]):
    time, gate = Time(), threading.Event()
    ledger = connect(now=time)
    first = await blocked(ledger, gate)
    asked = time.asked
    tasks = [asyncio.create_task(ledger.transact(*closed(n))) for n in range(200)]
    await asyncio.sleep(0)
    gate.set()
    await first
    assert await asyncio.gather(*tasks) == list(range(200))
    assert time.asked == asked + 1  # one transaction


async def test_a_caller_cancelled_in_the_middle_blocks_nobody(ledger: SqliteLedger):
    gate = threading.Event()
    first = await blocked(ledger, gate)
    tasks = [asyncio.create_task(ledger.transact(*closed(n))) for n in range(10)]
    await asyncio.sleep(0)
    for task in (first, *tasks[::2]):
        task.cancel()
    await asyncio.sleep(0)
    assert first.cancelled()
    gate.set()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[1::2] == [1, 3, 5, 7, 9]
    assert (await ledger.look(closed(0)[0])).reply == b"r" * 100  # begun, so done


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("lone \ud800", {}),
        ("order-1", {"attempt": 2**63}),
        ("order-1", {"received_at": "soon"}),
        ("order-1", {"command": None}),
        ("order-1", {"reply": None}),
    ],
    ids=["a key that is no text", "too great", "a wrong type", "an absence", "an outcome without a reply"],
)
async def test_what_no_column_takes_spares_the_others(ledger: SqliteLedger, key: str, changes: dict[str, Any]):
    fields = {"account": "default", "key": key, "fingerprint": b"", "command": "dial", "state": State.CLOSED}
    record = Record(**(fields | {"received_at": 1.0, "updated_at": 1.0, "reply": b"r"} | changes))
    gate = threading.Event()
    first = await blocked(ledger, gate)
    unfit = asyncio.create_task(ledger.transact(RecordKey("default", key), lambda _before, _now: (record, None)))
    others = [asyncio.create_task(ledger.transact(*closed(n))) for n in range(5, 10)]
    await asyncio.sleep(0)
    gate.set()
    await first
    with pytest.raises(ValueError, match="can't store"):
        await unfit
    assert await asyncio.gather(*others) == [5, 6, 7, 8, 9]
    assert await ledger.look(RecordKey("default", "order-1")) is None


async def test_purging_holds_the_lock_only_for_small_batches(connect: Callable[..., SqliteLedger]):
    time = Time()
    ledger = connect(now=time)
    await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(1200)))
    asked = time.asked
    assert await ledger.purge(0, 5000) == 1200
    assert time.asked == asked + 3


async def test_what_is_asked_for_in_the_turn_of_the_close_is_done(connect, path: Path):
    ledger = connect()
    await ledger.secret()
    number, _ = await asyncio.gather(ledger.transact(*closed(1)), ledger.close())
    assert number == 1
    assert (await connect().look(closed(1)[0])).state is State.CLOSED


async def test_callers_of_two_loops_share_a_ledger(ledger: SqliteLedger):
    await ledger.transact(*closed(1))
    there = await asyncio.to_thread(lambda: asyncio.run(ledger.look(closed(1)[0])))
    assert there == await ledger.look(closed(1)[0])
