"""What a worker knows of the operators' word: asked before anything, each second, and never taken for granted."""

from __future__ import annotations

import asyncio

import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryLedger, MemoryStore
from callmq_worker.controls import PATIENCE, Controls
from callmq_worker.core import controls
from callmq_worker.core.controls import NOTE, Scope, Target
from callmq_worker.core.note import amend
from callmq_worker.core.record import Record
from callmq_worker.ports import LedgerAwayError
from commands import DIAL, accepted
from intents import START

SPRING = Target(Scope.CAMPAIGN, "spring")
IN_SPRING = {"campaign": "spring"}


class Asked(MemoryLedger):
    """A ledger that can be away, and that can hold back its answers."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock.now, MemoryStore())
        self.away, self.looks = False, 0
        self.answers: list[asyncio.Future[None]] = []
        self.holds = False

    async def look(self, key) -> Record | None:
        self.looks += 1
        if self.away:
            raise LedgerAwayError("of the test")
        found = await super().look(key)
        if self.holds:
            self.answers.append(asyncio.get_running_loop().create_future())
            await self.answers[-1]
        return found

    async def tell(self, change):
        return await self.transact(NOTE, amend(NOTE, change))


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def ledger(clock):
    return Asked(clock)


@pytest.fixture
def kept(ledger, clock):
    return Controls(ledger, clock)


async def test_before_the_first_answer_nothing_is_known(kept, ledger, clock):
    assert not kept.known
    assert kept.bars(accepted(DIAL))
    await kept.look()
    assert kept.known
    assert not kept.bars(accepted(DIAL))
    await clock.advance(PATIENCE)
    assert kept.known
    await clock.advance(0.1)
    assert not kept.known


async def test_it_is_asked_each_second_and_only_what_is_new_is_told(kept, ledger, clock):
    told = []
    kept.changed = lambda: told.append(dict(kept.paused_accounts))
    keeping = asyncio.create_task(kept.keep())
    await clock.advance(5)
    assert (ledger.looks, told) == (6, [])
    await ledger.tell(controls.pause(Target(Scope.ACCOUNT, "north"), "invoice"))
    await ledger.tell(controls.pause(SPRING, "rain"))
    await ledger.tell(controls.cancel(Target(Scope.KEY, "order-1", "default"), 60.0))
    await clock.advance(2)
    assert told == [{"north": "invoice"}]
    assert kept.paused_campaigns == {"spring": "rain"}
    assert kept.cancelled(accepted(DIAL)) is Scope.KEY
    assert kept.cancelled(accepted(DIAL, "order-2")) is None
    keeping.cancel()


async def test_while_the_ledger_is_away_the_last_word_stands_and_is_soon_too_old(kept, ledger, clock, caplog):
    await ledger.tell(controls.cancel(SPRING, 60.0))
    keeping = asyncio.create_task(kept.keep())
    await clock.advance(1)
    ledger.away = True
    await clock.advance(PATIENCE)
    assert kept.cancelled(accepted(DIAL, headers=IN_SPRING)) is Scope.CAMPAIGN
    await clock.advance(2)
    assert not kept.known
    assert kept.bars(accepted(DIAL, "order-2"))
    assert [r.message for r in caplog.records].count("operators' word not heard") == 1
    ledger.away = False
    await clock.advance(1)
    assert kept.known
    keeping.cancel()


async def test_an_older_answer_never_comes_behind_a_newer_one(kept, ledger, clock):
    ledger.holds = True
    first, second = asyncio.create_task(kept.look()), asyncio.create_task(kept.look())
    await clock.advance(0)
    assert len(ledger.answers) == 1  # the second is asked once the first has its answer
    await ledger.tell(controls.cancel(SPRING, 60.0))
    ledger.answers[0].set_result(None)
    await first
    assert kept.cancelled(accepted(DIAL, headers=IN_SPRING)) is None
    await clock.advance(0)
    ledger.answers[1].set_result(None)
    await second
    assert kept.cancelled(accepted(DIAL, headers=IN_SPRING)) is Scope.CAMPAIGN


async def test_a_note_of_a_newer_version_is_no_leave_to_send(kept, ledger):
    await ledger.tell(lambda _said, _now: (b'{"version": 9}', None))
    with pytest.raises(LedgerAwayError, match="newer version"):
        await kept.look()
    assert not kept.known


async def test_what_stands_outlives_the_retention_and_what_is_over_goes(kept, ledger, clock):
    day, retention = 86_400, 7 * 86_400.0
    await ledger.tell(controls.pause(SPRING, "rain"))
    await ledger.tell(controls.cancel(Target(Scope.KEY, "order-1", "default"), day))
    for _ in range(10):
        await clock.advance(day)
        await kept.look()
        assert await ledger.purge(retention, 10) == 0
    await kept.look()
    assert kept.paused_campaigns == {"spring": "rain"}
    assert kept.cancelled(accepted(DIAL)) is None
    await ledger.tell(controls.resume(SPRING))
    await kept.look()
    await clock.advance(retention)
    await kept.look()
    assert await ledger.purge(retention, 10) == 1


async def test_a_fault_that_nobody_thought_of_ends_no_watch(kept, ledger, clock, caplog):
    keeping = asyncio.create_task(kept.keep())
    await clock.advance(0)
    kept.changed = lambda: 1 / 0
    await ledger.tell(controls.cancel(SPRING, 60.0))
    await clock.advance(1)
    assert "asked for again" in caplog.text
    assert not keeping.done()
    assert kept.clock.now() > START
    keeping.cancel()
