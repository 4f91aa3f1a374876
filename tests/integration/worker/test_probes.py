"""Probes of an account that is paused: what they pass over, and what they leave to the workers that are well."""

from __future__ import annotations

from collections import Counter

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.rabbitmq import RabbitSession
from operator_verb import run_verb
from world import environment, until, world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
SHARDS = {"CALLMQ_CONTROL_SHARDS": "4"}


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.fixture
def opened(monkeypatch):
    """Count how often each queue is consumed anew."""
    counted: Counter[str] = Counter()
    consume = RabbitSession.consume

    async def counting(self, lane, prefetch, hand_over):
        counted[lane.queue] += 1
        return await consume(self, lane, prefetch, hand_over)

    monkeypatch.setattr(RabbitSession, "consume", counting)
    return counted


async def told(w, *words: str) -> None:
    ran = await run_verb(environment(w.amqp_url, w.ledger, w.sandbox.url), *words)
    assert ran.code == 0, ran.err


async def test_a_paused_campaign_in_front_keeps_no_account_from_working_again(w):
    async with w.working(CALLMQ_RETRY_TIERS="1s,5s") as worker:
        await w.client.send(DIAL, key="early", campaign="resting")  # its queue is the first
        await w.reply("early")
        await w.client.send(DIAL, key="early-too", campaign="other")
        await w.reply("early-too")
        await told(w, "pause", "--campaign", "resting")
        await until(lambda: "resting" in worker.controls.paused_campaigns)
        worker.gates.pause("default", "of the test")
        assert (await w.client.send(DIAL, key="rests", campaign="resting")).ok
        assert (await w.client.send(DIAL, key="goes", campaign="other")).ok
        assert (await w.reply("goes"))["outcome"] == "succeeded"
        assert worker.gates.works("default")
        assert w.acted("rests") == 0
        await told(w, "resume", "--campaign", "resting")
        assert (await w.reply("rests"))["outcome"] == "succeeded"


async def test_a_probe_passes_over_dials_that_are_not_sent(w):
    """One queue for all flows: in front lie a dial of a paused campaign and one whose time is over."""
    async with w.working(CALLMQ_RETRY_TIERS="1s,5s", CALLMQ_DIAL_LANES="1", CALLMQ_PROBE_INTERVAL="1.5") as worker:
        await told(w, "pause", "--campaign", "resting")
        await until(lambda: "resting" in worker.controls.paused_campaigns)
        worker.gates.pause("default", "of the test")
        for key, campaign in (("rests", "resting"), ("goes", "other")):
            assert (await w.client.send(DIAL, key=key, campaign=campaign)).ok
        assert (await w.reply("goes"))["outcome"] == "succeeded"
        assert worker.gates.works("default")


async def test_a_paused_worker_with_nothing_to_probe_takes_no_shard_and_keeps_its_lanes_open(w, opened):
    async with w.working(**SHARDS) as healthy, w.working(**SHARDS) as sick:
        crew, other = healthy.runner._crew, sick.runner._crew
        queues = [shard._queue for shard in healthy.runner.accounts[0]._shards]
        await until(lambda: sum(crew.rival(q) is None for q in queues) == len(queues) / 2)
        sick.gates.pause("default", "of the test")
        await until(lambda: sick.runner.accounts[0].alive and opened["callmq.control"] == 3)  # to probe
        await until(lambda: all(crew.rival(q) is None for q in queues))
        before, looks = opened.total(), 0

        async def look() -> None:
            nonlocal looks
            looks += 1
            await type(crew).look(crew)

        crew.look = look
        await until(lambda: looks >= 4)
        assert opened.total() == before
        assert all(crew.rival(q) is None for q in queues)
        sick.gates.resume("default")
        await until(lambda: sum(crew.rival(q) is None for q in queues) == len(queues) / 2)
        await until(lambda: sum(other.rival(q) is None for q in queues) == len(queues) / 2)
