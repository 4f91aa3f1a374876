"""A command that the catalogue does not know, let through by its name: from a producer to the endpoint and back."""

from __future__ import annotations

import orjson
import pytest

from callmq import Client
from callmq_contracts import EXAMPLE_CALL_ID
from world import world

EXTRA = {"CALLMQ_EXTRA_COMMANDS": "calling.join_conference=30s,queue.join=1h"}
JOIN = {"command": "calling.join_conference", "id": EXAMPLE_CALL_ID, "params": {"name": "daily", "unheard": [1, None]}}
QUEUE = {"command": "queue.join", "params": {"queue": "north"}, "beside": {"is": "kept"}}


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


def knows(w, command: str) -> None:
    """Teach the sandbox a command that its own catalogue does not have either."""
    w.sandbox.arm("status", status=200, body={"id": EXAMPLE_CALL_ID}, match={"command": command}, times=0)


@pytest.mark.parametrize("body", [JOIN, QUEUE], ids=["by calling.#", "unrouted"])
async def test_it_is_done_once_and_answered(w, body):
    name = body["command"]
    knows(w, name)
    async with w.working(**EXTRA):
        headers = {"idempotency-key": "k1"}
        await w.put(orjson.dumps(body), name, headers=headers, app_id="stranger")
        first = await w.reply("k1")
        await w.put(orjson.dumps(body), name, headers=headers, app_id="stranger")
        second = await w.reply("k1", 2)
        other = {**body, "params": {}}
        await w.put(orjson.dumps(other), name, headers=headers, app_id="stranger")
        third = await w.reply("k1", 3)
    assert (first["outcome"], first["command"], first["http_status"]) == ("succeeded", name, 200), first
    assert first["leniencies"] == []
    assert second == {**first, "replayed": True}
    assert third["problem"]["code"] == "idempotency_conflict"
    assert [key for key, _ in w.keys[:2]] == [f"stranger.{name}.succeeded"] * 2
    assert w.sandbox.journal.received == 1


async def test_it_is_unsafe(w):
    w.sandbox.arm("reset_after_reading", match={"key": "k1"})
    async with w.working(**EXTRA):
        await w.put(orjson.dumps(JOIN), JOIN["command"], headers={"idempotency-key": "k1"})
        unknown = await w.reply("k1")
        await w.put(orjson.dumps(JOIN), JOIN["command"])
        rejected = await w.reply(None)
    assert unknown["outcome"] == "unknown"
    assert rejected["problem"]["code"] == "missing_idempotency_key"
    assert rejected["command"] == JOIN["command"]
    assert w.sandbox.journal.received == 1


async def test_it_keeps_its_place_in_the_order_of_its_call(w):
    w.sandbox.arm("status", status=429, match={"key": "k0"}, times=2)
    knows(w, JOIN["command"])
    async with w.working(**EXTRA), Client(w.amqp_url, extra_commands=EXTRA["CALLMQ_EXTRA_COMMANDS"]) as client:
        for n in range(4):
            assert (await client.send(JOIN, key=f"k{n}")).ok
        for n in range(4):
            assert (await w.reply(f"k{n}"))["outcome"] == "succeeded"
    assert [e.subject.key for e in w.sandbox.journal.since(0)] == ["k0", "k0", "k0", "k1", "k2", "k3"]


async def test_without_the_setting_it_is_unknown(w):
    async with w.working():
        await w.put(orjson.dumps(JOIN), JOIN["command"], headers={"idempotency-key": "k1"})
        reply = await w.reply("k1")
        dead = await w.one("callmq.dead")
    assert (reply["outcome"], reply["problem"]["code"], reply["command"]) == ("rejected", "unknown_command", None)
    assert dead.routing_key == "rejected.unknown_command"
    assert w.sandbox.journal.received == 0
