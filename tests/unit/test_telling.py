"""A worker tells which accounts it can't use, again while it is so, and never fails over it."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryLedger
from callmq_worker.core import trouble
from callmq_worker.core.note import content, note_key
from callmq_worker.gates import Gates
from callmq_worker.pacing import Pacing
from callmq_worker.ports import LedgerAwayError
from callmq_worker.telling import AGAIN, Telling

KEY = note_key(trouble.NOTE, "default")


class Away:
    async def transact(self, _key, _step):
        raise LedgerAwayError("gone")


class Never:
    async def transact(self, _key, _step):
        await asyncio.Event().wait()


class Here:
    def __init__(self):
        self.clock = ManualClock(chances=(0.0,))
        self.ledger = MemoryLedger(self.clock.now)
        self.gates = Gates(self.clock, 15.0, Pacing(self.ledger, self.clock))
        self.telling = Telling(self.gates, self.ledger, self.clock, "host:1:abc")

    async def said(self):
        return trouble.reasons(trouble.read(content(await self.ledger.look(KEY)), self.clock.now()))


@pytest.fixture
def here():
    return Here()


async def test_a_pause_is_told_and_its_end(here):
    await here.telling.tell()
    assert await here.ledger.look(KEY) is None
    here.gates.pause("default", "http 401")
    await here.telling.tell()
    assert await here.said() == ["http 401 (1 worker)"]
    here.gates.resume("default")
    await here.telling.tell()
    assert await here.said() == []


async def test_it_is_told_again_in_time_and_written_no_more_than_that(here):
    here.gates.pause("default", "http 401")
    for _ in range(90):
        await here.telling.tell()
        here.clock._time += 1
        assert await here.said() == ["http 401 (1 worker)"]
    record = await here.ledger.look(KEY)
    assert record is not None
    assert record.sequence == 1 + 90 // int(AGAIN)
    here.clock._time += trouble.LASTS
    assert await here.said() == []


async def test_a_new_reason_is_told_at_once(here):
    for reason in ("endpoint fails: http 503", "http 401"):
        here.gates.pause("default", reason)
        await here.telling.tell()
        assert await here.said() == [f"{reason} (1 worker)"]


async def test_a_ledger_that_is_away_stops_nothing_and_hears_it_later(here):
    here.gates.pause("default", "http 401")
    here.telling.ledger = Away()
    keeping = asyncio.create_task(here.telling.keep())
    await asyncio.sleep(0.01)
    assert not keeping.done()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    await here.telling.end()
    here.telling.ledger = here.ledger
    await here.telling.tell()
    assert await here.said() == ["http 401 (1 worker)"]


async def test_at_its_end_it_takes_all_back_and_waits_for_no_ledger(here, monkeypatch):
    here.gates.pause("default", "http 401")
    await here.telling.tell()
    monkeypatch.setattr("callmq_worker.telling.LAST_WORD", 0.01)
    here.telling.ledger = Never()
    await here.telling.end()
    here.telling.ledger = here.ledger
    await here.telling.end()
    assert await here.said() == []
