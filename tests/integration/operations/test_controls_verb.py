"""What an operator says reaches commands wherever they wait, on all workers, and outlasts them."""

from __future__ import annotations

import time

import pytest

from callmq_contracts.examples import EXAMPLES
from operator_verb import run_verb
from world import until, world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
SLOW = {"CALLMQ_DIAL_RATE": "0.02"}


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.fixture
def callmq(w):
    async def run(*words: str):
        settings = {"CALLMQ_AMQP_URL": w.amqp_url, "CALLMQ_LEDGER_URL": f"sqlite:///{w.ledger}"}
        return await run_verb(settings, *words)

    return run


async def test_a_campaign_that_waits_is_answered_at_once_on_two_workers_and_the_rest_goes_on(w, callmq):
    async with w.working(**SLOW), w.working(**SLOW):
        await w.client.send(DIAL, key="first")
        await w.reply("first")  # the next slot is far away
        for n in range(40):
            assert (await w.client.send(DIAL, key=f"s{n}", campaign="spring")).ok
        ran = await callmq("cancel", "--campaign", "spring", "--json")
        assert (ran.code, ran.rows[0]["scope"]) == (0, "campaign")
        for n in range(40):
            reply = await w.reply(f"s{n}")
            assert (reply["outcome"], reply["problem"]["code"], reply["attempts"]) == ("cancelled", "cancelled", 0)
        assert [w.acted(f"s{n}") for n in range(40)] == [0] * 40
        assert await w.queued("callmq.dead") == []


async def test_a_key_is_cancelled_before_any_worker_lives_and_stays_so_when_it_comes_again(w, callmq):
    async with w.working():
        pass
    assert (await w.client.send(DIAL, key="k1")).ok
    assert (await callmq("cancel", "--key", "k1")).code == 0
    async with w.working():
        assert (await w.reply("k1"))["outcome"] == "cancelled"
    async with w.working():
        assert (await callmq("cancel", "--key", "k1", "--lift")).code == 0
        assert (await w.client.send(DIAL, key="k1")).ok
        again = await w.reply("k1", 2)
    assert (again["outcome"], again["replayed"]) == ("cancelled", True)
    assert w.acted("k1") == 0


async def test_a_call_is_cancelled_while_its_commands_wait_for_a_retry(w, callmq):
    async with w.working() as worker:
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        w.sandbox.arm("retry_after", retry_after="50", match={"key": "a"})
        ends = int(time.time() * 1000) + 600_000
        for key in ("a", "b"):
            assert (await w.client.send(call, key=key, expires_at=ends)).ok
        await until(lambda: worker.runner.in_flight == 2 and w.sandbox.journal.received >= 2)
        assert (await callmq("cancel", "--call", call["id"].upper())).code == 0
        assert [(await w.reply(key))["outcome"] for key in ("a", "b")] == ["cancelled", "cancelled"]
    assert [w.acted(key) for key in ("a", "b")] == [0, 0]


async def test_a_paused_campaign_waits_and_goes_on_when_it_is_resumed(w, callmq):
    async with w.working() as worker:
        assert (await callmq("pause", "--campaign", "spring", "--why", "no agents")).code == 0
        await until(lambda: "spring" in worker.controls.paused_campaigns)
        assert (await w.client.send(DIAL, key="s", campaign="spring")).ok
        assert (await w.client.send(DIAL, key="o", campaign="other")).ok
        assert (await w.reply("o"))["outcome"] == "succeeded"
        assert w.acted("s") == 0
        listed = await callmq("controls", "--json")
        assert [(row["scope"], row["name"], row["why"]) for row in listed.rows] == [("campaign", "spring", "no agents")]
        assert (await callmq("resume", "--campaign", "spring")).code == 0
        assert (await w.reply("s"))["outcome"] == "succeeded"
        assert (await callmq("resume", "--campaign", "spring")).code == 1


async def test_a_paused_account_takes_nothing_and_says_why(w, callmq):
    async with w.working() as worker:
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        assert (await callmq("pause", "--account", "default", "--why", "audit")).code == 0
        await until(lambda: not worker.gates.works("default"))
        for body, key in ((DIAL, "d2"), (call, "c")):
            assert (await w.client.send(body, key=key)).ok
        await until(lambda: not worker.runner.readiness()[0])
        assert "audit" in str(worker.runner.readiness()[1]["paused"])
        assert w.sandbox.journal.received == 1
        assert (await callmq("resume", "--account", "default")).code == 0
        assert [(await w.reply(key))["outcome"] for key in ("d2", "c")] == ["succeeded", "succeeded"]


@pytest.mark.parametrize(
    "words",
    [
        ("cancel",), ("cancel", "--account", "a"), ("cancel", "--key", "k", "--campaign", "c"), ("cancel", "--key", ""),
        ("cancel", "--call", "7"), ("cancel", "--key", "k", "--for", "x"), ("pause", "--key", "k"), ("pause",),
        ("resume",),
    ],
)  # fmt: skip
async def test_wrong_usage_changes_nothing(callmq, words):
    ran = await callmq(*words)
    assert ran.code == 2
    assert ran.out == ""


async def test_without_a_ledger_it_says_so(callmq):
    assert (await callmq("cancel", "--key", "k")).code == 3
