"""Shards of the control lane: they spread over the workers by themselves, and order holds while they move."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_demo.node import PrivateNode
from callmq_worker.core.layout import HASH_PLUGIN
from world import until, world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
SHARDS = {"CALLMQ_CONTROL_SHARDS": "4"}
CALLS = 12


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def live_calls(w, count: int) -> list[str]:
    for n in range(count):
        await w.client.send(DIAL, key=f"d{n}")
    return [(await w.reply(f"d{n}"))["call_id"] for n in range(count)]


async def events(w, calls: list[str], numbers: range) -> None:
    """Send an event on each call, round after round; its key says which."""
    expires_at = int(time.time() * 1000) + 60_000
    for n in numbers:
        for i, call in enumerate(calls):
            sent = await w.client.send({**EVENT, "id": call}, key=f"c{i}-{n}", expires_at=expires_at)
            assert sent.ok, sent


async def answered(w, calls: int, numbers: range) -> None:
    for n in numbers:
        for i in range(calls):
            assert (await w.reply(f"c{i}-{n}"))["outcome"] == "succeeded"


def acted(w, call: int) -> list[int]:
    keys = [e.subject.key for e in w.sandbox.journal.since(0) if e.acted]
    return [int(key.partition("-")[2]) for key in keys if key.startswith(f"c{call}-")]


def taken(worker) -> int:
    return sum(flight.taken for flight in worker.runner.accounts[0].flights[1:])


async def settled(*workers) -> None:
    """Wait until each shard is with the worker that should have it."""
    shards = [shard for worker in workers for shard in worker.runner.accounts[0]._shards]
    crews = [worker.runner._crew for worker in workers]

    queues = [shard._queue for shard in workers[0].runner.accounts[0]._shards]

    def spread() -> bool:
        owned = sum(crew.rival(queue) is None for crew in crews for queue in queues)
        return owned == len(queues) and not any(shard.in_the_way or shard._stepping for shard in shards)

    await until(spread)


async def all_take(w, *workers) -> None:
    """Send commands on new calls until each worker has taken one."""
    before = [taken(worker) for worker in workers]
    for n in range(200):
        await w.client.send(DIAL, key=f"new{n}")
        call = (await w.reply(f"new{n}"))["call_id"]
        assert (await w.client.send({**EVENT, "id": call}, key=f"newcall{n}")).ok
        assert (await w.reply(f"newcall{n}"))["outcome"] == "succeeded"
        if all(taken(worker) > earlier for worker, earlier in zip(workers, before, strict=True)):
            return
    pytest.fail("some worker takes nothing")


async def test_shards_spread_over_workers_that_come_and_go_and_order_holds(w):
    async with w.working(**SHARDS) as first:
        calls = await live_calls(w, CALLS)
        w.sandbox.arm("retry_after", retry_after="1", match={"key": "c1-3"}, times=1)
        w.sandbox.arm("delay", seconds=1.0, when="before_acting", match={"key": "c2-2"}, times=1)
        sending = asyncio.create_task(events(w, calls, range(30)))
        async with w.working(**SHARDS) as second, w.working(**SHARDS) as third:
            await settled(first, second, third)
            await sending
            await events(w, calls, range(30, 50))
            await answered(w, CALLS, range(50))
            await all_take(w, first, second, third)
            sending = asyncio.create_task(events(w, calls, range(50, 80)))
        await sending
        await answered(w, CALLS, range(80))
    assert [acted(w, n) for n in range(CALLS)] == [list(range(80))] * CALLS
    assert await w.queued("callmq.dead") == []


async def test_what_names_its_call_only_in_the_body_keeps_its_order(w):
    async with w.working(**SHARDS), w.working(**SHARDS):
        [call] = await live_calls(w, 1)
        w.sandbox.arm("retry_after", retry_after="1", match={"key": "c0-0"}, times=1)
        for n in range(10):
            headers = {"idempotency-key": f"c0-{n}"}
            body = orjson.dumps({**EVENT, "id": call})
            await w.put(body, EVENT["command"], headers=headers, content_type="application/json")
        await answered(w, 1, range(10))
    assert acted(w, 0) == list(range(10))


async def test_each_account_has_shards_of_its_own(w, tmp_path):
    file = tmp_path / "callmq.toml"
    file.write_text('[accounts.second]\nspace = "example"\nproject_id = "project"\napi_token = "canary-token-7e1f"\n')
    async with w.working(**SHARDS, CALLMQ_CONFIG=str(file)) as worker:
        [call] = await live_calls(w, 1)
        for n in range(5):
            assert (await w.client.send({**EVENT, "id": call}, key=f"s{n}", account="second")).ok
            assert (await w.reply(f"s{n}"))["outcome"] == "succeeded"
        assert {a.account: sum(flight.taken for flight in a.flights[1:]) for a in worker.runner.accounts}["second"] == 5


@pytest.mark.parametrize(("before", "after"), [("1", "3"), ("3", "1"), ("4", "2")])
async def test_what_waits_when_their_number_changes_is_done(w, before, after):
    async with w.working(CALLMQ_CONTROL_SHARDS=before):
        calls = await live_calls(w, CALLS)
    await events(w, calls, range(3))
    async with w.working(CALLMQ_CONTROL_SHARDS=after):
        await answered(w, CALLS, range(3))
        await events(w, calls, range(3, 6))
        await answered(w, CALLS, range(3, 6))
    assert [sorted(acted(w, n)) for n in range(CALLS)] == [list(range(6))] * CALLS
    assert len(w.replies) == CALLS * 7


async def test_without_the_plugin_the_lane_is_one_queue(w, monkeypatch, caplog):
    monkeypatch.setattr("callmq_worker.runner.CONSISTENT_HASH", "x-of-no-plugin")
    async with w.working(**SHARDS) as worker:
        calls = await live_calls(w, 2)
        await events(w, calls, range(5))
        await answered(w, 2, range(5))
        assert taken(worker) == 0
    assert "control lanes not sharded" in caplog.text
    assert [acted(w, n) for n in range(2)] == [list(range(5))] * 2


async def test_what_lies_in_shards_is_worked_off_where_the_plugin_was_switched_off(tmp_path, caplog):
    with PrivateNode() as node:
        plugins = node.layout.folder / "enabled_plugins"
        both = plugins.read_text()
        ledger = tmp_path / "l.db"
        async with world(node.amqp_url, ledger) as w:
            async with w.working(**SHARDS):
                await w.client.send(DIAL, key="d")
                call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
            for n in range(5):
                assert (await w.client.send(call, key=f"before{n}")).ok
        await restarted(node, both.replace(f",{HASH_PLUGIN}", ""))
        async with world(node.amqp_url, ledger) as w:
            async with w.working(**SHARDS) as worker:
                for n in range(5):
                    await w.reply(f"before{n}")
                single, *shards = (flight.taken for flight in worker.runner.accounts[0].flights)
                assert (single, sum(shards)) == (0, 5)
                assert (await w.client.send(call, key="after")).ok
                await w.reply("after")
                assert worker.runner.accounts[0].flight.taken == 1
            assert "control lanes not sharded" in caplog.text
            assert (await w.client.send(call, key="between")).ok
        await restarted(node, both)
        async with world(node.amqp_url, ledger) as w, w.working(**SHARDS) as worker:
            await w.reply("between")
            assert (await w.client.send(call, key="again")).ok
            await w.reply("again")
            single, *shards = (flight.taken for flight in worker.runner.accounts[0].flights)
            assert (single, sum(shards)) == (1, 1)


async def restarted(node: PrivateNode, plugins: str) -> None:
    """Start the broker's application again with other plugins."""
    await asyncio.to_thread(node.ctl, "stop_app")
    (node.layout.folder / "enabled_plugins").write_text(plugins)
    await asyncio.to_thread(node.ctl, "start_app")
    await until(node.administration.answers)
