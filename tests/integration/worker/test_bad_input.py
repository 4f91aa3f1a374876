"""Bad input gets a reply that says what is wrong and a place in the dead letters; innocent messages get through."""

import asyncio
import struct

import aio_pika
import orjson
import pamqp.encode
import pytest
from aiormq.exceptions import ChannelPreconditionFailed

from callmq_contracts.examples import EXAMPLES
from world import world

GOOD = orjson.dumps(EXAMPLES["dial"][0])
KEY = {"idempotency-key": "k1"}
OTHER = "3fa85f64-5717-4562-b3fc-2c963f66afa7"
END = b'{"command":"calling.end","id":"9b1dbbd5-2f5c-4b9e-9b64-7f9f0a4c1d11","params":{}}'

CASES = {
    "not json": (b"{", "dial", KEY, {}, "malformed"),
    "empty": (b"", "dial", KEY, {}, "malformed"),
    "not utf-8": (b'{"command":"\xff"}', "dial", KEY, {}, "malformed"),
    "nan": (b'{"command":"dial","params":{"timeout":NaN}}', "dial", KEY, {}, "malformed"),
    "deep": (b"[" * 100_000, "dial", KEY, {}, "malformed"),
    # RabbitMQ 4 itself takes 16 MiB at most, RabbitMQ 3 took 128.
    "15 MiB": (b'{"command":"dial","x":"' + b"y" * (15 << 20) + b'"}', "dial", KEY, {}, "too_large"),
    "unknown command": (b'{"command":"calling.fly","params":{}}', "calling.fly", KEY, {}, "unknown_command"),
    "unknown routing key": (b'{"command":"fly","params":{}}', "fly", KEY, {}, "unknown_command"),
    "wrong params": (b'{"command":"dial","params":{}}', "dial", KEY, {}, "invalid_params"),
    "no key": (GOOD, "dial", {}, {}, "missing_idempotency_key"),
    "content type": (GOOD, "dial", KEY, {"content_type": "text/xml"}, "wrong_content_type"),
    "content encoding": (GOOD, "dial", KEY, {"content_encoding": "gzip"}, "wrong_content_type"),
    "key is a number": (GOOD, "dial", {"idempotency-key": 17}, {}, "invalid_header"),
    "key is a table": (GOOD, "dial", {"idempotency-key": {"a": [1, None]}}, {}, "invalid_header"),
    "key with a space": (GOOD, "dial", {"idempotency-key": "a b"}, {}, "invalid_header"),
    "key too long": (GOOD, "dial", {"idempotency-key": "a" * 256}, {}, "invalid_header"),
    "no such time": (GOOD, "dial", {**KEY, "expires-at": "soon"}, {}, "invalid_header"),
    "time as a float": (GOOD, "dial", {**KEY, "expires-at": 1.5e30}, {}, "invalid_header"),
    "CC": (GOOD, "dial", {**KEY, "CC": ["callmq.nobody"]}, {}, "invalid_header"),
    "routing key of another": (END, "calling.play", KEY, {}, "routing_key_mismatch"),
    "call id of another": (END, "calling.end", {**KEY, "call-id": OTHER}, {}, "call_id_mismatch"),
    "unknown account": (GOOD, "dial", {**KEY, "account": "nobody"}, {}, "unknown_account"),
}


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def test_each_gets_its_reply_and_its_dead_letter(w):
    async with w.working() as worker:
        for body, key, headers, properties, _ in CASES.values():
            await w.put(
                body, key, headers=headers, correlation_id="c", **{"content_type": "application/json", **properties}
            )
        await w.client.send(EXAMPLES["dial"][0], key="innocent")
        assert (await w.reply("innocent"))["outcome"] == "succeeded"
        async with asyncio.timeout(20), w.arrived:
            await w.arrived.wait_for(lambda: len(w.replies) >= len(CASES) + 1)
        assert worker.runner.readiness() == (True, {})
    codes = sorted(r["problem"]["code"] for r in w.replies if r["problem"])
    assert codes == sorted(code for *_, code in CASES.values())
    assert {r["outcome"] for r in w.replies if r["problem"]} == {"rejected"}
    dead = await w.queued("callmq.dead")
    assert sorted(m.routing_key for m in dead) == sorted(f"rejected.{code}" for code in codes)
    large = next(m for m in dead if m.routing_key == "rejected.too_large")
    assert len(large.body) == 262_144
    assert large.headers["truncated-from"] > 15 << 20
    assert w.acted("k1") == 0
    assert [e.subject.key for e in w.sandbox.journal.since(0)] == ["innocent"]


async def test_what_the_broker_itself_finds_too_large_is_refused_to_its_publisher_and_costs_nobody_else(w):
    async with w.working() as worker:
        async with await aio_pika.connect(w.amqp_url) as stranger:
            exchange = await (await stranger.channel()).get_exchange("callmq.commands", ensure=False)
            with pytest.raises(ChannelPreconditionFailed, match="larger than"):
                await exchange.publish(aio_pika.Message(b" " * (129 << 20)), "dial")
        await w.client.send(EXAMPLES["dial"][0], key="innocent")
        assert (await w.reply("innocent"))["outcome"] == "succeeded"
        assert worker.runner.readiness() == (True, {})
    assert len(w.replies) == 1


async def test_a_corrected_body_may_reuse_the_key(w):
    async with w.working():
        await w.put(b'{"command":"dial","params":{}}', "dial", headers=KEY)
        assert (await w.reply("k1"))["problem"]["code"] == "invalid_params"
        await w.client.send(EXAMPLES["dial"][0], key="k1")
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"


async def test_the_reply_names_the_command_where_it_can_be_read(w):
    async with w.working():
        await w.put(b'{"command":"dial","params":{}}', "dial", headers=KEY, app_id="billing.eu")
        assert (await w.reply("k1"))["command"] == "dial"
        await w.put(b'{"command":"fly"}', "fly", headers={"idempotency-key": "k2"})
        assert (await w.reply("k2"))["command"] is None
    assert [key for key, _ in w.keys] == ["billing_eu.dial.rejected", "-.-.rejected"]


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, 1_764_000_000_000_000_000])
async def test_a_timestamp_that_no_calendar_has_ends_no_connection(w, value, monkeypatch):
    monkeypatch.setitem(pamqp.encode.METHODS, "timestamp", lambda _value: struct.pack(">Q", value))
    async with w.working():
        await w.put(GOOD, "dial", headers=KEY, timestamp=1)
        assert (await w.reply("k1"))["outcome"] == "succeeded"
