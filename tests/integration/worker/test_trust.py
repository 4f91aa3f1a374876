"""What a producer may not decide, and what the endpoint may not smuggle into a reply."""

import time

import orjson
import pytest

from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from world import TOKEN, world

DIAL = orjson.dumps(EXAMPLES["dial"][0])
END = orjson.dumps({"command": "calling.end", "id": EXAMPLE_CALL_ID, "params": {}})


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def test_the_workers_own_headers_are_believed_from_no_producer(w):
    tomorrow = int((time.time() + 86_400) * 1000)
    async with w.working():
        forged = {"callmq-not-before": tomorrow, "callmq-received-at": 1, "callmq-seal": "0" * 64}
        await w.put(DIAL, "dial", headers={"idempotency-key": "k1", **forged})
        assert (await w.reply("k1"))["outcome"] == "succeeded"
        await w.put(END, "calling.end", headers={"callmq-doubt": True, "callmq-attempts": 99})
        gone = await w.reply(None)
    assert (gone["outcome"], gone["http_status"], gone["attempts"]) == ("rejected", 404, 1)


async def test_a_secret_in_the_endpoints_answer_is_published_nowhere(w):
    w.sandbox.arm("status", status=200, match={"key": "k1"}, body={"echo": f"you are {TOKEN}", "id": "x"})
    async with w.working():
        await w.put(DIAL, "dial", headers={"idempotency-key": "k1"})
        reply = await w.reply("k1")
    assert reply["response"] == {"echo": "you are [redacted]", "id": "x"}
    assert TOKEN.encode() not in w.ledger.read_bytes()


async def test_what_the_endpoint_said_of_a_refusal_is_told(w):
    w.sandbox.arm("status", status=400, match={"key": "k1"}, body={"error": "The number +15550101 is bad"})
    async with w.working():
        await w.put(DIAL, "dial", headers={"idempotency-key": "k1"})
        problem = (await w.reply("k1"))["problem"]
    assert problem["code"] == "refused"
    [told] = problem["errors"]
    assert told["detail"].startswith("The number ")
    assert "15550101" not in told["detail"]


async def test_a_recording_that_was_not_paused_is_an_alert(w, caplog):
    body = {**EXAMPLES["calling.record.pause"][0], "id": EXAMPLE_CALL_ID}
    async with w.working():
        headers = {"idempotency-key": "k1", "expires-at": 1000}
        await w.put(orjson.dumps(body), "calling.record.pause", headers=headers)
        assert (await w.reply("k1"))["outcome"] == "expired"
    [alert] = [r for r in caplog.records if r.message == "vital command not done"]
    assert (alert.levelname, alert.fields) == ("ERROR", {"command": "calling.record.pause", "outcome": "expired"})
