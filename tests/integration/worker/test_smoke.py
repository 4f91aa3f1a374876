from callmq_contracts.examples import EXAMPLES
from world import world


async def test_a_dial_goes_through_and_is_answered(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w, w.working():
        sent = await w.client.send(EXAMPLES["dial"][0], key="k1")
        assert sent.ok, sent
        reply = await w.reply("k1")
        assert reply["outcome"] == "succeeded", reply
        assert w.acted("k1") == 1
