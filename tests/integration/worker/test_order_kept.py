"""The order of one call's commands outlives a worker's end, a pause and a ledger that was away for a moment."""

import time

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.ports import LedgerAwayError
from world import until, world

DIAL = EXAMPLES["dial"][0]


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


def event(call_id: str) -> dict:
    return {**EXAMPLES["calling.user_event"][0], "id": call_id}


async def live_call(w) -> str:
    await w.client.send(DIAL, key="d")
    return (await w.reply("d"))["call_id"]


def in_a_minute() -> int:
    return int(time.time() * 1000) + 60_000


def acted(w) -> list[str]:
    return [e.subject.key for e in w.sandbox.journal.since(0) if e.acted and e.subject.key != "d"]


async def publish(w, call_id: str, count: int) -> list[str]:
    keys = [f"a{n}" for n in range(1, count + 1)]
    for key in keys:
        sent = await w.client.send(event(call_id), key=key, expires_at=in_a_minute())
        assert sent.ok, sent
    return keys


async def test_a_stop_while_an_earlier_one_waits_for_its_retry(w):
    async with w.working():
        call_id = await live_call(w)
        w.sandbox.arm("retry_after", retry_after="3", match={"key": "a1"})
        keys = await publish(w, call_id, 6)
        await until(lambda: any(e.subject.key == "a1" for e in w.sandbox.journal.since(0)))
    async with w.working():
        for key in keys:
            assert (await w.reply(key))["outcome"] == "succeeded"
    assert acted(w) == keys


async def test_a_stop_while_an_earlier_one_is_being_sent_with_a_second_worker_at_hand(w):
    async with w.working(CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="30", CALLMQ_GRACE="20") as first, w.working():
        call_id = await live_call(w)
        w.sandbox.arm("delay", seconds=1.0, when="before_acting", match={"key": "a1"})
        keys = await publish(w, call_id, 5)
        await until(lambda: any(e.subject.key == "a1" for e in w.sandbox.journal.since(0)))
        first.runner.stop()
        for key in keys:
            assert (await w.reply(key))["outcome"] == "succeeded"
    assert acted(w) == keys


async def test_a_pause_of_the_only_account(w):
    async with w.working():
        call_id = await live_call(w)
        w.sandbox.arm("status", status=401, times=3, match={"call_id": call_id})
        keys = await publish(w, call_id, 5)
        for key in keys:
            assert (await w.reply(key))["outcome"] == "succeeded"
    assert acted(w) == keys


async def test_a_ledger_that_was_away_for_a_moment(w):
    async with w.working() as worker:
        call_id = await live_call(w)
        real, failures = worker.ledger.transact, [1]

        async def stumbles(key, step):
            if key.key == "a1" and failures:
                failures.pop()
                raise LedgerAwayError("a moment")
            return await real(key, step)

        worker.ledger.transact = stumbles
        keys = await publish(w, call_id, 5)
        for key in keys:
            assert (await w.reply(key))["outcome"] == "succeeded"
        await until(lambda: worker.runner.readiness()[0])
    assert acted(w) == keys


async def test_what_waits_in_the_queue_while_an_account_is_paused_stays_there(w):
    w.sandbox.arm("status", status=401, times=1)
    w.sandbox.arm("status", status=500, times=25)
    async with w.working(CALLMQ_PROBE_INTERVAL="0.1"):
        for n in range(3):
            await w.client.send(DIAL, key=f"k{n}")
        for n in range(3):
            await w.reply(f"k{n}")
        assert await w.queued("callmq.returned") == []
