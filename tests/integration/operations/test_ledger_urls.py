"""The ledger by its URL: the worker, the operator's verbs and ``doctor`` use the same one, whatever it is."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.ledgers import open_ledger
from callmq_worker.ports import LedgerAwayError, LedgerUnusableError
from needs import missing
from stores import PASSWORD, RedisServer, find_redis
from world import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from world import World

DIAL = EXAMPLES["dial"][0]
STORES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "postgresql": lambda asked: asked.getfixturevalue("postgres").url(asked.getfixturevalue("database")),
    "redis": lambda asked: asked.getfixturevalue("redis_url"),
}


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest) -> str:
    return STORES[request.param](request)


def ledger_rows(ran) -> list[dict[str, str]]:
    return [row for row in ran.rows if row["check"] == "ledger"]


async def test_the_verbs_ask_the_workers_ledger(w: World, callmq, url: str):
    first = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=url)
    assert [row["state"] for row in ledger_rows(first)] == ["ok"]
    assert "start a worker" in ledger_rows(first)[0]["detail"]
    w.sandbox.arm("status", status=500, match={"key": "k1"})
    async with w.working(CALLMQ_LEDGER_URL=url):
        await w.client.send(DIAL, key="k1")
        assert (await w.reply("k1"))["outcome"] == "unknown"
        listed = await callmq("unknown", "list", "--json", CALLMQ_LEDGER_URL=url)
        resolved = await callmq("unknown", "resolve", "k1", "--outcome", "failed", CALLMQ_LEDGER_URL=url)
        assert (await w.reply("k1", 2))["outcome"] == "failed"
    ran = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=url)
    assert [row["key"] for row in listed.rows] == ["k1"]
    assert resolved.code == 0, resolved.err
    row = ledger_rows(ran)[0]
    assert row["detail"] == f"answers ({url.partition(':')[0]}, every commit synced); 0 unknown, 0 replies owed"
    assert all(PASSWORD not in said.out + said.err for said in (first, listed, resolved, ran))


async def test_doctor_says_what_can_be_lost(callmq, redis_server: RedisServer, redis_url: str):
    await (await open_ledger(redis_url, SystemClock(), wait=False)).close()
    redis_server.ask("CONFIG", "SET", "appendfsync", "everysec")
    ran = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=redis_url)
    redis_server.ask("CONFIG", "SET", "appendfsync", "always")
    rows = ledger_rows(ran)
    assert "some of it can be lost" in rows[0]["detail"]
    assert rows[1]["state"] == "warning"
    assert "last second (appendfsync everysec)" in rows[1]["detail"]


async def test_doctor_tells_what_is_away_from_what_is_wrong(callmq, redis_server: RedisServer, url: str):
    away = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=url.replace(PASSWORD, "canary-wrong"))
    assert [row["state"] for row in ledger_rows(away)] == ["away"]
    assert "refuses this user" in ledger_rows(away)[0]["detail"]
    redis_server.ask("CONFIG", "SET", "appendonly", "no")
    wrong = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=redis_server.url())
    redis_server.ask("CONFIG", "SET", "appendonly", "yes")
    assert [row["state"] for row in ledger_rows(wrong)] == ["wrong"]
    assert "canary" not in away.out + away.err + wrong.out + wrong.err


async def test_a_worker_waits_for_its_store():
    if find_redis() is None:
        missing("redis-server (make stores installs it)")
    server = RedisServer()
    server.crash()

    class Clock(SystemClock):
        """Time in which the store comes."""

        async def sleep(self, seconds: float) -> None:
            server.start()

    try:
        with pytest.raises(LedgerAwayError, match="can't be reached"):
            await open_ledger(server.url(), Clock(), wait=False)
        ledger = await open_ledger(server.url(), Clock(), wait=True)
        assert ledger.system == "redis"
        await ledger.close()
    finally:
        server.remove()


async def test_a_worker_that_starts_beside_a_locked_file_works_once_it_is_free(w: World, caplog):
    async with w.working():
        pass  # reads go past the lock of a file that there is, writes wait
    other = sqlite3.connect(w.ledger, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def free() -> None:
        await until(lambda: "ledger away, trying again" in caplog.text)
        other.execute("ROLLBACK")
        other.close()

    freeing = asyncio.create_task(free())
    async with w.working():
        await freeing
        await w.client.send(DIAL, key="k1")
        assert (await w.reply("k1"))["outcome"] == "succeeded"


@pytest.mark.parametrize(("scheme", "library", "extra"), [("postgresql", "psycopg", "postgres"), ("redis",) * 3])
async def test_a_missing_library_is_named_with_its_extra(monkeypatch, scheme: str, library: str, extra: str):
    for module in [name for name in sys.modules if name.startswith(f"callmq_worker.adapters.{extra}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LedgerUnusableError, match=rf"pip install 'callmq\[worker,{extra}\]'"):
        await open_ledger(f"{scheme}://127.0.0.1/0", SystemClock(), wait=True)


def test_a_library_that_is_not_chosen_is_not_imported():
    told = "import sys, callmq_worker.cli.work; print([m for m in ('psycopg', 'redis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"
