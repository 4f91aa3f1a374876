"""``callmq lanes`` beside a real broker: what waits, how fast it goes, and what holds it up."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import quote

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_demo.administration import vhost_of
from operator_verb import Ran
from world import World, until

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
PACED = {"CALLMQ_DIAL_RATE": "0.05"}
NAMES = {
    *("kind", "lane", "account", "flows", "waiting", "in_flight", "pace", "drained_in", "oldest", "age", "paused"),
}


@pytest.fixture
def seeing(node):
    return {"CALLMQ_MANAGEMENT_URL": node.administration._http.geturl()}


def of_kind(ran: Ran, kind: str) -> list[dict]:
    return [row for row in ran.rows if row["kind"] == kind]


def of_campaigns(ran: Ran) -> dict[str, dict]:
    return {flow["campaign"]: row for row in of_kind(ran, "waiting") for flow in row["flows"]}


async def filled(w: World, **campaigns: int) -> None:
    """Let one dial go, so that the next slot is far away, and more wait."""
    assert (await w.client.send(DIAL, key="first", campaign="first")).ok
    await w.reply("first")
    for campaign, count in campaigns.items():
        for n in range(count):
            assert (await w.client.send(DIAL, key=f"{campaign}{n}", campaign=campaign)).ok


async def shown(callmq, true, *words: str, **more: str) -> Ran:
    """Ask until it is so."""
    async with asyncio.timeout(40):
        while True:
            ran = await callmq("lanes", "--json", *words, **more)
            if ran.code == 0 and true(ran):
                return ran


async def test_two_campaigns_wait_and_one_is_paused(w: World, callmq):
    async with w.working(**PACED) as worker:
        await filled(w, spring=3, autumn=2)
        assert (await callmq("pause", "--campaign", "autumn", "--why", "no agents")).code == 0
        await until(lambda: "autumn" in worker.controls.paused_campaigns)
        ran = await shown(callmq, lambda ran: {"spring", "autumn"} <= of_campaigns(ran).keys(), **PACED)
        ran = await shown(callmq, lambda ran: of_kind(ran, "account")[0]["waiting"] >= 4, **PACED)
        table = await callmq("lanes", **PACED)
    assert all(set(row) == NAMES for row in ran.rows)
    assert {row["kind"] for row in ran.rows} == {
        *("account", "control", "waiting", "dial", "unrouted", "returned", "retry"),
    }
    account, found = of_kind(ran, "account")[0], of_campaigns(ran)
    assert (account["account"], account["paused"], account["in_flight"]) == ("default", None, None)
    assert 2 <= found["spring"]["waiting"] <= 3  # a worker may hold the one whose slot comes next
    assert found["spring"]["paused"] is None
    assert (found["spring"]["pace"], account["pace"]) == (0.05, 0.05)
    assert found["spring"]["drained_in"] == account["drained_in"] == found["spring"]["waiting"] * 20
    paused = found["autumn"]
    assert (paused["waiting"], paused["pace"], paused["drained_in"]) == (2, 0.0, None)
    assert paused["paused"] == "campaign autumn by an operator: no agents"
    assert "normal autumn" in table.out
    assert "0.05/s" in table.out
    assert "account default: 0.05/s" in table.err
    assert "give CALLMQ_MANAGEMENT_URL" in table.err


async def test_an_account_that_is_refused_is_told_by_every_worker(w: World, callmq):
    w.sandbox.arm("status", status=401, times=1_000_000)
    slowly = {"CALLMQ_PROBE_INTERVAL": "30"}
    async with w.working(**slowly) as one, w.working(**slowly) as two:
        for n in range(20):
            assert (await w.client.send(DIAL, key=f"k{n}")).ok
        await until(lambda: not one.gates.works("default") and not two.gates.works("default"))
        ran = await shown(callmq, lambda ran: "2 workers" in str(of_kind(ran, "account")[0]["paused"]))
        assert of_kind(ran, "account")[0]["paused"] == "http 401 (2 workers)"
        ran = await shown(callmq, lambda ran: of_kind(ran, "account")[0]["pace"] == 0)
        assert of_kind(ran, "control")[0]["paused"] == "the account"
    ran = await callmq("lanes", "--json")
    assert of_kind(ran, "account")[0]["paused"] == "no worker works for it"


async def test_what_is_in_flight_comes_from_the_management_api(w: World, callmq, seeing):
    async with w.working() as worker:
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        w.sandbox.arm("retry_after", retry_after="50", match={"key": "a"})
        for key in ("a", "b"):
            assert (await w.client.send(call, key=key, expires_at=int(time.time() * 1000) + 600_000)).ok
        await until(lambda: worker.runner.in_flight == 2)
        ran = await shown(callmq, lambda ran: of_kind(ran, "control")[0]["in_flight"] == 2, **seeing)
        words = await callmq("lanes", **seeing)
        await callmq("cancel", "--call", call["id"])
    assert of_kind(ran, "account")[0]["in_flight"] == 2
    assert of_kind(ran, "control")[0]["waiting"] == 0
    assert "CALLMQ_MANAGEMENT_URL" not in words.err


async def test_a_look_at_the_oldest_takes_nothing_and_keeps_the_order(w: World, callmq):
    async with w.working(CALLMQ_DIAL_RATE="10") as worker:
        assert (await callmq("pause", "--campaign", "spring")).code == 0
        await until(lambda: "spring" in worker.controls.paused_campaigns)
        for n in range(3):
            assert (await w.client.send(DIAL, key=f"spring{n}", campaign="spring")).ok
            ran = await shown(callmq, lambda ran, n=n: of_kind(ran, "account")[0]["waiting"] == n + 1)
        assert of_campaigns(ran)["spring"]["age"] is None
        for _ in range(2):
            row = of_campaigns(await callmq("lanes", "--json", "--oldest"))["spring"]
            assert row["waiting"] == 3
            assert 0 <= row["age"] < 60
        assert (await callmq("resume", "--campaign", "spring")).code == 0
        for n in range(3):
            assert (await w.reply(f"spring{n}"))["outcome"] == "succeeded"
    sent = [entry.subject.key or "" for entry in w.sandbox.journal.since(0)]
    assert sent == ["spring0", "spring1", "spring2"]


async def test_one_account_alone(w: World, callmq, tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        '[accounts.north]\nspace = "example"\nproject_id = "p"\napi_token = "canary-token-north"\nrate = 2.5\n'
    )
    more = {"CALLMQ_CONFIG": str(config)}
    async with w.working(**more):
        both = await callmq("lanes", "--json", **more)
        ran = await callmq("lanes", "--json", "--account", "north", **more)
        wrong = await callmq("lanes", "--account", "south", **more)
    assert [row["account"] for row in of_kind(both, "account")] == ["default", "north"]
    assert [(r["kind"], r["lane"], r["pace"]) for r in ran.rows] == [
        ("account", None, 2.5),
        ("control", "callmq.control.north", None),
    ]
    assert (wrong.code, wrong.out) == (2, "")
    assert "default, north" in wrong.err
    assert "canary" not in both.out + both.err + wrong.err


async def test_what_is_not_there_yet_is_said_to_be_missing(w: World, callmq):
    async with w.working():
        pass
    await w.admin.queue_delete("callmq.retry.5s")
    ran = await callmq("lanes", "--json")
    found = {row["lane"]: row for row in ran.rows}
    assert (found["callmq.retry.5s"]["waiting"], found["callmq.retry.5s"]["paused"]) == (None, "there is no such queue")
    assert found["callmq.retry.30s"]["waiting"] == 0


@pytest.mark.parametrize("words", [("--account",), ("--wrong",), ("north",), ("--account", "nobody")])
async def test_wrong_usage(callmq, words):
    ran = await callmq("lanes", *words)
    assert (ran.code, ran.out) == (2, "")


async def test_what_is_not_reached_is_named(w: World, callmq, node, unused_tcp_port):
    ran = await callmq("lanes")
    assert (ran.code, "CALLMQ_LEDGER_URL" in ran.err) == (3, True)
    async with w.working():
        pass
    away = await callmq("lanes", CALLMQ_AMQP_URL=f"amqp://127.0.0.1:{unused_tcp_port}/{quote(vhost_of(w.amqp_url))}")
    assert (away.code, "The broker could not be used" in away.err) == (3, True)
    url = node.administration._http
    stranger = url._replace(netloc=f"someone:canary-word@{url.hostname}:{url.port}").geturl()
    refused = await callmq("lanes", CALLMQ_MANAGEMENT_URL=stranger)
    assert (refused.code, "CALLMQ_MANAGEMENT_URL" in refused.err) == (3, True)
    assert "canary" not in refused.err
