"""The laws of the Ledger port. Every adapter passes them as they stand; the adapters are named in conftest.py."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from callmq_contracts.command import Safety
from callmq_worker.core import guard
from callmq_worker.core.record import (
    Busy,
    Claim,
    Conflict,
    Fenced,
    Record,
    RecordKey,
    Spent,
    State,
    Stored,
)
from callmq_worker.ports import Ledger
from intents import LEASE, START, conclusion, intent, record_key, reply
from ledgers import admit, ended, finish, touch, won

if TYPE_CHECKING:
    from conftest import Bench

KEY = RecordKey("default", "order-1")
FULL = Record(
    account="default",
    key="order-1",
    fingerprint=bytes(range(256)),
    command="calling.play.stop",
    state=State.SENDING,
    received_at=START + 0.123456789,
    updated_at=START - 1e-6,
    attempt=2**40,
    spared=3,
    owner="höst:1\n",
    lease_until=START + 1 / 3,
    doubt=True,
    sequence=7,
    reply=b"",
    due=b'{"to": "\x00\xff"}',
)


def put(record: Record | None) -> Any:
    return lambda _before, _now: (record, None)


# A transaction


@pytest.mark.parametrize(
    "record",
    [FULL, FULL._replace(owner=None, reply=None, due=None, doubt=False, fingerprint=b""), FULL._replace(due=b"")],
    ids=["full", "bare", "empty is not absent"],
)
async def test_what_a_step_returns_is_what_is_kept(bench: Bench, record: Record):
    await bench.connect().transact(KEY, put(record))
    assert await bench.connect().look(KEY) == record
    assert type((await bench.connect().look(KEY)).doubt) is bool


async def test_a_step_sees_nothing_where_nothing_is(ledger: Ledger):
    assert await ledger.transact(KEY, lambda record, _now: (None, record)) is None
    assert await ledger.look(KEY) is None


async def test_a_step_that_changes_nothing_writes_nothing(ledger: Ledger):
    await ledger.transact(KEY, put(FULL))
    assert await ledger.transact(KEY, lambda record, _now: (None, record)) == FULL
    assert await ledger.look(KEY) == FULL


async def test_accounts_do_not_share_keys(ledger: Ledger):
    first, second = intent(account="one"), intent(account="two", fingerprint=b"other")
    assert isinstance(await admit(ledger, first), Claim)
    assert isinstance(await admit(ledger, second), Claim)


async def test_time_is_the_stores_and_never_goes_back(bench: Bench, ledger: Ledger):
    seen = []
    for now in (START, START + 5, START - 100, START + 6):
        bench.time.now = now
        seen.append(await ledger.transact(KEY, lambda _record, now: (None, now)))
    assert seen == [START, START + 5, START + 5, START + 6]


async def test_a_step_that_raises_fails_only_its_caller(ledger: Ledger):
    def broken(_record: Record | None, _now: float) -> NoReturn:
        raise LookupError("broken on purpose")

    def stopped(_record: Record | None, _now: float) -> NoReturn:
        raise StopIteration

    steps = [touch, broken, touch, stopped, touch]
    found = await asyncio.gather(*(ledger.transact(KEY, step) for step in steps), return_exceptions=True)
    assert sorted(n for n in found if isinstance(n, int)) == [1, 2, 3]
    assert isinstance(found[1], LookupError)
    assert isinstance(found[3], RuntimeError)
    assert (await ledger.look(KEY)).attempt == 3


async def test_a_step_may_not_write_another_record(ledger: Ledger):
    with pytest.raises(ValueError, match="only write the record"):
        await ledger.transact(RecordKey("default", "other"), put(FULL))
    assert await ledger.look(KEY) is None


async def test_a_lost_word_does_not_make_a_reply_stale(ledger: Ledger):
    wish = intent()
    held = await won(ledger, wish)
    step = guard.conclude(conclusion(wish, held.attempt, "succeeded"))
    first, again = await ledger.transact(KEY, step), await ledger.transact(KEY, step)
    assert first == again == Stored(reply("succeeded"), unknown=False, fresh=True)


# Several at once


async def test_of_many_claims_one_wins(ledger: Ledger):
    found = await asyncio.gather(*(admit(ledger, intent(owner=f"worker-{n}")) for n in range(200)))
    assert sum(isinstance(f, Claim) for f in found) == 1
    assert sum(isinstance(f, Busy) for f in found) == 199


async def test_of_many_claims_over_two_ledgers_one_wins_each_key(bench: Bench):
    ledgers = [bench.connect(), bench.connect()]
    wishes = [intent(f"order-{n % 50}", owner=f"worker-{n}") for n in range(400)]
    found = await asyncio.gather(*(admit(ledgers[n // 50 % 2], wish) for n, wish in enumerate(wishes)))
    assert sorted(f.key for f in found if isinstance(f, Claim)) == sorted(f"order-{n}" for n in range(50))


async def test_no_update_is_lost(bench: Bench):
    ledgers = [bench.connect(), bench.connect(), bench.connect()]
    counted = await asyncio.gather(*(ledgers[n % 3].transact(KEY, touch) for n in range(300)))
    assert sorted(counted) == list(range(1, 301))
    assert (await ledgers[0].look(KEY)).attempt == 300


async def test_processes_share_one_ledger(bench: Bench, ledger: Ledger):
    if bench.spec is None:
        pytest.skip("it lives in one process")
    await ledger.transact(RecordKey("default", "counter"), put(FULL._replace(key="counter", attempt=0)))
    script = str(Path(__file__).with_name("hammer.py"))
    pipe = asyncio.subprocess.PIPE
    hammers = [
        await asyncio.create_subprocess_exec(
            sys.executable, script, json.dumps(bench.spec), f"hammer-{n}", "400", stdin=pipe, stdout=pipe
        )
        for n in range(3)
    ]
    for hammer in hammers:
        assert await hammer.stdout.readline() == b"ready\n"
    said = [json.loads(out) for out, _ in await asyncio.gather(*(hammer.communicate(b"") for hammer in hammers))]
    assert sorted(key for one in said for key in one["won"]) == sorted(f"key-{n}" for n in range(400))
    assert sorted(number for one in said for number in one["counted"]) == list(range(1, 1201))
    assert {one["secret"] for one in said} == {(await ledger.secret()).hex()}
    for n, one in enumerate(said):
        for key in one["won"]:
            assert (await ledger.look(RecordKey("default", key))).reply == f"hammer-{n}".encode()


async def test_a_cancelled_caller_blocks_nobody(ledger: Ledger):
    wishes = [intent(f"order-{n}") for n in range(100)]
    tasks = [asyncio.create_task(admit(ledger, wish)) for wish in wishes]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(f, Claim) for f in found[1::2])
    for wish in wishes[::2]:  # done or not, but never half
        record = await ledger.look(record_key(wish))
        assert record is None or (record.state is State.HELD and record.attempt == 1)


# The guard's steps


async def test_a_lease_ends_by_the_stores_time(bench: Bench, ledger: Ledger):
    await won(ledger, intent())
    bench.time.now = START + LEASE - 0.5
    assert await admit(ledger, intent(owner="worker-2")) == Busy(0.5)
    bench.time.now = START + LEASE
    assert (await won(bench.connect(), intent(owner="worker-2"))).attempt == 2


async def test_a_worker_whose_lease_was_taken_over_can_write_nothing(bench: Bench, ledger: Ledger):
    wish = intent()
    old = await won(ledger, wish)
    bench.time.now = START + LEASE
    new = await won(bench.connect(), intent(owner="worker-2"))
    after = await ledger.look(KEY)
    assert not await ledger.transact(KEY, guard.mark_sending(old, LEASE, wish.expires_at))
    assert not await ledger.transact(KEY, guard.release(old, doubt=False, spare=False))
    assert await finish(ledger, wish, old.attempt, "failed") == Fenced()
    assert await ledger.look(KEY) == after
    assert await finish(ledger, intent(owner="worker-2"), new.attempt, "succeeded") == Stored(
        reply("succeeded"), unknown=False, fresh=True
    )
    assert await finish(ledger, wish, old.attempt, "failed") == Stored(reply("succeeded"), unknown=False)


async def test_an_unsafe_command_that_was_being_sent_is_never_claimed_again(bench: Bench, ledger: Ledger):
    wish = intent()
    held = await won(ledger, wish)
    assert await ledger.transact(KEY, guard.mark_sending(held, LEASE, wish.expires_at))
    bench.time.now = START + 3 * LEASE
    found = await admit(bench.connect(), intent(owner="worker-2"))
    assert found == Spent(1, 1, doubt=True, expired=False, received_at=wish.received_at)


async def test_other_commands_that_were_being_sent_are_taken_over_in_doubt(bench: Bench, ledger: Ledger):
    wish = intent(safety=Safety.CONVERGENT)
    held = await won(ledger, wish)
    assert await ledger.transact(KEY, guard.mark_sending(held, LEASE, wish.expires_at))
    bench.time.now = START + LEASE
    assert (await won(ledger, wish)).doubt


async def test_a_released_intention_is_free_again(ledger: Ledger):
    held = await won(ledger, intent())
    assert await ledger.transact(KEY, guard.release(held, doubt=False, spare=True))
    again = await won(ledger, intent())
    assert (again.attempt, again.used) == (2, 1)


async def test_a_key_belongs_to_one_body(ledger: Ledger):
    await ended(ledger, "order-1")
    assert await admit(ledger, intent(fingerprint=b"another")) == Conflict()


async def test_an_outcome_is_found_again_by_every_ledger_on_the_store(bench: Bench, ledger: Ledger):
    wish = await ended(ledger, "order-1")
    assert await admit(bench.connect(), wish) == Stored(reply("succeeded"), unknown=False)
