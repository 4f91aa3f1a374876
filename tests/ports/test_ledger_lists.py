"""The laws of the Ledger port about debts, unknowns, purging, the secret and closing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from callmq_worker.core import guard
from callmq_worker.core.record import RecordKey, Stored
from callmq_worker.ports import Ledger, LedgerAwayError
from intents import START, intent, record_key, reply
from ledgers import ended, touch, won

if TYPE_CHECKING:
    from conftest import Bench

KEY = RecordKey("default", "order-1")


# Debts, unknowns


async def test_debts_are_listed_oldest_first_until_paid(bench: Bench, ledger: Ledger):
    for n in (3, 1, 2):
        await ended(ledger, f"order-{n}")
    for later, n in enumerate((2, 3, 1)):
        bench.time.now = START + later
        await ledger.transact(RecordKey("default", f"order-{n}"), guard.owe(b"to"))
    await ended(ledger, "owes-nothing")
    assert [r.key for r in await ledger.owed(10)] == ["order-2", "order-3", "order-1"]
    assert [r.due for r in await ledger.owed(2)] == [b"to", b"to"]
    assert await ledger.owed(0) == []
    assert await ledger.transact(RecordKey("default", "order-2"), guard.paid(reply("succeeded"), b"to"))
    assert [r.key for r in await bench.connect().owed(10)] == ["order-3", "order-1"]


async def test_unknowns_are_listed_until_they_are_resolved(bench: Bench, ledger: Ledger):
    for n in (1, 2, 3):
        bench.time.now = START + n
        await ended(ledger, f"order-{n}", unknown=True)
    await ended(ledger, "known")
    assert [r.key for r in await ledger.unknowns(10)] == ["order-1", "order-2", "order-3"]
    assert [r.key for r in await ledger.unknowns(2)] == ["order-1", "order-2"]
    assert await ledger.unknowns(0) == []
    step = guard.resolve(lambda _record, sequence: reply("succeeded", sequence), b"to")
    found = await ledger.transact(RecordKey("default", "order-2"), step)
    assert found == Stored(reply("succeeded", 2), unknown=False, fresh=True)
    assert await ledger.transact(RecordKey("default", "order-3"), guard.reopen())
    assert [r.key for r in await bench.connect().unknowns(10)] == ["order-1"]
    assert [r.key for r in await ledger.owed(10)] == ["order-2"]


# Purging


async def test_only_closed_records_without_a_debt_are_purged(bench: Bench, ledger: Ledger):
    await ended(ledger, "closed")
    await ended(ledger, "unknown", unknown=True)
    await ended(ledger, "owes")
    await ledger.transact(RecordKey("default", "owes"), guard.owe(b"to"))
    held = await won(ledger, intent("held"))
    freed = await won(ledger, intent("free"))
    await ledger.transact(record_key(freed), guard.release(freed, doubt=False, spare=False))
    await won(ledger, intent("sending"))
    bench.time.now = START + 1e9
    assert await ledger.purge(0, 100) == 1
    assert await ledger.look(RecordKey("default", "closed")) is None
    kept = [await ledger.look(RecordKey("default", k)) for k in ("unknown", "owes", held.key, "free", "sending")]
    assert None not in kept
    await ledger.transact(RecordKey("default", "owes"), guard.paid(reply("succeeded"), b"to"))
    assert await ledger.purge(0, 100) == 1


async def test_purging_goes_by_the_last_change(bench: Bench, ledger: Ledger):
    for n in range(10):
        bench.time.now = START + n
        await ended(ledger, f"order-{n}")
    bench.time.now = START + 100
    assert await ledger.purge(100.5, 100) == 0
    assert await ledger.purge(97, 100) == 4  # "unchanged for 97 seconds" takes in the one of exactly 97
    assert await ledger.look(RecordKey("default", "order-3")) is None
    assert await ledger.look(RecordKey("default", "order-4")) is not None


async def test_purging_takes_the_oldest_up_to_its_limit(bench: Bench, ledger: Ledger):
    for n in range(10):
        bench.time.now = START + n
        await ended(ledger, f"order-{n}")
    assert await ledger.purge(0, 0) == 0
    assert await ledger.purge(0, 4) == 4
    assert await ledger.look(RecordKey("default", "order-3")) is None
    assert await ledger.look(RecordKey("default", "order-4")) is not None
    assert await ledger.purge(0, 100) == 6


# The secret, closing


async def test_the_secret_is_made_once(bench: Bench):
    ledgers = [bench.connect() for _ in range(5)]
    secrets = await asyncio.gather(*(ledger.secret() for ledger in ledgers))
    assert len(set(secrets)) == 1
    assert len(secrets[0]) == 32
    assert await bench.connect().secret() == secrets[0]
    assert len(set(secrets[0])) > 8  # not a constant


async def test_closing_finishes_what_was_begun(bench: Bench):
    ledger = bench.connect()
    tasks = [asyncio.create_task(ledger.transact(KEY, touch)) for _ in range(50)]
    await asyncio.sleep(0)
    await ledger.close()
    assert await asyncio.gather(*tasks) == list(range(1, 51))
    assert (await bench.connect().look(KEY)).attempt == 50


async def test_a_closed_ledger_says_so(ledger: Ledger):
    await ledger.transact(KEY, touch)
    await ledger.close()
    await ledger.close()
    for asked in (ledger.transact(KEY, touch), ledger.look(KEY), ledger.owed(1), ledger.unknowns(1), ledger.secret()):
        with pytest.raises(LedgerAwayError, match="closed"):
            await asked
    with pytest.raises(LedgerAwayError, match="closed"):
        await ledger.purge(0, 1)


async def test_a_ledger_that_was_never_used_can_be_closed(ledger: Ledger):
    await ledger.close()
