"""Two accounts of one worker on a real broker: who may use which, what each may reach, credentials that change."""

import logging
import secrets
from urllib.parse import unquote, urlsplit

import orjson
import pytest

from callmq import Client, Confirmed
from callmq_contracts.examples import EXAMPLES
from callmq_demo.administration import vhost_of
from endpoints import Endpoint, serving
from operator_verb import run_verb
from world import TOKEN, environment, until, world

DIAL = EXAMPLES["dial"][0]
FRAUD = "+19005550200"
CONFIG = f"""
[accounts.default]
denied_prefixes = ["+1900"]

[accounts.north]
project_id = "project"
api_token = "{TOKEN}"
producers = ["PRODUCER"]
max_price_per_minute = 0.05
allowed_url_hosts = ["example.com"]
"""


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.fixture
def user(node, amqp_url):
    """Lend the name and the AMQP URL of a broker user who may publish in this test's vhost, and nothing else."""
    administration = node.administration
    name, vhost = f"billing-{secrets.token_hex(4)}", vhost_of(amqp_url).replace("/", "%2F")
    administration.call("PUT", f"/api/users/{name}", {"password": "pw", "tags": ""})
    rights = {"configure": "", "write": r"callmq\.commands", "read": r"callmq\.commands"}
    administration.call("PUT", f"/api/permissions/{vhost}/{name}", rights)
    parts = urlsplit(amqp_url)
    yield name, parts._replace(netloc=f"{name}:pw@{parts.hostname}:{parts.port}").geturl()
    administration.call("DELETE", f"/api/users/{name}")


@pytest.fixture
def config(tmp_path, user):
    path = tmp_path / "callmq.toml"
    path.write_text(CONFIG.replace("PRODUCER", user[0]))
    return {"CALLMQ_CONFIG": str(path)}


def dial(**params):
    return {"command": "dial", "params": {**DIAL["params"], **params}}


async def test_only_a_listed_broker_user_uses_an_account(w, config, user):
    name, url = user
    async with w.working(**config):
        async with Client(url, app_id="billing") as billing:
            good = dial(url="https://example.com/answer")
            assert isinstance(await billing.send(good, key="k1", account="north", user_id=name), Confirmed)
            assert (await w.reply("k1"))["outcome"] == "succeeded"
        await w.client.send(dial(), key="k2", account="north")
        refused = await w.reply("k2")
        dead = await w.one("callmq.dead")
        await w.client.send(dial(), key="k3")
        assert (await w.reply("k3"))["outcome"] == "succeeded"
    assert (refused["outcome"], refused["problem"]["code"]) == ("rejected", "account_forbidden")
    assert (refused["account"], refused["attempts"]) == ("north", 0)
    assert dead.routing_key == "rejected.account_forbidden"
    assert [w.acted(key) for key in ("k1", "k2", "k3")] == [1, 0, 1]


async def test_the_broker_lets_nobody_be_somebody_else(w, config, user):
    name, _ = user
    async with w.working(**config):
        mine = unquote(urlsplit(w.amqp_url).username or "guest")
        assert not (await w.client.send(dial(), key="k1", account="north", user_id=name)).ok
        assert (await w.client.send(dial(), key="k2", account="north", user_id=mine)).ok
        assert (await w.reply("k2"))["problem"]["code"] == "account_forbidden"
    assert [r["idempotency_key"] for r in w.replies] == ["k2"]


async def test_who_published_a_command_is_known_after_it_waited_for_a_retry(w, config, user):
    name, url = user
    w.sandbox.arm("retry_after", retry_after="1", match={"key": "k1"})
    async with w.working(**config), Client(url, app_id="billing") as billing:
        await billing.send(dial(url="https://example.com/answer"), key="k1", account="north", user_id=name)
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["attempts"]) == ("succeeded", 2)


async def test_each_account_keeps_its_own_rules_and_says_which(w, config, user):
    name, url = user
    async with w.working(**config), Client(url, app_id="billing") as billing:
        await billing.send(dial(to=FRAUD), key="k1", validate=False)
        first = await w.reply("k1")
        await billing.send(dial(url="https://evil.example/x"), key="k2", account="north", user_id=name)
        second = await w.reply("k2")
        dead = [await w.one("callmq.dead") for _ in range(2)]
        await billing.send(dial(), key="k3", account="nobody")
        third = await w.reply("k3")
    for reply, rule, path in ((first, "denied_prefixes", "params.to"), (second, "allowed_url_hosts", "params.url")):
        assert (reply["outcome"], reply["problem"]["code"]) == ("rejected", "policy_denied")
        assert [(e["path"], e["message"].partition(":")[0]) for e in reply["problem"]["errors"]] == [(path, rule)]
        assert "9005550" not in orjson.dumps(reply).decode()
        assert "evil" not in orjson.dumps(reply).decode()
    assert {d.routing_key for d in dead} == {"rejected.policy_denied"}
    assert third["problem"]["code"] == "unknown_account"
    assert w.sandbox.journal.received == 0


async def test_no_dial_goes_out_above_the_ceiling_and_a_repeat_of_the_same_body_is_the_same(w, config, user):
    name, url = user
    bodies = {"k1": dial(url="https://example.com/a"), "k2": dial(url="https://example.com/a", max_price_per_minute=9)}
    async with (
        Endpoint(serving) as endpoint,
        w.working(**config, CALLMQ_ENDPOINT_URL=endpoint.url),
        Client(url, app_id="billing") as billing,
    ):
        for key, body in bodies.items():
            await billing.send(body, key=key, account="north", user_id=name)
            assert (await w.reply(key))["outcome"] == "succeeded"
            await billing.send(body, key=key, account="north", user_id=name)
            assert (await w.reply(key, 2))["replayed"] is True
        sent = [orjson.loads(arrived.partition(b"\r\n\r\n")[2]) for arrived in endpoint.arrived]
    assert [each["params"]["max_price_per_minute"] for each in sent] == [0.05, 0.05]


async def test_an_operator_who_may_use_the_account_publishes_again_as_himself(w, tmp_path, user):
    name, url = user
    mine = unquote(urlsplit(w.amqp_url).username or "guest")
    path = tmp_path / "callmq.toml"

    async def listed(*producers: str) -> dict[str, str]:
        path.write_text(CONFIG.replace('"PRODUCER"', ", ".join(f'"{each}"' for each in producers)))
        return {"CALLMQ_CONFIG": str(path)}

    body = dial(url="https://example.com/answer")
    async with Client(url, app_id="billing") as billing, w.working(**await listed()):
        await billing.send(body, key="k1", account="north", user_id=name)
        assert (await w.reply("k1"))["problem"]["code"] == "account_forbidden"
    settings = environment(w.amqp_url, w.ledger, w.sandbox.url)
    ran = await run_verb(settings, "dead", "replay", "--code", "account_forbidden", "--json")
    assert ran.code == 0, ran.err
    async with w.working(**await listed(mine)):
        assert (await w.reply("k1", 2))["outcome"] == "succeeded"
    assert w.acted("k1") == 1


async def test_a_rotated_credential_is_used_without_a_restart_and_its_account_works_again(
    w, tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    token = tmp_path / "token"
    token.write_text("canary-token-stale")
    files = {"SIGNALWIRE_API_TOKEN": "", "SIGNALWIRE_API_TOKEN_FILE": str(token)}
    monkeypatch.setattr("callmq_worker.rotation.LOOK_EVERY", 0.05)
    async with w.working(**files) as worker:
        await w.client.send(DIAL, key="k1")
        await until(lambda: "default" in worker.gates.paused)
        token.write_text("")
        told = "credential file can't be used, the former credential stays"
        await until(lambda: any(r.message == told for r in caplog.records))
        beside = tmp_path / "token.new"
        beside.write_text(f"{TOKEN}\n")
        beside.replace(token)
        assert (await w.reply("k1"))["outcome"] == "succeeded"
    assert [r.message for r in caplog.records].count(told) == 1
    assert w.acted("k1") == 1
