"""``callmq unknown`` against real doubt: answers that were lost after the endpoint had acted, or before."""

from __future__ import annotations

import uuid

import orjson
import pytest
from aio_pika import Message

from callmq_contracts.examples import EXAMPLES
from callmq_contracts.reply import OutcomeName
from callmq_worker.core import guard, resolution
from callmq_worker.core.record import State
from callmq_worker.core.resolution import Resolution
from doubt import DIAL, depth, doubtful, record, transact

CALL_ID = str(uuid.UUID(int=7))


async def test_a_list_comes_from_the_ledger(w, callmq):
    async with w.working():
        first = await doubtful(w, "k1", campaign="spring")
        await doubtful(w, "k2")
    ran = await callmq("unknown", "list", "--json")
    assert ran.code == 0, ran.err
    one, two = ran.rows
    assert (one["id"], one["key"], one["account"], one["command"]) == (first["reply_id"], "k1", "default", "dial")
    assert (one["campaign"], one["attempts"], one["reason"]) == ("spring", 1, first["problem"]["detail"])
    assert two["key"] == "k2"
    assert "parked in the queue: 2" in ran.err
    assert [r["key"] for r in (await callmq("unknown", "list", "--json", "--limit", "1")).rows] == ["k1"]
    table = await callmq("unknown", "list")
    assert len(table.out.splitlines()) == 3


async def test_a_list_does_without_the_ledger_or_without_the_broker(w, callmq, tmp_path):
    async with w.working():
        reply = await doubtful(w, "k1")
    queued = await callmq("unknown", "list", "--json", CALLMQ_LEDGER_URL=f"sqlite:///{tmp_path / 'no.db'}")
    assert queued.code == 0
    assert (queued.rows[0]["id"], queued.rows[0]["key"]) == (reply["reply_id"], "k1")
    assert "ledger could not be asked" in queued.err
    assert not (tmp_path / "no.db").exists()
    away = "amqp://a:secret-canary@127.0.0.1:9/"
    recorded = await callmq("unknown", "list", "--json", CALLMQ_AMQP_URL=away)
    assert recorded.code == 0
    assert recorded.rows[0]["key"] == "k1"
    assert "broker could not be used" in recorded.err
    neither = await callmq("unknown", "list", CALLMQ_AMQP_URL=away, CALLMQ_LEDGER_URL=f"sqlite:///{tmp_path / 'no.db'}")
    assert neither.code == 3
    assert "secret-canary" not in recorded.err + neither.err


async def test_one_is_shown_by_key_or_id(w, callmq):
    key = "order-15550100123"
    async with w.working():
        reply = await doubtful(w, key)
    for wanted in (key, reply["reply_id"]):
        ran = await callmq("unknown", "show", wanted, "--json")
        (page,) = ran.rows
        assert (page["state"], page["last_reply"]["outcome"]) == ("unknown", "unknown")
        assert page["parked"][0]["headers"]["callmq-outcome"] == "unknown"
        assert "body" not in page["parked"][0]
        assert "5550100" not in ran.out
    whole = await callmq("unknown", "show", key, "--body", "--json")
    assert orjson.loads(whole.rows[0]["parked"][0]["body"]) == DIAL
    assert "state: unknown" in (await callmq("unknown", "show", key)).out
    assert (await callmq("unknown", "show", "nobody")).code == 1


async def test_one_that_was_done_gets_its_final_reply(w, callmq):
    async with w.working():
        first = await doubtful(w, "k1", correlation_id="c-1", campaign="spring")
        ran = await callmq("unknown", "resolve", "k1", "--outcome", "succeeded", "--call-id", CALL_ID, "--json")
        assert ran.code == 0, ran.err
        assert ran.rows[0]["parked_removed"] == 1
        final = await w.reply("k1", 2)
        assert (final["outcome"], final["call_id"], final["problem"]) == ("succeeded", CALL_ID, None)
        assert (final["campaign"], final["attempts"], final["replayed"]) == ("spring", 1, False)
        assert final["received_at"] == first["received_at"]
        assert final["reply_id"] != first["reply_id"]
        key, message = w.keys[1]
        assert (key, message.correlation_id, message.type) == ("test.dial.succeeded", "c-1", "callmq.reply.v1")
        assert await depth(w) == 0
        await w.client.send(DIAL, key="k1")
        assert await w.reply("k1", 3) == {**final, "replayed": True}
        assert w.acted("k1") == 1
    assert (await record(w, "k1")).due is None
    assert (await callmq("unknown", "list", "--json")).rows == []


async def test_one_that_was_not_done_goes_to_the_dead_letters(w, callmq):
    async with w.working():
        reply = await doubtful(w, "k1", "reset_before_acting")
        words = ("unknown", "resolve", reply["reply_id"], "--outcome", "failed", "--note", "Nothing at +15550100123.")
        assert (await callmq(*words)).code == 0
        final = await w.reply("k1", 2)
    assert final["outcome"] == "failed"
    assert final["problem"]["code"] == "outcome_unknown"
    assert "Nothing at" in final["problem"]["detail"]
    assert "5550100" not in final["problem"]["detail"]
    assert await depth(w) == 0
    dead = await w.one("callmq.dead")
    assert dead.routing_key == "failed.outcome_unknown"
    assert orjson.loads(dead.body) == DIAL
    assert dead.headers["callmq-reply-id"] == final["reply_id"]
    assert dead.headers["idempotency-key"] == "k1"


async def test_dispatching_again_asks_twice_and_acts_again(w, callmq):
    async with w.working():
        await doubtful(w, "k1")
        refused = await callmq("unknown", "resolve", "k1", "--dispatch-again")
        assert refused.code == 2
        assert "TWICE" in refused.err
        assert await depth(w) == 1
        assert w.acted("k1") == 1
        ran = await callmq("unknown", "resolve", "k1", "--dispatch-again", "--yes")
        assert ran.code == 0, ran.err
        assert "TWICE" in ran.err
        final = await w.reply("k1", 2)
        assert final["outcome"] == "succeeded"
        assert w.keys[1][0] == "test.dial.succeeded"
        assert w.acted("k1") == 2
        assert await depth(w) == 0


async def test_dispatching_again_works_long_after_its_time(w, callmq):
    """The copy is put back as it would look after days."""
    async with w.working():
        await doubtful(w, "k1")
    parked = await w.one("callmq.unknown")
    headers = {**parked.headers, "expires-at": 1_000, "callmq-received-at": 1_000}
    again = Message(parked.body, headers=headers, content_type=parked.content_type, timestamp=1, app_id=parked.app_id)
    await w.admin.default_exchange.publish(again, "callmq.unknown")
    async with w.working():
        assert (await callmq("unknown", "resolve", "k1", "--dispatch-again", "--yes")).code == 0
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"


async def test_a_late_answer_stands_and_is_said(w, callmq):
    async with w.working():
        await doubtful(w, "k1")

    def late(record, sequence):
        document = orjson.loads(record.reply)
        return orjson.dumps({**document, "outcome": "succeeded", "http_status": 200, "problem": None})

    assert await transact(w, "k1", guard.resolve(late)) is not None
    listed = await callmq("unknown", "list", "--json")
    assert "settled since (succeeded)" in listed.rows[0]["reason"]
    for words in (["--outcome", "failed"], ["--outcome", "succeeded"], ["--dispatch-again", "--yes"]):
        ran = await callmq("unknown", "resolve", "k1", *words)
        assert ran.code == 1
        assert "settled meanwhile" in ran.err or "No parked copy" in ran.err
    assert "'succeeded'" in (await callmq("unknown", "resolve", "k1", "--outcome", "failed")).err
    assert await depth(w) == 0
    assert len([r for r in w.replies if r["idempotency_key"] == "k1"]) == 1


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_a_resolution_that_broke_off_after_the_ledger_is_finished_by_running_it_again(w, callmq, outcome):
    async with w.working():
        await doubtful(w, "k1", correlation_id="c-1")
    word = Resolution(OutcomeName(outcome), 1_800_000_000.0)
    address = orjson.dumps({"routing_key": f"test.dial.{outcome}", "correlation_id": "c-1"})
    step = guard.resolve(lambda record, sequence: resolution.final_reply(record, sequence, word), address)
    assert await transact(w, "k1", step) is not None
    ran = await callmq("unknown", "resolve", "k1", "--outcome", outcome)
    assert ran.code == 0, ran.err
    assert "resolved before" in ran.err
    assert (await w.reply("k1", 2))["outcome"] == outcome
    assert w.keys[1][0] == f"test.dial.{outcome}"
    assert await depth(w) == 0
    assert await depth(w, "callmq.dead") == (1 if outcome == "failed" else 0)
    assert (await record(w, "k1")).due is None
    once_more = await callmq("unknown", "resolve", "k1", "--outcome", outcome)
    assert once_more.code == 0
    assert len([r for r in w.replies if r["idempotency_key"] == "k1"]) == 2


async def test_a_reopening_that_broke_off_after_the_ledger_is_finished_by_running_it_again(w, callmq):
    async with w.working():
        await doubtful(w, "k1")
    assert await transact(w, "k1", guard.reopen()) is True
    ran = await callmq("unknown", "resolve", "k1", "--dispatch-again", "--yes")
    assert ran.code == 0, ran.err
    assert "reopened before" in ran.err
    assert await depth(w) == 0
    async with w.working():
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"
    assert w.acted("k1") == 2


async def test_a_command_that_is_not_confirmed_stays_parked_until_it_is(w, callmq):
    async with w.working():
        await doubtful(w, "k1")
    await w.admin.exchange_delete("callmq.commands")
    ran = await callmq("unknown", "resolve", "k1", "--dispatch-again", "--yes")
    assert ran.code == 3
    assert "Run this again" in ran.err
    assert await depth(w) == 1
    async with w.working():
        assert (await callmq("unknown", "resolve", "k1", "--dispatch-again", "--yes")).code == 0
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"
    assert w.acted("k1") == 2


async def test_a_reply_that_can_not_be_published_is_owed_and_a_worker_pays(w, callmq):
    async with w.working():
        await doubtful(w, "k1")
    await w.admin.exchange_delete("callmq.replies")
    ran = await callmq("unknown", "resolve", "k1", "--outcome", "succeeded", "--json")
    assert ran.code == 0, ran.err
    assert ran.rows[0]["reply_owed"] is True
    assert "owed" in ran.err
    owed = await record(w, "k1")
    assert (owed.state, orjson.loads(owed.due)["routing_key"]) == (State.CLOSED, "test.dial.succeeded")
    exchange = await w.admin.declare_exchange("callmq.replies", "topic", durable=True)
    await (await w.admin.get_queue("watch")).bind(exchange, "#")
    async with w.working():
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"


async def test_the_direct_reply_queue_gets_the_final_one_too(w, callmq):
    answers = await w.admin.declare_queue("answers", durable=True, arguments={"x-queue-type": "quorum"})
    async with w.working():
        await doubtful(w, "k1", reply_to="answers")
        assert (await callmq("unknown", "resolve", "k1", "--outcome", "succeeded")).code == 0
    outcomes = [orjson.loads((await answers.get(no_ack=True)).body)["outcome"] for _ in range(2)]
    assert outcomes == ["unknown", "succeeded"]


async def test_one_without_a_key_is_resolved_by_its_id(w, callmq):
    body = EXAMPLES["calling.end"][0]
    async with w.working(CALLMQ_MAX_ATTEMPTS="1"):
        w.sandbox.arm("reset_after_reading", match={"command": "calling.end"}, times=0)
        await w.put(orjson.dumps(body), "calling.end", app_id="billing")
        reply = await w.reply(None)
        assert reply["outcome"] == "unknown"
    listed = await callmq("unknown", "list", "--json")
    assert listed.rows[0]["id"] == reply["reply_id"]
    assert "without a key" in listed.rows[0]["reason"]
    for count in (1, 2):
        ran = await callmq("unknown", "resolve", reply["reply_id"], "--outcome", "failed")
        assert ran.code == (0 if count == 1 else 1)
    final = await w.reply(None, 2)
    assert (final["outcome"], final["command"], final["idempotency_key"]) == ("failed", "calling.end", None)
    assert final["reply_id"] != reply["reply_id"]
    assert w.keys[1][0] == "billing.calling.end.failed"
    assert await depth(w) == 0
    assert await depth(w, "callmq.dead") == 1


async def test_nobody_of_that_name_changes_nothing(w, callmq):
    async with w.working():
        await doubtful(w, "k1")
    for words in (["--outcome", "failed"], ["--dispatch-again", "--yes"]):
        assert (await callmq("unknown", "resolve", "nobody", *words)).code == 1
        assert (await callmq("unknown", "resolve", "k1", "--account", "other", *words)).code == 1
    assert await depth(w) == 1
    assert (await record(w, "k1")).state is State.UNKNOWN
