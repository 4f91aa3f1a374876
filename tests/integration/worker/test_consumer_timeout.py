"""A delivery held beyond the broker's patience: up to 4.0 the channel is closed, in 4.3 the consumer is cancelled."""

import asyncio

import pytest

from callmq_contracts.examples import EXAMPLES
from world import until, world

DIAL = EXAMPLES["dial"][0]
NAMES = "[consumer_timeout, channel_tick_interval]"
# Sets both and says what they were.
SET = (
    "Was = [element(2, application:get_env(rabbit, N)) || N <- {names}],"
    "[application:set_env(rabbit, N, V) || {{N, V}} <- lists:zip({names}, {values})], Was."
)


@pytest.fixture
def impatient(private_node):
    """Have the broker wait for an acknowledgement for three seconds, and look each half."""
    before = private_node.ctl("eval", SET.format(names=NAMES, values="[3000, 500]"))
    yield
    private_node.ctl("eval", SET.format(names=NAMES, values=before.strip()))


async def test_a_request_that_outlasts_the_consumer_timeout_is_sent_once_and_the_lane_consumed_again(
    impatient, amqp_url, tmp_path
):
    async with world(amqp_url, tmp_path / "l.db") as w:
        w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
        async with w.working(CALLMQ_HTTP_DEADLINE="60", CALLMQ_LEASE="90") as worker:
            await w.client.send(DIAL, key="k1")
            await w.sandbox.holding(1)
            await until(lambda: not worker.runner.readiness()[0])
            w.sandbox.release()
            assert (await w.reply("k1"))["outcome"] == "succeeded"
            await until(lambda: worker.runner.readiness()[0])
            await w.client.send(DIAL, key="k2")
            assert (await w.reply("k2"))["outcome"] == "succeeded"
            async with asyncio.timeout(20):
                while (await (await w.admin.get_queue("callmq.dial")).declare()).message_count:
                    await asyncio.sleep(0.05)
        assert w.acted("k1") == 1
