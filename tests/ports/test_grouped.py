"""What happens to a record between a shared store's read and its write: the step is run again on what is there now."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from callmq_worker.core import guard
from callmq_worker.core.record import Busy, Claim, RecordKey, State
from intents import LEASE, intent
from ledgers import admit, ended, touch, won

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Bench

KEY = RecordKey("default", "order-1")
pytestmark = pytest.mark.parametrize("built", ["postgres", "redis"], indirect=True)


def interrupt(ledger: Any, act: Callable[[], Awaitable[Any]]) -> None:
    """Let something happen once, after the ledger's next read and before its write."""
    write = ledger._store.write

    async def interrupted(changes: Any) -> Any:
        ledger._store.write = write
        await act()
        return await write(changes)

    ledger._store.write = interrupted


async def test_of_two_who_saw_no_record_one_wins(bench: Bench):
    first, second = bench.connect(), bench.connect()
    interrupt(first, lambda: won(second, intent(owner="worker-2")))
    assert await admit(first, intent(owner="worker-1")) == Busy(LEASE)
    assert (await first.look(KEY)).owner == "worker-2"


async def test_of_two_who_saw_one_record_neither_is_lost(bench: Bench):
    first, second = bench.connect(), bench.connect()
    await first.transact(KEY, touch)
    interrupt(first, lambda: second.transact(KEY, touch))
    assert await first.transact(KEY, touch) == 3
    assert (await first.look(KEY)).attempt == 3


async def test_a_record_that_was_purged_meanwhile_does_not_come_back(bench: Bench):
    first, second = bench.connect(), bench.connect()
    await ended(first, "order-1")
    interrupt(first, lambda: second.purge(0, 10))
    assert not await first.transact(KEY, guard.owe(b"to"))
    assert await first.look(KEY) is None
    assert await first.owed(10) == []


async def test_a_record_that_was_purged_and_made_again_is_another(bench: Bench):
    first, second = bench.connect(), bench.connect()
    await ended(first, "order-1")

    async def again() -> None:
        assert await second.purge(0, 10) == 1
        held = await won(second, intent())
        assert await second.transact(KEY, guard.release(held, doubt=False, spare=False))

    interrupt(first, again)
    assert not await first.transact(KEY, guard.owe(b"to"))
    assert (await first.look(KEY)).state is State.FREE


async def test_only_what_lost_is_run_again(bench: Bench):
    first, second = bench.connect(), bench.connect()
    runs: list[str] = []

    def counted(wish: Any) -> Any:
        step = guard.claim(wish)

        def run(record: Any, now: float) -> Any:
            runs.append(wish.key)
            return step(record, now)

        return run

    interrupt(first, lambda: won(second, intent("order-1", owner="worker-2")))
    wishes = [intent(f"order-{n}") for n in range(3)]
    tasks = [first.transact(RecordKey("default", wish.key), counted(wish)) for wish in wishes]
    found = await asyncio.gather(*tasks)
    assert [type(f) for f in found] == [Claim, Busy, Claim]
    assert runs == ["order-0", "order-1", "order-2", "order-1"]
