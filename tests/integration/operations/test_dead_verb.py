"""``callmq dead`` against a real queue of dead letters, a real ledger and a real worker."""

from __future__ import annotations

import copy
import time
from datetime import datetime

import aio_pika
import orjson
import pytest

from callmq_contracts.examples import EXAMPLES
from world import World

DIAL = EXAMPLES["dial"][0]
NUMBER = "+15550100123"
REFUSAL = {"status": 422, "body": {"errors": [{"code": "invalid", "attribute": "to", "message": "no"}]}}


async def refused(w: World, key: str, **more) -> dict:
    w.sandbox.arm("status", match={"key": key}, **REFUSAL)
    assert (await w.client.send(DIAL, key=key, **more)).ok
    reply = await w.reply(key)
    assert (reply["outcome"], reply["problem"]["code"]) == ("rejected", "refused")
    return reply


async def depth(w: World, name: str = "callmq.dead") -> int:
    channel = await w.admin.declare_queue(name, passive=True)
    return channel.declaration_result.message_count or 0


def without_command() -> dict:
    body = copy.deepcopy(DIAL)
    del body["params"]["to"]
    return body


async def test_a_list_says_what_and_why_and_shows_no_number(w, callmq):
    async with w.working():
        reply = await refused(w, f"call-{NUMBER}", campaign=f"for {NUMBER}")
        await w.put(orjson.dumps(without_command()), "dial", headers={"idempotency-key": "k2"})
        await w.reply("k2")
        await w.put(b"{]", "nonsense\x1b[31m", app_id="x")
        await w.reply(None)
    ran = await callmq("dead", "list", "--json")
    assert ran.code == 0, ran.err
    first, second, third = ran.rows
    assert (first["id"], first["routing_key"], first["command"]) == (reply["reply_id"], "rejected.refused", "dial")
    assert first["position"] == 1
    assert first["detail"] == reply["problem"]["detail"]
    assert first["account"] == "default"
    assert datetime.fromisoformat(first["when"]).tzinfo is not None
    assert second["routing_key"] == "rejected.invalid_params"
    assert third["routing_key"] == "rejected.malformed"
    assert NUMBER not in ran.out
    assert "5550100" not in ran.out
    table = await callmq("dead", "list")
    assert table.out.splitlines()[0].split()[:3] == ["position", "id", "routing_key"]
    assert len(table.out.splitlines()) == 4
    assert "5550100" not in table.out
    assert "\x1b" not in table.out
    assert "3 shown of 3" in table.err
    assert [r["position"] for r in (await callmq("dead", "list", "--json", "--limit", "2")).rows] == [1, 2]
    assert [r["position"] for r in (await callmq("dead", "list", "--json", "--code", "invalid_params")).rows] == [2]
    assert [r["position"] for r in (await callmq("dead", "list", "--json", "--key", "k2")).rows] == [2]
    assert [r["position"] for r in (await callmq("dead", "list", "--json", "--campaign", f"for {NUMBER}")).rows] == [1]
    assert (await callmq("dead", "list", "--json", "--older-than", "1h")).rows == []


async def test_looking_loses_nothing_and_keeps_the_order(w, callmq):
    async with w.working():
        for n in range(50):
            await refused(w, f"k{n}")
    before = [r["key"] for r in (await callmq("dead", "list", "--json")).rows]
    assert before == [f"k{n}" for n in range(50)]
    await callmq("dead", "list", "--limit", "5")
    await callmq("dead", "show", "7")
    await callmq("dead", "purge", "--older-than", "1d", "--yes")
    assert [r["key"] for r in (await callmq("dead", "list", "--json")).rows] == before
    assert await depth(w) == 50


async def test_a_copy_is_shown_masked_and_with_its_body_only_on_demand(w, callmq):
    async with w.working():
        reply = await refused(w, f"call-{NUMBER}", correlation_id="c-1")
    for wanted in (reply["reply_id"], "1"):
        ran = await callmq("dead", "show", wanted, "--json")
        (page,) = ran.rows
        assert page["headers"]["callmq-code"] == "refused"
        assert page["properties"]["correlation_id"] == "c-1"
        assert "body" not in page
        assert "5550100" not in ran.out
    whole = await callmq("dead", "show", "1", "--body", "--json")
    assert orjson.loads(whole.rows[0]["body"]) == DIAL
    assert whole.rows[0]["headers"]["idempotency-key"] == f"call-{NUMBER}"
    text = await callmq("dead", "show", "1", "--body")
    assert "callmq-outcome: rejected" in text.out
    absent = await callmq("dead", "show", "99")
    assert absent.code == 1
    assert "no copy" in absent.err


async def test_a_corrected_contract_is_replayed_under_its_own_key(w, callmq):
    async with w.working():
        body = orjson.dumps(DIAL)
        headers = {
            "idempotency-key": "k1",
            "account": "second",
            "campaign": "spring",
            "expires-at": int(time.time() * 1000) + 3_000,
            "x-strange": "no",
        }
        await w.put(body, "dial", headers=headers, correlation_id="c-1", app_id="billing", reply_to="nobody")
        assert (await w.reply("k1"))["problem"]["code"] == "unknown_account"
    ran = await callmq("dead", "replay", "--code", "unknown_account", "--json")
    assert ran.code == 0, ran.err
    assert ran.rows[0]["replayed"] is True
    assert ran.rows[0]["new_key"] is None
    assert await depth(w) == 0
    message = await w.one("callmq.dial")
    assert message.body == body
    assert message.routing_key == "dial"
    assert message.exchange == "callmq.commands"
    assert set(message.headers) - {"x-delivery-count"} <= set(headers) - {"x-strange"}
    assert message.headers["account"] == "second"
    assert (message.correlation_id, message.app_id, message.reply_to) == ("c-1", "billing", "nobody")
    assert message.delivery_mode == 2
    assert message.content_type is None
    assert time.time() - message.timestamp.timestamp() < 60


async def test_a_recorded_key_needs_a_new_one_which_dials(w, callmq):
    async with w.working():
        reply = await refused(w, "k1")
        stays = await callmq("dead", "replay", "--key", "k1", "--json")
        assert stays.code == 1
        assert stays.rows[0]["replayed"] is False
        assert "only the stored reply" in stays.rows[0]["why"]
        assert "--new-key" in stays.rows[0]["why"]
        assert await depth(w) == 1
        assert w.acted("k1") == 0
        ran = await callmq("dead", "replay", "--key", "k1", "--new-key", "auto", "--json")
        assert ran.code == 0, ran.err
        fresh = ran.rows[0]["new_key"]
        assert fresh == f"k1~{reply['reply_id'][:12]}"
        assert (await w.reply(fresh))["outcome"] == "succeeded"
        assert w.acted(fresh) == 1
        assert await depth(w) == 0
        await refused(w, "k2")
        ran = await callmq("dead", "replay", "--key", "k2", "--new-key", ".again")
        assert ran.code == 0
        assert "k2.again" in ran.out
        assert (await w.reply("k2.again"))["outcome"] == "succeeded"


async def test_a_replay_that_broke_off_and_is_run_again_dials_once(w, callmq):
    """The copy is put back as if the first replay had died between the confirm and the acknowledgement."""
    async with w.working():
        reply = await refused(w, "k1")
        dead = await w.one("callmq.dead")
        exchange = await w.admin.get_exchange("callmq.dead")
        fresh = f"k1~{reply['reply_id'][:12]}"
        for count in (1, 2):
            again = aio_pika.Message(dead.body, headers=dead.headers, content_type=dead.content_type)
            await exchange.publish(again, dead.routing_key)
            assert (await callmq("dead", "replay", "--all", "--new-key", "auto")).code == 0
            await w.reply(fresh, count)
        assert w.acted(fresh) == 1


async def test_a_key_that_the_ledger_forgot_needs_an_explicit_override(w, callmq, tmp_path):
    async with w.working():
        await refused(w, "k1")
    w.ledger = tmp_path / "another.db"
    async with w.working():
        for words in ([], ["--new-key", "auto"]):
            ran = await callmq("dead", "replay", "--all", "--json", *words)
            assert ran.code == 1
            assert "--override-retention" in ran.rows[0]["why"]
        assert await depth(w) == 1
        assert (await callmq("dead", "replay", "--all", "--override-retention")).code == 0
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"


async def test_what_was_cut_stays(w, callmq):
    async with w.working():
        await w.put(b" " * 300_000 + orjson.dumps(DIAL), "dial", headers={"idempotency-key": "k1"})
        assert (await w.reply("k1"))["problem"]["code"] == "too_large"
    ran = await callmq("dead", "replay", "--all", "--new-key", "auto", "--json")
    assert ran.code == 1
    assert "was cut" in ran.rows[0]["why"]
    assert await depth(w) == 1


async def test_an_expiry_that_has_passed_is_left_out_or_given_anew(w, callmq):
    async with w.working():
        for key in ("k1", "k2"):
            await w.put(orjson.dumps(DIAL), "dial", headers={"idempotency-key": key, "expires-at": 1_000})
            assert (await w.reply(key))["outcome"] == "expired"
    end = int(time.time() * 1000) + 3_600_000
    assert (await callmq("dead", "replay", "--key", "k1", "--new-key", ".2")).code == 0
    assert (await callmq("dead", "replay", "--key", "k2", "--new-key", ".2", "--expires-at", str(end))).code == 0
    first, second = await w.one("callmq.dial"), await w.one("callmq.dial")
    assert "expires-at" not in first.headers
    assert second.headers["expires-at"] == end
    assert second.headers["idempotency-key"] == "k2.2"


async def test_what_the_broker_itself_took_out_can_be_replayed(w, callmq):
    async with w.working():
        pass
    body, headers = orjson.dumps(DIAL), {"idempotency-key": "k1"}
    exchange = await w.admin.get_exchange("callmq.dead")
    await exchange.publish(
        aio_pika.Message(body, headers=headers, content_type="application/json"), "failed.delivery_limit"
    )
    (row,) = (await callmq("dead", "list", "--json")).rows
    assert (row["routing_key"], row["command"]) == ("failed.delivery_limit", "dial")
    async with w.working():
        assert (await callmq("dead", "replay", "--id", row["id"], "--override-retention")).code == 0
        assert (await w.reply("k1"))["outcome"] == "succeeded"


async def test_what_the_broker_does_not_confirm_stays(w, callmq):
    async with w.working():
        await w.put(b"{]", "dial", headers={"idempotency-key": "k1"})
        await w.reply("k1")
    await w.admin.exchange_delete("callmq.commands")
    ran = await callmq("dead", "replay", "--all")
    assert ran.code == 3
    assert "did not confirm" in ran.err
    assert await depth(w) == 1


async def test_a_ledger_that_is_not_there_stops_a_replay(w, callmq, tmp_path):
    async with w.working():
        await refused(w, "k1")
    missing = tmp_path / "nobody" / "l.db"
    ran = await callmq("dead", "replay", "--all", CALLMQ_LEDGER_URL=f"sqlite:///{missing}")
    assert ran.code == 3
    assert "ledger" in ran.err
    assert not missing.exists()
    assert await depth(w) == 1


async def test_a_purge_removes_what_is_meant_and_only_with_yes(w, callmq):
    async with w.working():
        await refused(w, "k1")
        await w.put(b"{]", "dial", headers={"idempotency-key": "k2"})
        await w.reply("k2")
    counted = await callmq("dead", "purge", "--code", "malformed")
    assert counted.code == 2
    assert "1 would be removed" in counted.err
    assert await depth(w) == 2
    assert (await callmq("dead", "purge", "--older-than", "7d", "--yes", "--json")).rows == [
        {"purged": 0, "selected": 0}
    ]
    done = await callmq("dead", "purge", "--code", "rejected.malformed", "--yes")
    assert (done.code, done.out) == (0, "1 removed\n")
    assert [r["key"] for r in (await callmq("dead", "list", "--json")).rows] == ["k1"]


@pytest.mark.parametrize(
    "words", [("replay",), ("purge", "--yes"), ("purge", "--older-than", "week"), (), ("list", "--limit", "0")]
)
async def test_wrong_usage_touches_nothing(w, callmq, words):
    assert (await callmq("dead", *words)).code == 2


async def test_no_queue_is_said_with_what_to_do(w, callmq):
    ran = await callmq("dead", "list")
    assert ran.code == 3
    assert "topology declare" in ran.err


@pytest.mark.parametrize("act", [(), ("list",), ("show",), ("replay",), ("purge",)])
async def test_help_says_what_it_does(w, callmq, act):
    ran = await callmq("dead", *act, "--help")
    assert ran.code == 0
    assert "usage: callmq dead" in ran.out
