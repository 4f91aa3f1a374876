"""A queue whose leader does not answer holds up what waits in it, and nothing else."""

from __future__ import annotations

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_demo.administration import vhost_of
from silence import silent
from world import world

DIAL = EXAMPLES["dial"][0]
PLAY = EXAMPLES["calling.play"][0]
MANY = 40  # more than a worker takes at a time


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def test_a_silent_queue_of_dials_holds_up_only_its_own(w, private_node):
    vhost = vhost_of(w.amqp_url)
    first = [f"first-{number}" for number in range(MANY)]
    async with w.working(CALLMQ_RETRY_TIERS="1s,5s"):
        for campaign in ("first", "second"):
            await w.client.send(DIAL, key=campaign, campaign=campaign)
            await w.reply(campaign)
        async with silent(private_node, vhost, "callmq.dial.default.1"):
            for key in first:
                assert (await w.client.send(DIAL, key=key, campaign="first")).ok
            for number in range(5):
                key = f"second-{number}"
                assert (await w.client.send(DIAL, key=key, campaign="second")).ok
                assert (await w.reply(key))["outcome"] == "succeeded"
            assert (await w.client.send(PLAY, key="play")).ok
            await w.reply("play")
            assert not any(w.acted(key) for key in first)
        for key in first:
            assert (await w.reply(key))["outcome"] == "succeeded"
    assert all(w.acted(key) == 1 for key in first)
