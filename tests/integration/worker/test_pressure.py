"""An endpoint that fails for a while, with a real broker: nothing is lost."""

from __future__ import annotations

import time

import pytest

from callmq_contracts.examples import EXAMPLES
from world import until, world

DIAL = EXAMPLES["dial"][0]
COUNT = 40


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


def soon() -> int:
    return int(time.time() * 1000) + 120_000


async def on_calls(w, count: int) -> list[dict]:
    for n in range(count):
        await w.client.send(DIAL, key=f"d{n}")
    calls = [(await w.reply(f"d{n}"))["call_id"] for n in range(count)]
    return [{**EXAMPLES["calling.denoise"][0], "id": call} for call in calls]


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "reset_before_acting"}])
async def test_an_endpoint_that_fails_is_tried_by_one_at_a_time_and_costs_no_command(w, fault):
    async with w.working(CALLMQ_PROBE_INTERVAL="1") as worker:
        bodies = await on_calls(w, 8)
        number = w.sandbox.arm(**fault, times=1_000_000)
        for n in range(COUNT):
            assert (await w.client.send(bodies[n % 8], key=f"k{n}", expires_at=soon())).ok
        await until(lambda: worker.gates.pauses("default") >= 4)
        assert worker.runner.readiness()[1]["paused"]["default"].startswith("endpoint fails: ")
        tried = len([e for e in w.sandbox.journal.since(0) if not e.acted])
        assert w.sandbox.faults.disarm(number)
        replies = [await w.reply(f"k{n}") for n in range(COUNT)]
        await until(lambda: worker.runner.readiness()[0])
    assert {r["outcome"] for r in replies} == {"succeeded"}
    assert tried < COUNT
    assert await w.queued("callmq.dead") == []


async def test_dials_that_were_not_sent_are_kept_and_sent_once(w, unused_tcp_port):
    async with w.working(
        CALLMQ_PROBE_INTERVAL="1", CALLMQ_ENDPOINT_URL=f"http://127.0.0.1:{unused_tcp_port}/"
    ) as worker:
        for n in range(COUNT):
            assert (await w.client.send(DIAL, key=f"k{n}")).ok
        await until(lambda: worker.gates.pauses("default") >= 3)
        assert worker.gates.paused["default"] == "endpoint fails: connection refused"
    async with w.working():
        replies = [await w.reply(f"k{n}") for n in range(COUNT)]
    assert {r["outcome"] for r in replies} == {"succeeded"}
    assert [w.acted(f"k{n}") for n in range(COUNT)] == [1] * COUNT
    assert await w.queued("callmq.dead") == []
