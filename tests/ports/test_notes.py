"""Notes on every ledger: what all workers know together, changed by many at once and lost by none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callmq_worker.controls import Controls
from callmq_worker.core import berths, controls
from callmq_worker.core.berths import Assignment
from callmq_worker.core.controls import NOTE, Scope, Target
from callmq_worker.core.flow import Flow
from callmq_worker.core.note import amend, content, note_key
from callmq_worker.core.pacing import AHEAD
from callmq_worker.pacing import Pacing
from intents import START
from ledgers import ended

if TYPE_CHECKING:
    from callmq_worker.ports import Ledger
    from conftest import Bench

LIMITS = (("", 10.0), ("campaign:spring", 10.0))


class Still:
    """A clock that stands."""

    def now(self) -> float:
        return START

    def monotonic(self) -> float:
        return 0.0

    def chance(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def test_many_workers_take_slots_and_none_twice(bench: Bench):
    workers = [Pacing(bench.connect(), Still()) for _ in range(4)]
    grants = await asyncio.gather(*(each.reserve("default", LIMITS, 2) for each in workers * 5))
    slots = sorted(slot for grant in grants for slot in grant.slots)
    assert [round(slot, 3) for slot in slots] == [round(n / 10, 3) for n in range(int(AHEAD * 10) + 1)]
    assert all(grant.slots or grant.again_in > 0 for grant in grants)


async def test_what_one_operator_says_every_worker_hears(bench: Bench, ledger: Ledger):
    heard = [Controls(bench.connect(), Still()) for _ in range(2)]
    targets = [Target(Scope.KEY, f"k{n}", "default") for n in range(20)]
    await asyncio.gather(*(ledger.transact(NOTE, amend(NOTE, controls.cancel(each, 60.0))) for each in targets))
    for each in heard:
        await each.look()
        assert set(each.standing.cancelled) == set(targets)


async def test_workers_agree_on_the_queue_of_a_flow(bench: Bench):
    key = note_key(berths.NOTE, "default")
    flows = [Flow("normal", name) for name in "abcd"]
    ledgers = [bench.connect() for _ in range(3)]
    found = await asyncio.gather(
        *(ledger.transact(key, amend(key, Assignment(flow, 8))) for flow in flows for ledger in ledgers)
    )
    agreed = berths.read(content(await ledgers[0].look(key)))
    assert len(agreed) == len(flows)
    assert {berths.find(agreed, flow) for flow in flows} == {1, 2, 3, 4}
    assert all(agreed[: len(each)][0].flows == each[0].flows for each in found)


async def test_notes_are_neither_owed_nor_unknown_and_go_when_nobody_writes_them(bench: Bench, ledger: Ledger):
    await Pacing(ledger, Still()).reserve("default", LIMITS, 1)
    await ended(ledger, "order-1")
    assert await ledger.owed(10) == []
    assert await ledger.unknowns(10) == []
    bench.time.now = START + 100
    assert await ledger.purge(50.0, 10) == 2
