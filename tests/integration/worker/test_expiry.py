"""Nothing is sent after its time, wherever it waited: queue, tier, lane, for its pace, while something is paused."""

from __future__ import annotations

import asyncio
import time

import pytest

from callmq_contracts.examples import EXAMPLES
from operator_verb import run_verb
from world import until, world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
LIFE = 1.5


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.fixture
def callmq(w):
    async def run(*words: str) -> None:
        settings = {"CALLMQ_AMQP_URL": w.amqp_url, "CALLMQ_LEDGER_URL": f"sqlite:///{w.ledger}"}
        assert (await run_verb(settings, *words)).code == 0

    return run


def ends_in(seconds: float) -> int:
    return int(1000 * (time.time() + seconds))


async def over(ends: int) -> None:
    await asyncio.sleep(max(0.0, ends / 1000 - time.time() + 0.1))


async def expired(w, key: str) -> None:
    reply = await w.reply(key)
    assert (reply["outcome"], reply["problem"]["code"]) == ("expired", "expired")
    assert w.acted(key) == 0


async def test_in_a_queue_that_no_worker_reads(w):
    async with w.working():
        pass
    ends = ends_in(LIFE)
    assert (await w.client.send(DIAL, key="k", expires_at=ends)).ok
    await over(ends)
    async with w.working():
        await expired(w, "k")


async def test_for_its_pace_where_it_also_takes_no_slot(w):
    async with w.working(CALLMQ_DIAL_RATE="0.25"):
        ends = ends_in(LIFE)
        for key, life in (("a", None), ("k", ends), ("l", ends), ("b", None)):
            assert (await w.client.send(DIAL, key=key, expires_at=life)).ok
        await expired(w, "k")
        await expired(w, "l")
        assert (await w.reply("b"))["outcome"] == "succeeded"
    first, second = [entry.time for entry in w.sandbox.journal.since(0) if entry.acted]
    assert 3.9 < second - first < 7.9  # the very next slot


async def test_in_its_lane_behind_an_earlier_command_of_its_call(w):
    w.sandbox.arm("retry_after", retry_after="4", match={"key": "a"}, times=1)
    async with w.working():
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        assert (await w.client.send(call, key="a", expires_at=ends_in(60))).ok
        assert (await w.client.send(call, key="k", expires_at=ends_in(LIFE))).ok
        assert (await w.client.send(call, key="b", expires_at=ends_in(60))).ok
        await expired(w, "k")
        assert [(await w.reply(key))["outcome"] for key in ("a", "b")] == ["succeeded"] * 2


async def test_in_a_delay_tier_and_on_the_way_back(w):
    w.sandbox.arm("retry_after", retry_after="1", match={"key": "k"}, times=1)
    ends = ends_in(4)
    async with w.working():
        assert (await w.client.send(DIAL, key="k", expires_at=ends)).ok
        await until(lambda: w.sandbox.journal.received == 1)
    await over(ends)
    async with w.working():
        reply = await w.reply("k")
    assert (reply["outcome"], reply["attempts"]) == ("failed", 1)
    assert reply["problem"]["code"] == "lifetime_exhausted"
    assert w.acted("k") == 0


@pytest.mark.parametrize("what", [("--campaign", "spring"), ("--account", "default")])
async def test_while_an_operator_had_it_paused(w, callmq, what):
    async with w.working() as worker:
        await callmq("pause", *what)
        controls = worker.controls
        await until(lambda: bool(controls.paused_campaigns or controls.paused_accounts))
        ends = ends_in(LIFE)
        assert (await w.client.send(DIAL, key="k", campaign="spring", expires_at=ends)).ok
        await over(ends)
        await callmq("resume", *what)
        await expired(w, "k")


async def test_while_its_account_was_refused(w):
    fault = w.sandbox.arm("status", status=401, times=0)
    async with w.working(CALLMQ_PROBE_INTERVAL="600") as worker:
        await w.client.send(DIAL, key="d", expires_at=ends_in(LIFE))
        await until(lambda: not worker.gates.works("default"))
        ends = ends_in(LIFE)
        assert (await w.client.send(DIAL, key="k", expires_at=ends)).ok
        await over(ends)
    w.sandbox.faults.disarm(fault)
    async with w.working():
        await expired(w, "k")
        await w.reply("d")
    assert w.acted("d") == 0
