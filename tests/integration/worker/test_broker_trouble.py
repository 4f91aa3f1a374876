"""The broker goes, blocks, forgets: nothing is lost, nothing is sent twice, and readiness says what is wrong."""

import asyncio
import contextlib
import time
from urllib.parse import quote, urlsplit, urlunsplit

import orjson
import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.amqp import Hosts
from callmq_worker.ports import LedgerAwayError
from callmq_worker.settings import load
from callmq_worker.wiring import build
from world import environment, until, world

DIAL = EXAMPLES["dial"][0]


def close(administration, name: str) -> int:
    """Close the connections of this name, as an administrator would; the statistics lag a little behind."""
    for _ in range(200):
        found = [
            c["name"] for c in administration.call("GET", "/api/connections") if c.get("user_provided_name") == name
        ]
        if found:
            break
        time.sleep(0.05)
    for connection in found:
        administration.call("DELETE", f"/api/connections/{quote(connection, safe='')}")
    return len(found)


@contextlib.contextmanager
def powerless_user(administration, amqp_url: str):
    """Lend the URL of a user who may use all and create nothing."""
    parts = urlsplit(amqp_url)
    vhost = quote(parts.path[1:], safe="")
    administration.call("PUT", "/api/users/powerless", {"password": "canary-of-powerless", "tags": ""})
    rights = {"configure": "", "write": ".*", "read": ".*"}
    administration.call("PUT", f"/api/permissions/{vhost}/powerless", rights)
    yield urlunsplit(parts._replace(netloc=f"powerless:canary-of-powerless@{parts.hostname}:{parts.port}"))
    administration.call("DELETE", "/api/users/powerless")


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def test_a_connection_closed_in_mid_request_sends_nothing_twice(w, node):
    w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
    async with w.working(CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="30") as worker:
        await w.client.send(DIAL, key="k1")
        await w.sandbox.holding(1)
        assert close(node.administration, "callmq 0.1.0 consume") >= 1
        await until(lambda: not worker.runner.readiness()[0])
        w.sandbox.release()
        reply = await w.reply("k1")
        await until(lambda: worker.runner.readiness()[0])
        await w.client.send(DIAL, key="k2")
        assert (await w.reply("k2"))["outcome"] == "succeeded"
    assert reply["outcome"] == "succeeded"
    assert w.acted("k1") == 1


async def test_replies_without_an_exchange_are_owed_and_published_later(w, node):
    async with w.working():
        pass  # declares the topology, which the next worker may not
    with powerless_user(node.administration, w.amqp_url) as url:
        powerful, w.amqp_url = w.amqp_url, url
        async with w.working() as worker:
            await (await w.admin.get_exchange("callmq.replies")).delete()
            await w.client.send(DIAL, key="k1")
            await w.put(b"{", "dial", headers={"idempotency-key": "bad"})
            async with asyncio.timeout(20):
                while len(await worker.ledger.owed(10)) < 2:
                    await asyncio.sleep(0.01)
            await until(lambda: "topology" in worker.runner.readiness()[1])
            exchange = await w.admin.declare_exchange("callmq.replies", "topic", durable=True)
            await (await w.admin.get_queue("watch")).bind(exchange, "#")
            assert (await w.reply("k1"))["outcome"] == "succeeded"
            assert (await w.reply("bad"))["outcome"] == "rejected"
            await until(lambda: worker.runner.readiness()[0])
        w.amqp_url = powerful
    assert w.acted("k1") == 1


async def test_a_deleted_queue_is_made_again(w):
    async with w.working():
        queue = await w.admin.get_queue("callmq.dial")
        await queue.delete(if_empty=False, if_unused=False)
        async with asyncio.timeout(20):
            while not (await w.client.send(DIAL, key="k1")).ok:
                await asyncio.sleep(0.1)
        assert (await w.reply("k1"))["outcome"] == "succeeded"


async def test_a_lost_binding_is_made_again_at_the_next_connect(w):
    async with w.working():
        queue = await w.admin.get_queue("callmq.dial")
        await queue.unbind("callmq.commands", "dial")
    async with w.working():
        assert (await w.client.send(DIAL, key="k1")).ok
        assert (await w.reply("k1"))["outcome"] == "succeeded"


async def test_a_queue_with_other_settings_is_named_and_the_worker_is_not_ready(w):
    await w.admin.declare_queue("callmq.dial", durable=True)
    settings = load(environment(w.amqp_url, w.ledger, w.sandbox.url))
    worker = await build(settings, traced=False)
    running = asyncio.create_task(worker.run())
    await until(lambda: bool(worker.runner.condition.topology), running)
    ready, faults = worker.runner.readiness()
    worker.runner.stop()
    await running
    assert not ready
    assert any("'callmq.dial'" in fault and "other settings" in fault for fault in faults["topology"])


async def test_a_broker_that_is_away_at_the_start_is_waited_for(w, monkeypatch):
    settings = load(environment("amqp://guest:secret-canary@127.0.0.1:9/", w.ledger, w.sandbox.url))
    worker = await build(settings, traced=False)
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.runner.condition.broker not in (None, "not connected yet"), running)
    ready, faults = worker.runner.readiness()
    assert not ready
    assert "127.0.0.1:9" in faults["broker"]
    assert "secret-canary" not in str(faults)
    worker.runner._broker._hosts = Hosts((w.amqp_url,))
    await until(lambda: worker.runner.readiness()[0], running)
    worker.runner.stop()
    assert await running


async def test_a_wrong_password_is_said_and_not_shown(w):
    url = w.amqp_url.replace(w.amqp_url.split("://")[1].split("@")[0], "guest:secret-canary")
    worker = await build(load(environment(url, w.ledger, w.sandbox.url)), traced=False)
    running = asyncio.create_task(worker.run())
    await until(lambda: worker.runner.condition.broker not in (None, "not connected yet"), running)
    assert "refused" in (worker.runner.condition.broker or "")
    assert "secret-canary" not in (worker.runner.condition.broker or "")
    worker.runner.stop()
    await running


async def test_a_drain_finishes_what_is_in_flight_and_gives_back_the_rest(w):
    w.sandbox.arm("hang", match={"key": "k0"}, acts=True)
    async with w.working(CALLMQ_CONCURRENCY="1", CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="30") as worker:
        for n in range(5):
            await w.client.send(DIAL, key=f"k{n}")
        await w.sandbox.holding(1)
        worker.runner.stop()
        await until(lambda: not worker.runner.lanes[0].alive)
        w.sandbox.release()
    assert [r["idempotency_key"] for r in w.replies] == ["k0"] or (await w.reply("k0"))
    assert w.sandbox.journal.received == 1
    async with w.working():
        for n in range(1, 5):
            assert (await w.reply(f"k{n}"))["attempts"] == 1
    assert all(w.acted(f"k{n}") == 1 for n in range(5))


async def test_a_full_ledger_of_replies_survives_a_restart(w):
    async with w.working():
        await w.client.send(DIAL, key="k1")
        first = await w.reply("k1")
    async with w.working():
        await w.client.send(DIAL, key="k1")
        assert await w.reply("k1", 2) == {**first, "replayed": True}
    assert w.acted("k1") == 1
    assert orjson.loads(orjson.dumps(first)) == first


async def test_two_workers_on_one_ledger_send_each_once(w):
    async with w.working(), w.working():
        for n in range(60):
            await w.client.send(DIAL, key=f"k{n % 30}")
        for n in range(30):
            assert (await w.reply(f"k{n}", 2))["outcome"] == "succeeded"
    assert all(w.acted(f"k{n}") == 1 for n in range(30))


async def test_the_ledger_away_means_nothing_is_sent_and_nothing_lost(w):
    async with w.working() as worker:
        await w.client.send(DIAL, key="k0")
        await w.reply("k0")
        away = worker.runner._ledger
        real = away.transact

        async def broken(key, step):
            raise LedgerAwayError("the disk is gone")

        real_look = away.look
        away.transact = broken
        away.look = lambda key: broken(key, None)
        await w.client.send(DIAL, key="k1")
        await until(lambda: "ledger" in worker.runner.readiness()[1])
        assert w.acted("k1") == 0
        away.transact, away.look = real, real_look
        assert (await w.reply("k1"))["outcome"] == "succeeded"
        await until(lambda: worker.runner.readiness()[0])
    assert w.acted("k1") == 1


async def test_a_ledger_that_can_only_be_read_keeps_the_lanes_shut_and_the_messages_untouched(w, caplog):
    caplog.set_level("INFO", "callmq.runner")
    async with w.working() as worker:
        await w.client.send(DIAL, key="k0")
        await w.reply("k0")
        ledger = worker.runner._ledger
        real = ledger.transact

        async def full(key, step):
            raise LedgerAwayError("the disk is full")

        ledger.transact = full
        caplog.clear()
        await w.client.send(DIAL, key="k1")
        await until(lambda: worker.runner.condition.ledger is not None)
        await asyncio.sleep(2.0)  # in which the lanes were opened and shut, and the message returned, forty times
        assert "lanes open" not in caplog.text
        returned = await (await w.admin.get_queue("callmq.returned")).declare()
        assert not returned.message_count
        ledger.transact = real
        assert (await w.reply("k1"))["outcome"] == "succeeded"
    assert w.acted("k1") == 1


async def test_what_is_missing_is_mended_while_the_lanes_are_shut(w):
    more = {"CALLMQ_HTTP_DEADLINE": "1.5", "CALLMQ_LEASE": "4", "CALLMQ_PROBE_INTERVAL": "1"}
    async with w.working(**more) as worker:
        await w.admin.queue_delete("callmq.unknown")
        w.sandbox.arm("hang", match={"key": "lost"}, acts=True)
        w.sandbox.arm("status", status=401, times=1, match={"key": "refused"})
        assert (await w.client.send(DIAL, key="lost")).ok
        await w.sandbox.holding(1)
        assert (await w.client.send(DIAL, key="refused")).ok
        await until(lambda: not worker.gates.works("default"))
        assert (await w.reply("lost"))["outcome"] == "unknown"
        assert (await w.reply("refused"))["outcome"] == "succeeded"


async def test_followers_wait_for_one_in_flight_when_only_the_publishing_connection_is_lost(w, node):
    more = {"CALLMQ_HTTP_DEADLINE": "20", "CALLMQ_LEASE": "30"}
    async with w.working(**more):
        await w.client.send(DIAL, key="d")
        call = {**EXAMPLES["calling.user_event"][0], "id": (await w.reply("d"))["call_id"]}
        w.sandbox.arm("hang", match={"key": "a1"}, acts=True)
        for key in ("a1", "a2", "a3"):
            assert (await w.client.send(call, key=key, expires_at=int(time.time() * 1000) + 60_000)).ok
        await w.sandbox.holding(1)
        assert await asyncio.to_thread(close, node.administration, "callmq 0.1.0 publish") == 1
        await asyncio.sleep(1.0)
        assert [w.acted(key) for key in ("a2", "a3")] == [0, 0]
        w.sandbox.release()
        assert [(await w.reply(key))["outcome"] for key in ("a1", "a2", "a3")] == ["succeeded"] * 3


async def test_the_lanes_shut_as_soon_as_the_account_is_refused_whatever_is_in_flight(w):
    async with w.working(CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="30", CALLMQ_PROBE_INTERVAL="600") as worker:
        w.sandbox.arm("hang", match={"key": "slow"}, acts=True)
        w.sandbox.arm("status", status=401, match={"key": "refused"})
        assert (await w.client.send(DIAL, key="slow")).ok
        await w.sandbox.holding(1)
        assert (await w.client.send(DIAL, key="refused")).ok
        await until(lambda: not worker.runner.accounts[0].alive)
        assert worker.runner.in_flight
        w.sandbox.release()
        assert (await w.reply("slow"))["outcome"] == "succeeded"


async def test_the_lanes_open_as_soon_as_the_account_works_whatever_is_in_flight(w):
    more = {"CALLMQ_HTTP_DEADLINE": "60", "CALLMQ_LEASE": "70", "CALLMQ_PROBE_INTERVAL": "3"}
    async with w.working(**more) as worker:
        calls = []
        for key in ("d1", "d2"):
            await w.client.send(DIAL, key=key)
            calls.append({**EXAMPLES["calling.user_event"][0], "id": (await w.reply(key))["call_id"]})
        w.sandbox.arm("status", status=401, times=1, match={"key": "refused"})
        w.sandbox.arm("hang", match={"key": "slow"}, acts=True)
        assert (await w.client.send(DIAL, key="refused")).ok
        await until(lambda: not worker.gates.works("default"))
        for key, call in zip(("probe", "slow"), calls, strict=True):  # the first lane that a probe looks into
            assert (await w.client.send(call, key=key, expires_at=int(time.time() * 1000) + 60_000)).ok
        assert (await w.client.send(DIAL, key="later")).ok
        assert (await w.reply("later"))["outcome"] == "succeeded"
        await w.sandbox.holding(1)
        w.sandbox.release()
        assert (await w.reply("slow"))["outcome"] == "succeeded"
