"""An older SQLite ledger: copied aside, brought up to date, or left as it was."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING

import pytest

from callmq_worker.adapters import sqlite_schema
from callmq_worker.ports import LedgerAbsentError, LedgerAwayError, LedgerUnusableError
from ledgers import closed, run_sql

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from callmq_worker.adapters.sqlite import SqliteLedger

NOTE = ("ALTER TABLE records ADD COLUMN note TEXT",)
BROKEN = (*NOTE, "ALTER TABLE no_such_table ADD COLUMN x TEXT")


@pytest.fixture
async def older(connect: Callable[..., SqliteLedger], path: Path) -> bytes:
    """Leave a ledger of today with one record, and return its secret."""
    ledger = connect()
    await ledger.transact(*closed(1))
    secret = await ledger.secret()
    await ledger.close()
    assert [f.name for f in path.parent.iterdir()] == ["ledger.db"]
    return secret


@pytest.fixture
def tomorrow(monkeypatch: pytest.MonkeyPatch) -> Callable[[tuple[str, ...]], None]:
    """Lend the way to a version that has one step more."""

    def come(step: tuple[str, ...]) -> None:
        steps = (*sqlite_schema._STEPS, step)
        monkeypatch.setattr(sqlite_schema, "_STEPS", steps)
        monkeypatch.setattr(sqlite_schema, "SCHEMA_VERSION", len(steps))

    return come


def copies(path: Path) -> list[Path]:
    return sorted(f for f in path.parent.iterdir() if f.name.startswith("ledger.db.v"))


async def test_an_older_ledger_is_copied_aside_and_brought_up_to_date(connect, path: Path, older: bytes, tomorrow):
    tomorrow(NOTE)
    ledger = connect()
    assert await ledger.secret() == older
    assert (await ledger.look(closed(1)[0])).reply == b"r" * 100
    assert await ledger.transact(*closed(2)) == 2
    assert run_sql(path, "PRAGMA user_version") == 2
    assert [f.name for f in copies(path)] == ["ledger.db.v1"]
    copy = copies(path)[0]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert run_sql(copy, "PRAGMA user_version") == 1
    assert run_sql(copy, "PRAGMA integrity_check") == "ok"
    assert run_sql(copy, "SELECT key FROM records") == "order-1"
    assert run_sql(copy, "SELECT secret FROM ledger") == older


async def test_the_copy_serves_the_older_version_again(connect, path: Path, older: bytes, tomorrow, monkeypatch):
    tomorrow(NOTE)
    await connect().secret()
    monkeypatch.undo()
    with pytest.raises(LedgerUnusableError, match="newer callmq"):
        await connect().secret()
    assert await connect(copies(path)[0]).secret() == older


async def test_a_copy_takes_nobodys_place(connect, path: Path, older: bytes, tomorrow):
    taken = path.with_name("ledger.db.v1")
    taken.write_text("somebody's")
    tomorrow(NOTE)
    await connect().secret()
    assert [f.name for f in copies(path)] == ["ledger.db.v1", "ledger.db.v1.1"]
    assert taken.read_text() == "somebody's"


async def test_workers_that_start_together_bring_it_up_to_date_once(connect, path: Path, older: bytes, tomorrow):
    tomorrow(NOTE)
    ledgers = [connect() for _ in range(4)]
    assert await asyncio.gather(*(ledger.secret() for ledger in ledgers)) == [older] * 4
    assert all(run_sql(copy, "SELECT key FROM records") == "order-1" for copy in copies(path))


async def test_a_migration_that_fails_changes_nothing(connect, path: Path, older: bytes, tomorrow, monkeypatch):
    tomorrow(BROKEN)
    with pytest.raises(LedgerAwayError):
        await connect().secret()
    monkeypatch.undo()
    assert run_sql(path, "SELECT count(*) FROM pragma_table_info('records') WHERE name = 'note'") == 0
    assert await connect().secret() == older


async def test_whoever_only_looks_changes_nothing(connect, path: Path, older: bytes, tomorrow):
    tomorrow(NOTE)
    with pytest.raises(LedgerAbsentError, match="of an older version: start a worker"):
        await connect(make=False).secret()
    assert copies(path) == []
    assert run_sql(path, "PRAGMA user_version") == 1
    with pytest.raises(LedgerAwayError):
        await connect(path.with_name("absent.db"), make=False).secret()
    assert not path.with_name("absent.db").exists()
