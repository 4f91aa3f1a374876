"""The PostgreSQL ledger's tables, its durability, and how many steps share a round trip."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from callmq_worker.adapters import postgres as statements
from callmq_worker.adapters import postgres_connections, postgres_schema
from callmq_worker.adapters.postgres import PostgresLedger
from callmq_worker.core.record import Record, RecordKey, State
from callmq_worker.ports import LedgerAbsentError, LedgerAwayError, LedgerUnusableError
from intents import Time
from ledgers import closed
from stores import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    from stores import PostgresServer


@pytest.fixture
def connect(postgres_ledgers: Callable[..., PostgresLedger]) -> Callable[..., PostgresLedger]:
    return postgres_ledgers


@pytest.fixture
def ledger(connect: Callable[..., PostgresLedger]) -> PostgresLedger:
    return connect()


async def asked(ledger: PostgresLedger, statement: str) -> Any:
    return (await ledger._store._rows(statement))[0][0]


# Tables and migrations


async def test_whoever_may_not_make_it_makes_nothing(connect, postgres: PostgresServer, database: str):
    with pytest.raises(LedgerAbsentError, match=r"no tables yet.*start a worker"):
        await connect(make=False).secret()
    assert postgres.run("SELECT to_regclass('callmq_ledger')", database) == [(None,)]
    secret = await connect().secret()
    assert await connect(make=False).secret() == secret


async def test_an_older_ledger_is_brought_up_to_date_and_keeps_its_records(
    ledger: PostgresLedger, connect, postgres: PostgresServer, database: str, monkeypatch
):
    await ledger.transact(*closed(1))
    secret = await ledger.secret()
    more = (*postgres_schema._STEPS, ("ALTER TABLE callmq_records ADD COLUMN note text",))
    monkeypatch.setattr(postgres_schema, "_STEPS", more)
    for module in (postgres_schema, postgres_connections):
        monkeypatch.setattr(module, "VERSION", len(more))
    with pytest.raises(LedgerAbsentError, match="or older ones"):
        await connect(make=False).secret()
    newer = [connect() for _ in range(4)]
    assert await asyncio.gather(*(one.secret() for one in newer)) == [secret] * 4
    assert (await newer[0].look(closed(1)[0])).reply == b"r" * 100
    assert postgres.run("SELECT version FROM callmq_ledger", database) == [(len(more),)]


async def test_a_migration_that_fails_changes_nothing(
    ledger: PostgresLedger, connect, postgres: PostgresServer, database: str, monkeypatch
):
    await ledger.transact(*closed(1))
    broken = ("ALTER TABLE callmq_records ADD COLUMN note text", "ALTER TABLE no_such_table ADD COLUMN x text")
    monkeypatch.setattr(postgres_schema, "_STEPS", (*postgres_schema._STEPS, broken))
    for module in (postgres_schema, postgres_connections):
        monkeypatch.setattr(module, "VERSION", 2)
    with pytest.raises(LedgerAwayError):
        await connect().secret()
    assert postgres.run("SELECT version FROM callmq_ledger", database) == [(1,)]
    assert postgres.run("SELECT count(*) FROM pg_attribute WHERE attname = 'note'", database) == [(0,)]
    assert await ledger.transact(*closed(2)) == 2


async def test_a_newer_schema_is_refused(ledger: PostgresLedger, connect, postgres: PostgresServer, database: str):
    await ledger.secret()
    postgres.run("UPDATE callmq_ledger SET version = 99", database)
    with pytest.raises(LedgerUnusableError, match=r"newer callmq \(schema 99"):
        await connect().secret()
    postgres.run("UPDATE callmq_ledger SET version = 1", database)
    await connect().secret()


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (statements._READ, (["a"] * 9, ["b"] * 9), "callmq_records_pkey"),
        (statements._OWED, (10,), "callmq_records_owed"),
        (statements._UNKNOWNS, (10,), "callmq_records_unknown"),
        (statements._PURGE, (1.0, 10), "callmq_records_done"),
    ],
    ids=["read", "owed", "unknowns", "purge"],
)
async def test_no_question_reads_the_whole_table(ledger: PostgresLedger, statement: str, values: Any, index: str):
    await ledger.transact(*closed(1))  # the plan is made while the table is as good as empty
    rows = await ledger._store._rows(f"EXPLAIN {statement}", *values)
    plan = "\n".join(row[0] for row in rows)
    assert f"using {index}" in plan
    assert "Seq Scan on callmq_records" not in plan


async def test_the_rights_that_the_manual_names_are_enough(connect, postgres: PostgresServer, database: str):
    await connect().secret()
    role = f"{database}_worker"
    postgres.run(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON callmq_ledger, callmq_records TO {role}", database)
    ledger = connect(postgres.url(database).replace("//callmq:", f"//{role}:"))
    await ledger.transact(*closed(1))
    assert await ledger.losable() == ()
    assert await ledger.purge(-1e9, 1) == 1
    assert await ledger.owed(1) == await ledger.unknowns(1) == []
    postgres.run(f"DROP OWNED BY {role}; DROP ROLE {role}", database)


# Durability


async def test_each_commit_waits_for_the_disk(connect, postgres: PostgresServer, database: str):
    postgres.run(f"ALTER DATABASE {database} SET synchronous_commit = off")
    assert await asked(connect(), "SHOW synchronous_commit") == "on"
    postgres.run(f"ALTER DATABASE {database} SET synchronous_commit = remote_apply")
    assert await asked(connect(), "SHOW synchronous_commit") == "remote_apply"
    assert await connect().losable() == ()


async def test_a_server_that_does_not_sync_is_refused(connect, postgres: PostgresServer):
    postgres.run("ALTER SYSTEM SET fsync = off")
    postgres.reload()
    try:
        with pytest.raises(LedgerUnusableError, match="does not keep what it commits: set fsync"):
            await connect().secret()
    finally:
        postgres.run("ALTER SYSTEM RESET fsync")
        postgres.reload()
    await connect().secret()


# Grouped statements


async def test_what_waits_shares_a_round_trip(connect):
    time = Time()
    ledger = connect(time=lambda _stores: time())
    await ledger.secret()
    assert await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(200))) == list(range(200))
    assert time.asked == 1


async def test_purging_goes_by_small_batches(connect):
    ledger = connect()
    await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(1200)))
    batches: list[int] = []
    purge = ledger._store.purge

    async def counted(before: float, limit: int) -> int:
        batches.append(await purge(before, limit))
        return batches[-1]

    ledger._store.purge = counted
    assert await ledger.purge(-1e9, 5000) == 1200
    assert batches == [500, 500, 200]


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("lone \ud800", {}),
        ("nul \0", {}),
        ("order-1", {"attempt": 2**63}),
        ("order-1", {"received_at": "soon"}),
        ("order-1", {"command": None}),
        ("order-1", {"reply": None}),
    ],
    ids=["a key that is no text", "a NUL", "too great", "a wrong type", "an absence", "an outcome without a reply"],
)
async def test_what_no_column_takes_spares_the_others(ledger: PostgresLedger, key: str, changes: dict[str, Any]):
    fields = {"account": "default", "key": key, "fingerprint": b"", "command": "dial", "state": State.CLOSED}
    record = Record(**(fields | {"received_at": 1.0, "updated_at": 1.0, "reply": b"r"} | changes))
    unfit = ledger.transact(RecordKey("default", key), lambda _before, _now: (record, None))
    found = await asyncio.gather(unfit, *(ledger.transact(*closed(n)) for n in range(5, 10)), return_exceptions=True)
    assert isinstance(found[0], ValueError)
    assert re.search("can't store", str(found[0]))
    assert found[1:] == [5, 6, 7, 8, 9]
    assert await ledger.look(RecordKey("default", "order-1")) is None


# The URL


@pytest.mark.parametrize("url", [f"postgresql://me:{PASSWORD}%ZZ@h/d", f"postgresql://me:{PASSWORD}@h/d?x=1"])
def test_a_url_that_can_not_be_read_is_not_shown(url: str):
    with pytest.raises(LedgerUnusableError, match="CALLMQ_LEDGER_URL can't be read") as refused:
        PostgresLedger(url)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None


async def test_the_place_is_named_without_user_and_password(connect, postgres: PostgresServer, database: str):
    assert connect()._store._connections.where == f"postgresql://127.0.0.1:{postgres.port}/{database}"
