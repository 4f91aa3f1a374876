"""Every outcome that the wire description knows, through the real broker, worker, ledger and endpoint stand-in."""

import asyncio
import datetime as dt

import orjson
import pytest

from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from world import world

DIAL = EXAMPLES["dial"][0]


def control(name: str, call_id: str) -> dict:
    body = {**EXAMPLES[name][0]}
    body["id"] = call_id
    return body


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def test_a_dial_succeeds_and_its_reply_says_all(w):
    async with w.working():
        assert (await w.client.send(DIAL, key="k1", campaign="spring", correlation_id="c-1")).ok
        reply = await w.reply("k1")
    assert reply["outcome"] == "succeeded"
    assert reply["command"] == "dial"
    assert reply["http_status"] == 200
    assert reply["call_id"] == reply["response"]["id"]
    assert (reply["attempts"], reply["replayed"], reply["campaign"]) == (1, False, "spring")
    assert reply["problem"] is None
    key, message = w.keys[0]
    assert key == "test.dial.succeeded"
    assert message.correlation_id == "c-1"
    assert message.type == "callmq.reply.v1"
    assert message.delivery_mode == 2
    assert w.acted("k1") == 1


async def test_a_duplicate_gets_the_stored_reply_and_dials_nobody(w):
    async with w.working():
        await w.client.send(DIAL, key="k1", correlation_id="first")
        first = await w.reply("k1")
        await w.client.send(DIAL, key="k1", correlation_id="second")
        second = await w.reply("k1", 2)
    assert second == {**first, "replayed": True}
    assert [m.correlation_id for _, m in w.keys] == ["first", "second"]
    assert w.acted("k1") == 1


async def test_the_same_key_with_another_body_is_a_conflict(w):
    async with w.working():
        await w.client.send(DIAL, key="k1")
        first = await w.reply("k1")
        other = {**DIAL, "params": {**DIAL["params"], "timeout": 17}}
        await w.client.send(other, key="k1")
        second = await w.reply("k1", 2)
        dead = await w.one("callmq.dead")
    assert (second["outcome"], second["problem"]["code"]) == ("rejected", "idempotency_conflict")
    assert second["reply_id"] != first["reply_id"]
    assert dead.routing_key == "rejected.idempotency_conflict"
    assert w.acted("k1") == 1


async def test_an_expired_one_is_never_sent(w):
    async with w.working():
        past = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
        await w.client.send(DIAL, key="k1", expires_at=past)
        reply = await w.reply("k1")
        dead = await w.one("callmq.dead")
    assert (reply["outcome"], reply["problem"]["code"], reply["attempts"]) == ("expired", "expired", 0)
    assert dead.routing_key == "expired.expired"
    assert w.sandbox.journal.received == 0


async def test_what_the_broker_expires_still_gets_its_reply(w):
    async with w.working():
        pass  # declares the topology
    await w.put(b'{"command":"calling.end","id":"%s","params":{}}' % EXAMPLE_CALL_ID.encode(), "calling.end",
                headers={"idempotency-key": "k1"}, expiration=0.05)  # fmt: skip
    async with asyncio.timeout(20):
        while not (await w.admin.declare_queue("callmq.returned", passive=True)).declaration_result.message_count:
            await asyncio.sleep(0.02)
    async with w.working():
        reply = await w.reply("k1")
    assert reply["outcome"] == "expired", reply["problem"]
    assert w.sandbox.journal.received == 0


async def test_throttled_then_taken(w):
    w.sandbox.arm("retry_after", retry_after="1", match={"key": "k1"})
    async with w.working():
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["attempts"]) == ("succeeded", 2)
    assert w.acted("k1") == 1


async def test_a_lost_answer_of_a_dial_is_unknown_parked_and_never_repeated(w):
    w.sandbox.arm("reset_after_reading", match={"key": "k1"})
    async with w.working():
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
        parked = await w.one("callmq.unknown")
        await w.client.send(DIAL, key="k1")
        again = await w.reply("k1", 2)
    assert (reply["outcome"], reply["problem"]["code"]) == ("unknown", "outcome_unknown")
    assert again == {**reply, "replayed": True}
    assert parked.body == orjson.dumps(DIAL)
    assert parked.headers["idempotency-key"] == "k1"
    assert w.acted("k1") == 1
    assert await w.queued("callmq.unknown") == []


@pytest.mark.parametrize(("status", "outcome"), [(500, "unknown"), (502, "unknown"), (504, "unknown"), (408, "unknown"),
                                                  (503, "unknown"), (400, "rejected"), (404, "rejected")])  # fmt: skip
async def test_an_answer_to_a_dial_means_what_the_table_says(w, status, outcome):
    w.sandbox.arm("status", status=status, match={"key": "k1"})
    async with w.working():
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["http_status"]) == (outcome, status)


async def test_a_hanging_endpoint_makes_a_dial_unknown_within_the_deadline(w):
    w.sandbox.arm("hang", match={"key": "k1"})
    async with w.working(CALLMQ_HTTP_DEADLINE="0.5"):
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
        w.sandbox.release()
    assert reply["outcome"] == "unknown"


@pytest.mark.parametrize("action", ["half_answer", "huge_body", "gzip_bomb", "compressed", "drip"])
async def test_a_2xx_is_success_whatever_its_body(w, action):
    w.sandbox.arm(action, match={"key": "k1"})
    patience = {} if action == "drip" else {"CALLMQ_HTTP_DEADLINE": "20", "CALLMQ_LEASE": "30"}
    async with w.working(**patience):
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["http_status"]) == ("succeeded", 200)
    assert w.acted("k1") == 1


async def test_a_refused_connection_is_retried_because_nothing_left(w):
    closed = w.sandbox.url
    await w.sandbox.stop()
    async with w.working(CALLMQ_MAX_ATTEMPTS="2", CALLMQ_RETRY_TIERS="1s"):
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
        dead = await w.one("callmq.dead")
    assert (reply["outcome"], reply["problem"]["code"], reply["attempts"]) == ("failed", "retries_exhausted", 2)
    assert dead.routing_key == "failed.retries_exhausted"
    assert closed


async def test_a_call_that_is_gone_is_rejected(w):
    async with w.working():
        await w.client.send(control("calling.play", EXAMPLE_CALL_ID), key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["problem"]["code"], reply["http_status"]) == ("rejected", "refused", 404)


async def test_a_convergent_repeat_that_finds_it_done_has_succeeded(w):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call_id = (await w.reply("d"))["call_id"]
        w.sandbox.arm("reset_after_reading", match={"key": "k1"})
        await w.client.send(control("calling.end", call_id), key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["attempts"]) == ("succeeded", 2), reply
    assert reply["http_status"] in (404, 422)


async def test_a_guarded_repeat_refused_for_its_control_id_has_succeeded(w):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call_id = (await w.reply("d"))["call_id"]
        w.sandbox.arm("reset_after_reading", match={"key": "k1"})
        await w.client.send(control("calling.record", call_id), key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["attempts"]) == ("succeeded", 2), reply
    assert w.acted("k1") == 1


async def test_reply_to_gets_a_copy_and_a_missing_one_holds_nothing(w):
    await w.admin.declare_queue("mine", durable=True)
    async with w.working():
        await w.client.send(DIAL, key="k1", reply_to="mine")
        await w.client.send(DIAL, key="k2", reply_to="nobody-has-this")
        await w.reply("k1")
        await w.reply("k2")
        direct = await w.one("mine")
    assert direct.type == "callmq.reply.v1"
    assert direct.correlation_id == "k1"


async def test_a_safe_command_without_a_key_is_done_and_not_replayed(w):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call_id = (await w.reply("d"))["call_id"]
        body = orjson.dumps(control("calling.denoise", call_id))
        await w.put(body, "calling.denoise", message_id="m1")
        await w.put(body, "calling.denoise", message_id="m2")
        replies = [await w.reply(None, 1), await w.reply(None, 2)]
    assert [r["outcome"] for r in replies] == ["succeeded", "succeeded"]
    assert replies[0]["reply_id"] != replies[1]["reply_id"]
    assert [r["replayed"] for r in replies] == [False, False]


async def test_an_account_in_trouble_pauses_and_loses_nothing(w):
    w.sandbox.arm("status", status=401, times=3)
    async with w.working() as worker:
        for n in range(10):
            await w.client.send(DIAL, key=f"k{n}")
        replies = [await w.reply(f"k{n}") for n in range(10)]
        ready, _ = worker.runner.readiness()
    assert {r["outcome"] for r in replies} == {"succeeded"}
    assert ready
    assert all(w.acted(f"k{n}") == 1 for n in range(10))
    assert await w.queued("callmq.dead") == []


async def test_commands_of_one_call_keep_their_order_across_a_retry(w):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call_id = (await w.reply("d"))["call_id"]
        w.sandbox.arm("status", status=429, match={"key": "k0"}, times=2)
        for n in range(6):
            await w.client.send(control("calling.user_event", call_id), key=f"k{n}")
        for n in range(6):
            assert (await w.reply(f"k{n}"))["outcome"] == "succeeded"
    acted = [e.subject.key for e in w.sandbox.journal.since(0) if e.acted]
    assert acted == ["d", "k0", "k1", "k2", "k3", "k4", "k5"]


async def test_calling_end_overtakes(w):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call_id = (await w.reply("d"))["call_id"]
        w.sandbox.arm("status", status=429, match={"key": "k0"}, times=100)
        await w.client.send(control("calling.denoise", call_id), key="k0")
        await w.client.send(control("calling.end", call_id), key="end")
        assert (await w.reply("end"))["outcome"] == "succeeded"
        assert not [r for r in w.replies if r["idempotency_key"] == "k0"]
