"""``callmq topology`` against a real broker: what it makes, what it sees, and a worker that may configure nothing."""

from __future__ import annotations

import json
import secrets
from urllib.parse import quote, urlsplit

import aio_pika
import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_contracts.names import Names
from callmq_demo.administration import vhost_of
from callmq_worker.core.layout import layout
from callmq_worker.core.retry import parse_tiers
from operator_verb import run_verb
from world import world

WANTED = layout(Names(), parse_tiers("1s,5s,30s,2m,10m,1h"))
THINGS = len(WANTED.exchanges) + len(WANTED.queues) + len(WANTED.bindings)
DIAL = EXAMPLES["dial"][0]


@pytest.fixture
def broker(amqp_url):
    return {"CALLMQ_AMQP_URL": amqp_url}


@pytest.fixture
def seeing(node, broker):
    return {**broker, "CALLMQ_MANAGEMENT_URL": node.administration._http.geturl()}


async def test_declare_makes_everything_and_verify_finds_it(broker, seeing):
    before = await run_verb(broker, "topology", "verify", "--json")
    assert before.code == 1
    assert {r["state"] for r in before.rows} == {"wrong", "unseen"}
    declared = await run_verb(broker, "topology", "declare", "--json")
    assert declared.code == 0, declared.out
    assert len(declared.rows) == THINGS
    assert {r["state"] for r in declared.rows} == {"ok"}
    over_amqp = await run_verb(broker, "topology", "verify")
    assert over_amqp.code == 0
    assert "can't be seen over AMQP" in over_amqp.err
    after = await run_verb(seeing, "topology", "verify", "--json")
    assert after.code == 0, after.out
    assert len(after.rows) == THINGS
    assert {r["state"] for r in after.rows} == {"ok"}


async def test_verify_changes_nothing(broker, amqp_url):
    assert (await run_verb(broker, "topology", "verify")).code == 1
    assert (await run_verb(broker, "topology", "verify")).code == 1
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("callmq.dial", passive=True)


async def test_what_is_off_is_named(seeing, broker, amqp_url, node):
    assert (await run_verb(broker, "topology", "declare")).code == 0
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        dial = await channel.get_queue("callmq.dial")
        await dial.unbind("callmq.commands", "dial")
        await dial.bind("callmq.replies", "#")
        await channel.queue_delete("callmq.retry.5s")
        await channel.declare_queue("callmq.retry.5s", durable=True, arguments={"x-queue-type": "quorum"})
    vhost = quote(vhost_of(amqp_url), safe="")
    policy = {"pattern": "^callmq.dead$", "definition": {"max-length": 5}, "apply-to": "queues"}
    node.administration.call("PUT", f"/api/policies/{vhost}/small", policy)
    ran = await run_verb(seeing, "topology", "verify", "--json")
    wrong = {r["name"]: r["detail"] for r in ran.rows if r["state"] == "wrong"}
    assert ran.code == 1
    assert wrong["callmq.commands -> callmq.dial (dial)"] == "is missing"
    assert "not of the layout" in wrong["callmq.replies -> callmq.dial (#)"]
    assert "x-message-ttl" in wrong["callmq.retry.5s"]
    assert "max-length" in wrong["callmq.dead"]
    assert set(wrong) == {
        "callmq.commands -> callmq.dial (dial)",
        "callmq.replies -> callmq.dial (#)",
        "callmq.retry.5s",
        "callmq.dead",
        "callmq.retry.5s -> callmq.retry.5s ()",
    }
    mended = await run_verb(broker, "topology", "declare", "--json")
    assert mended.code == 1
    assert [r["name"] for r in mended.rows if r["state"] == "wrong"] == ["callmq.retry.5s"]


async def test_an_export_is_all_that_a_worker_without_rights_to_configure_needs(
    broker, seeing, amqp_url, node, tmp_path
):
    administration, vhost = node.administration, vhost_of(amqp_url)
    exported = await run_verb({}, "topology", "export", "--vhost", vhost)
    assert exported.code == 0, exported.err
    where = quote(vhost, safe="")
    administration.call("POST", f"/api/definitions/{where}", json.loads(exported.out))
    verified = await run_verb(seeing, "topology", "verify", "--json")
    assert verified.code == 0, verified.out
    assert {r["state"] for r in verified.rows} == {"ok"}
    user, password = f"worker-{secrets.token_hex(4)}", secrets.token_hex(8)
    administration.call("PUT", f"/api/users/{user}", {"password": password, "tags": ""})
    try:
        rights = {"configure": "", "write": ".*", "read": ".*"}
        administration.call("PUT", f"/api/permissions/{where}/{user}", rights)
        parts = urlsplit(amqp_url)
        restricted = parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}").geturl()
        async with world(amqp_url, tmp_path / "l.db") as w, w.working(CALLMQ_AMQP_URL=restricted):
            assert (await w.client.send(DIAL, key="k1")).ok
            assert (await w.reply("k1"))["outcome"] == "succeeded"
        assert (await run_verb({"CALLMQ_AMQP_URL": restricted}, "topology", "verify")).code == 0
        declared = await run_verb({"CALLMQ_AMQP_URL": restricted}, "topology", "declare", "--json")
        assert declared.code == 0, declared.out
        async with await aio_pika.connect(amqp_url) as connection:
            await (await connection.channel()).queue_delete("callmq.unknown")
        refused = await run_verb({"CALLMQ_AMQP_URL": restricted}, "topology", "declare", "--json")
        assert refused.code == 1
        (missing,) = [r for r in refused.rows if r["state"] == "wrong"]
        assert missing["name"] == "callmq.unknown"
        assert "grant 'configure'" in missing["detail"]
    finally:
        administration.call("DELETE", f"/api/users/{user}")


async def test_the_prefix_and_the_tiers_are_followed(broker):
    settings = {**broker, "CALLMQ_PREFIX": "other", "CALLMQ_RETRY_TIERS": "2s,4s"}
    ran = await run_verb(settings, "topology", "export")
    document = json.loads(ran.out)
    assert document["vhost" if "vhost" in document else "queues"]
    assert {q["name"] for q in document["queues"]} >= {"other.dial", "other.retry.2s", "other.retry.4s"}
    assert {q["vhost"] for q in document["queues"]} == {vhost_of(broker["CALLMQ_AMQP_URL"])}


@pytest.mark.parametrize("act", ["declare", "verify"])
async def test_a_broker_that_is_away_is_said_to_be(act):
    ran = await run_verb({"CALLMQ_AMQP_URL": "amqp://someone:secret-canary@127.0.0.1:9/"}, "topology", act)
    assert ran.code == 3
    assert "127.0.0.1:9" in ran.err
    assert "secret-canary" not in ran.out + ran.err


async def test_wrong_settings_are_all_named():
    ran = await run_verb({"CALLMQ_PREFIX": "a b"}, "topology", "verify")
    assert ran.code == 2
    assert "CALLMQ_AMQP_URL" in ran.err
    assert "CALLMQ_PREFIX" in ran.err
    for more in ("ftp://u:secret-canary@h", "http://"):
        ran = await run_verb(
            {"CALLMQ_AMQP_URL": "amqp://127.0.0.1:9/", "CALLMQ_MANAGEMENT_URL": more}, "topology", "verify"
        )
        assert ran.code == 2
        assert "CALLMQ_MANAGEMENT_URL" in ran.err
        assert "secret-canary" not in ran.err


async def test_help_says_what_it_does():
    ran = await run_verb({}, "topology", "--help")
    assert ran.code == 0
    assert "export" in ran.out
