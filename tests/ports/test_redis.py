"""The Redis ledger: what the server must promise, what fails, what is said of it, and the way back."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callmq_worker.adapters import redis_scripts as scripts
from callmq_worker.adapters.redis import RedisLedger
from callmq_worker.core import guard
from callmq_worker.core.record import Record, RecordKey, State
from callmq_worker.ports import LedgerAbsentError, LedgerAwayError, LedgerUnusableError
from intents import Time, reply
from ledgers import closed, ended
from stores import PASSWORD, RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def connect(redis_ledgers: Callable[..., RedisLedger]) -> Callable[..., RedisLedger]:
    return redis_ledgers


@pytest.fixture
async def ledger(connect: Callable[..., RedisLedger]) -> RedisLedger:
    """Lend a ledger that has one record."""
    ledger = connect()
    await ledger.transact(*closed(1))
    return ledger


# Versions


async def test_whoever_may_not_make_it_makes_nothing(connect, redis_server: RedisServer):
    with pytest.raises(LedgerAbsentError, match="start a worker"):
        await connect(make=False).secret()
    assert redis_server.ask("DBSIZE") == 0
    secret = await connect().secret()
    assert await connect(make=False).secret() == secret


async def test_an_older_ledger_is_brought_up_to_date_and_a_newer_one_refused(
    ledger: RedisLedger, connect, redis_server: RedisServer, monkeypatch
):
    monkeypatch.setattr(scripts, "VERSION", scripts.VERSION + 1)
    with pytest.raises(LedgerAbsentError, match="an older one"):
        await connect(make=False).secret()
    assert await connect().secret() == await ledger.secret()
    assert redis_server.ask("HGET", scripts.META, "version") == b"2"
    assert (await connect().look(closed(1)[0])).reply == b"r" * 100
    monkeypatch.undo()
    with pytest.raises(LedgerUnusableError, match=r"newer callmq \(schema 2"):
        await connect().secret()


# Durability


@pytest.mark.parametrize(("setting", "said"), [("always", None), ("everysec", "last second"), ("no", "half a minute")])
async def test_what_a_crash_may_forget_is_said(connect, told, setting: str, said: str | None):
    told("appendfsync", setting)
    sentences = await connect().losable()
    assert len(sentences) == (said is not None)
    assert all(said in sentence and "done again" in sentence for sentence in sentences)


async def test_a_user_who_may_not_see_it_is_told_so(connect, redis_server: RedisServer):
    redis_server.ask("ACL", "SETUSER", "blind", "on", f">{PASSWORD}", "~callmq:*", "+@all", "-config")
    sentences = await connect(redis_server.url().replace("//:", "//blind:")).losable()
    assert "may not see appendfsync" in sentences[0]
    redis_server.ask("ACL", "DELUSER", "blind")


async def test_a_server_that_forgets_at_a_restart_is_refused(connect, told):
    told("appendonly", "no")
    with pytest.raises(LedgerUnusableError, match="forgets at a restart what was done: set appendonly"):
        await connect().secret()


async def test_a_server_that_drops_what_is_old_is_refused(connect, told):
    told("maxmemory-policy", "allkeys-lru")
    with pytest.raises(LedgerUnusableError, match="may drop records when memory is short: set maxmemory-policy"):
        await connect().secret()


async def test_a_replica_is_named_as_what_a_failover_may_forget(connect, redis_server: RedisServer, own):
    follower = own(masterauth=PASSWORD, replicaof=f"127.0.0.1 {redis_server.port}")
    async with asyncio.timeout(60):
        while not redis_server.ask("INFO", "replication").get("connected_slaves"):
            await asyncio.sleep(0.05)
    assert ["a failover may forget" in s for s in await connect().losable()] == [True]
    with pytest.raises(LedgerAwayError, match="can't be written: it is a replica"):
        await connect(follower.url()).secret()


async def test_a_cluster_is_refused(connect, own):
    with pytest.raises(LedgerUnusableError, match="is a cluster: name a single server"):
        await connect(own(cluster_enabled="yes").url()).secret()


# Grouped scripts, lists


async def test_what_waits_shares_a_round_trip(connect):
    time = Time()
    ledger = connect(time=lambda _stores: time())
    await ledger.secret()
    assert await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(200))) == list(range(200))
    assert time.asked == 1


async def test_a_record_is_in_the_lists_that_it_belongs_to(connect, redis_server: RedisServer):
    ledger = connect()

    def sizes() -> list[object]:
        return [redis_server.ask("ZCARD", name) for name in scripts.LISTS]

    await ended(ledger, "order-1", unknown=True)
    assert sizes() == [0, 1, 0]
    key = RecordKey("default", "order-1")
    await ledger.transact(key, guard.resolve(lambda _record, sequence: reply("succeeded", sequence), b"to"))
    assert sizes() == [1, 0, 0]
    await ledger.transact(key, guard.paid(reply("succeeded", 2), b"to"))
    assert sizes() == [0, 0, 1]
    assert await ledger.purge(-1e9, 10) == 1
    assert sizes() == [0, 0, 0]
    assert redis_server.ask("DBSIZE") == 1  # the ledger's own


@pytest.mark.parametrize(
    ("key", "changes"),
    [("lone \ud800", {}), ("order-1", {"attempt": 2**64}), ("order-1", {"reply": None})],
    ids=["a key that is no text", "too great", "an outcome without a reply"],
)
async def test_what_has_no_form_spares_the_others(connect, key: str, changes: dict[str, Any]):
    ledger = connect()
    fields = {"account": "default", "key": key, "fingerprint": b"", "command": "dial", "state": State.CLOSED}
    record = Record(**(fields | {"received_at": 1.0, "updated_at": 1.0, "reply": b"r"} | changes))
    unfit = ledger.transact(RecordKey("default", key), lambda _before, _now: (record, None))
    found = await asyncio.gather(unfit, *(ledger.transact(*closed(n)) for n in range(5, 10)), return_exceptions=True)
    assert isinstance(found[0], ValueError)
    assert "can't store" in str(found[0])
    assert found[1:] == [5, 6, 7, 8, 9]


async def test_forgotten_scripts_are_brought_again(ledger: RedisLedger, redis_server: RedisServer):
    redis_server.ask("SCRIPT", "FLUSH")
    assert await ledger.transact(*closed(2)) == 2


# Users and URLs


async def test_wrong_credentials(connect, redis_server: RedisServer):
    for url in (
        redis_server.url(password="canary-wrong"),
        redis_server.url().replace("//:", "//nobody:"),
        redis_server.url().replace(f":{PASSWORD}@", ""),
    ):
        with pytest.raises(LedgerAwayError, match="refuses this user: check its name, its password") as told:
            await connect(url).secret()
        assert "canary" not in str(told.value)


async def test_a_user_without_rights(connect, redis_server: RedisServer):
    redis_server.ask("ACL", "SETUSER", "weak", "on", f">{PASSWORD}", "~*", "+info", "+hmget")
    with pytest.raises(LedgerAwayError, match=r"refuses this user.*its rights"):
        await connect(redis_server.url().replace("//:", "//weak:")).secret()
    redis_server.ask("ACL", "DELUSER", "weak")


async def test_the_rights_that_the_manual_names_are_enough(connect, redis_server: RedisServer):
    manual = (Path(__file__).parents[2] / "docs" / "ledgers.md").read_text()
    rights = re.search(r"user needs `(~callmq:.*?)`", manual)[1].split()
    redis_server.ask("ACL", "SETUSER", "worker", "on", f">{PASSWORD}", *rights)
    ledger = connect(redis_server.url().replace("//:", "//worker:"))
    await ended(ledger, "order-1", unknown=True)
    assert len(await ledger.unknowns(1)) == 1
    assert await ledger.owed(1) == []
    assert await ledger.purge(0, 1) == 0
    assert await ledger.losable() == []
    redis_server.ask("ACL", "DELUSER", "worker")


async def test_a_user_who_may_run_scripts_and_not_their_commands(connect, redis_server: RedisServer):
    await connect().secret()
    redis_server.ask("ACL", "SETUSER", "half", "on", f">{PASSWORD}", "~*", "+info", "+hmget", "+@scripting")
    with pytest.raises(LedgerAwayError, match=r"refuses this user.*its rights"):
        await connect(redis_server.url().replace("//:", "//half:")).secret()
    redis_server.ask("ACL", "DELUSER", "half")


@pytest.mark.parametrize("url", [f"redis://me:{PASSWORD}@host:port/0", f"redis://me:{PASSWORD}@host:1/0?db=x"])
def test_a_url_that_can_not_be_read_is_not_shown(url: str):
    with pytest.raises(LedgerUnusableError, match="CALLMQ_LEDGER_URL can't be read") as refused:
        RedisLedger(url)
    assert PASSWORD not in str(refused.value)
    assert refused.value.__cause__ is None
