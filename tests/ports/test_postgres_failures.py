"""What the PostgreSQL ledger does where its server, its disk or the network fail it: it says so, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import psycopg
import pytest

from callmq_worker.adapters.postgres import PostgresLedger
from callmq_worker.ports import LedgerAwayError, LedgerUnusableError
from ledgers import closed
from needs import missing
from stores import PASSWORD, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from stores import PostgresServer


@pytest.fixture
def connect(postgres_ledgers: Callable[..., PostgresLedger]) -> Callable[..., PostgresLedger]:
    return postgres_ledgers


@pytest.fixture
async def ledger(connect: Callable[..., PostgresLedger]) -> PostgresLedger:
    """Lend a ledger that has one record."""
    ledger = connect()
    await ledger.transact(*closed(1))
    return ledger


def end_sessions(postgres: PostgresServer, database: str) -> None:
    postgres.run(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'")


# Away


async def test_a_server_that_is_away(connect):
    port = free_port()
    ledger = connect(f"postgresql://callmq:{PASSWORD}@127.0.0.1:{port}/calls")
    for asked in (ledger.transact(*closed(1)), ledger.secret(), ledger.owed(1), ledger.purge(0, 1), ledger.losable()):
        with pytest.raises(LedgerAwayError, match=f"127.0.0.1:{port}/calls can't be reached: check") as told:
            await asked
        assert not isinstance(told.value, LedgerUnusableError)
        assert isinstance(told.value.__cause__, psycopg.OperationalError)
        assert PASSWORD not in str(told.value)


async def test_a_crash_in_between_loses_nothing_that_was_acknowledged(ledger: PostgresLedger, postgres: PostgresServer):
    await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(2, 300)))
    postgres.crash()
    try:
        for _ in range(2):
            with pytest.raises(LedgerAwayError, match=r"can't be reached|is starting or stopping"):
                await ledger.transact(*closed(300))
    finally:
        postgres.start()
    assert await ledger.transact(*closed(300)) == 300
    found = await asyncio.gather(*(ledger.look(closed(n)[0]) for n in range(1, 301)))
    assert None not in found


async def test_a_restart_that_nobody_noticed_is_no_failure(ledger: PostgresLedger, postgres: PostgresServer):
    postgres.end(signal.SIGINT)
    postgres.start()
    assert await ledger.transact(*closed(2)) == 2


async def test_a_session_that_was_ended_is_replaced(ledger: PostgresLedger, postgres: PostgresServer, database: str):
    end_sessions(postgres, database)
    assert await ledger.transact(*closed(2)) == 2


# Slow, locked


async def test_a_server_that_does_not_answer(connect, postgres: PostgresServer):
    ledger, fresh = connect(patience=1), connect(patience=1)
    await ledger.transact(*closed(1))
    with postgres.frozen():
        for one in (ledger, fresh):
            with pytest.raises(LedgerAwayError, match="did not answer in 1 s"):
                await one.transact(*closed(2))
    assert await ledger.transact(*closed(3)) == 3
    assert await fresh.transact(*closed(4)) == 4


async def test_a_lock_held_too_long(connect, postgres: PostgresServer, database: str):
    ledger = connect(patience=1)
    await ledger.transact(*closed(1))
    with psycopg.connect(postgres.url(database)) as holder:
        holder.execute("LOCK TABLE callmq_records IN SHARE MODE")
        for asked in (ledger.transact(*closed(2)), ledger.purge(-1e9, 10)):
            with pytest.raises(LedgerAwayError, match="did not answer in 1 s: look for load, a lock"):
                await asked
        assert (await ledger.look(closed(1)[0])).key == "order-1"  # reading needs no lock
    assert await ledger.transact(*closed(2)) == 2


async def test_a_cancelled_caller_leaves_no_statement_behind(
    ledger: PostgresLedger, postgres: PostgresServer, database: str
):
    with psycopg.connect(postgres.url(database)) as holder:
        holder.execute("LOCK TABLE callmq_records IN ACCESS EXCLUSIVE MODE")
        task = asyncio.create_task(ledger.owed(1))
        waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND wait_event_type = 'Lock'"
        async with asyncio.timeout(30):
            while postgres.run(waiting) == [(0,)]:
                await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(30):
            while postgres.run(waiting) != [(0,)]:
                await asyncio.sleep(0.02)
    assert await ledger.owed(1) == []


# Read-only, full, damaged


async def test_a_database_that_became_read_only(ledger: PostgresLedger, postgres: PostgresServer, database: str):
    postgres.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    end_sessions(postgres, database)
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="can't be written: it is a standby or read-only"):
            await ledger.transact(*closed(2))
    postgres.run(f"ALTER DATABASE {database} RESET default_transaction_read_only")
    assert await ledger.transact(*closed(2)) == 2


async def test_a_session_that_became_read_only(ledger: PostgresLedger):
    await ledger._store._connections.use(lambda c: c.execute("SET default_transaction_read_only = on"))
    with pytest.raises(LedgerAwayError, match="can't be written: it is a standby or read-only"):
        await ledger.transact(*closed(2))
    assert await ledger.transact(*closed(2)) == 2


@pytest.fixture
def disk(postgres: PostgresServer) -> Iterator[Path]:
    """Lend a disk of 2 MiB that the server may write to."""
    folder = postgres.folder / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        missing("the right to mount a tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False).returncode:
        missing("the right to mount a tmpfs")
    shutil.chown(folder, "postgres")
    postgres.run(f"CREATE TABLESPACE small LOCATION '{folder}'")
    yield folder
    postgres.run("DROP TABLESPACE small")
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


async def test_a_full_disk(connect, postgres: PostgresServer, database: str, disk: Path):
    ledger = connect()
    await ledger.secret()
    postgres.run("ALTER TABLE callmq_records SET TABLESPACE small", database)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(2**20))
    kept: list[int] = []

    async def fill() -> None:
        while True:
            kept.append(await ledger.transact(*closed(len(kept), 6000)))

    with pytest.raises(LedgerAwayError, match="no room left: free space on the server's disk"):
        await fill()
    assert kept
    ballast.unlink()
    assert await ledger.transact(*closed(len(kept), 6000)) == len(kept)
    for number in kept:
        assert (await ledger.look(closed(number)[0])).reply == b"r" * 6000
    postgres.run("DROP TABLE callmq_records", database)


async def test_a_damaged_table(ledger: PostgresLedger, postgres: PostgresServer, database: str):
    file = postgres.data / str(postgres.run("SELECT pg_relation_filepath('callmq_records')", database)[0][0])
    postgres.end(signal.SIGINT)
    whole = file.read_bytes()
    file.write_bytes(b"garbage" * 1000 + whole[7000:])
    postgres.start()
    with pytest.raises(LedgerAwayError, match="is damaged: stop every worker that uses it and restore a copy"):
        await ledger.look(closed(1)[0])
    postgres.end(signal.SIGINT)
    file.write_bytes(whole)
    postgres.start()
    assert (await ledger.look(closed(1)[0])).key == "order-1"


async def test_missing_tables_say_so(ledger: PostgresLedger, postgres: PostgresServer, database: str):
    postgres.run("ALTER TABLE callmq_records RENAME TO aside", database)
    with pytest.raises(LedgerAwayError, match="does not have the tables it should: restore a copy"):
        await ledger.transact(*closed(2))
    postgres.run("ALTER TABLE aside RENAME TO callmq_records", database)
    assert await ledger.transact(*closed(2)) == 2


async def test_a_database_that_was_emptied_or_replaced_is_noticed(
    ledger: PostgresLedger, connect, postgres: PostgresServer, database: str
):
    postgres.run("ALTER TABLE callmq_ledger RENAME TO l; ALTER TABLE callmq_records RENAME TO r", database)
    with pytest.raises(LedgerAwayError, match="does not have the tables"):
        await ledger.transact(*closed(1))
    with pytest.raises(LedgerAwayError, match="emptied or replaced while in use"):
        await ledger.transact(*closed(1))
    assert postgres.run("SELECT to_regclass('callmq_ledger')", database) == [(None,)]  # nor is a new one made
    postgres.run("ALTER TABLE l RENAME TO callmq_ledger; ALTER TABLE r RENAME TO callmq_records", database)
    assert (await ledger.look(closed(1)[0])).key == "order-1"
    postgres.run("UPDATE callmq_ledger SET secret = 'another'", database)
    end_sessions(postgres, database)
    with pytest.raises(LedgerAwayError, match="emptied or replaced while in use"):
        await ledger.transact(*closed(1))
    await connect().secret()  # whoever starts anew goes on with what is there


# Users and rights


async def test_wrong_credentials(connect, postgres: PostgresServer, database: str):
    for url in (
        postgres.url(database, password="canary-wrong"),
        postgres.url(database).replace("callmq:", "nobody:"),
        postgres.url(database).replace(f":{PASSWORD}", ""),
    ):
        with pytest.raises(LedgerAwayError, match="refuses this user: check its name, its password") as told:
            await connect(url).secret()
        assert "canary" not in str(told.value)


async def test_a_database_that_does_not_exist(connect, postgres: PostgresServer):
    with pytest.raises(LedgerAwayError, match="/absent does not exist: create the database"):
        await connect(postgres.url("absent")).secret()


async def test_a_user_without_rights(connect, postgres: PostgresServer, database: str):
    postgres.run(f"CREATE ROLE {database}_weak LOGIN PASSWORD '{PASSWORD}'")
    url = postgres.url(database).replace("//callmq:", f"//{database}_weak:")
    try:
        with pytest.raises(LedgerAwayError, match=r"refuses this user.*its rights"):
            await connect(url).secret()
    finally:
        postgres.run(f"DROP ROLE {database}_weak")


async def test_no_connection_to_spare(connect, postgres: PostgresServer, database: str):
    postgres.run(f"CREATE ROLE {database}_one LOGIN PASSWORD '{PASSWORD}'")
    postgres.run(f"ALTER DATABASE {database} CONNECTION LIMIT 0")
    url = postgres.url(database).replace("//callmq:", f"//{database}_one:")
    try:
        with pytest.raises(LedgerAwayError, match="no connection to spare: raise max_connections"):
            await connect(url).secret()
    finally:
        postgres.run(f"DROP ROLE {database}_one")
