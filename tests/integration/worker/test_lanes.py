"""Lanes on a real broker: the pace over all workers, fair turns, and accounts that stop for themselves alone."""

from __future__ import annotations

import time

import aio_pika
import pytest

from callmq_contracts.examples import EXAMPLES
from world import World, until, world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


def times(w: World) -> list[float]:
    return [entry.time for entry in w.sandbox.journal.since(0) if entry.acted]


async def waiting(w: World, account: str = "default") -> int:
    """Return how many dials lie in the first queue of an account."""
    async with await aio_pika.connect(w.amqp_url) as connection:
        channel = await connection.channel()
        try:
            queue = await channel.declare_queue(f"callmq.dial.{account}.1", passive=True)
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return 0
        return queue.declaration_result.message_count or 0


@pytest.fixture
def two_accounts(tmp_path, monkeypatch):
    file = tmp_path / "callmq.toml"
    file.write_text(
        '[accounts.second]\nspace = "second"\nproject_id = "other"\napi_token = "canary-token-2"\nrate = 0\n'
        "[campaigns.small]\nweight = 1\n"
    )
    return {"CALLMQ_CONFIG": str(file)}


async def test_two_workers_keep_one_pace_from_the_first_dial_on(w):
    async with w.working(CALLMQ_DIAL_RATE="5"), w.working(CALLMQ_DIAL_RATE="5"):
        for n in range(20):
            assert (await w.client.send(DIAL, key=f"k{n}")).ok
        for n in range(20):
            assert (await w.reply(f"k{n}"))["outcome"] == "succeeded"
    at = sorted(times(w))
    assert at[-1] - at[0] >= 19 * 0.2 * 0.98  # no faster than the pace, over all of it
    assert at[4] - at[0] >= 4 * 0.2 * 0.9  # and without a burst at the start


async def test_a_high_dial_passes_those_that_wait_and_a_small_campaign_is_not_starved(w):
    async with w.working(CALLMQ_DIAL_RATE="4"):
        for n in range(30):
            assert (await w.client.send(DIAL, key=f"big-{n}", campaign="big")).ok
        await until(lambda: len(times(w)) >= 2)
        assert (await w.client.send(DIAL, key="small", campaign="small")).ok
        assert (await w.client.send(DIAL, key="urgent", priority="high")).ok
        behind = len(times(w))
        await w.reply("small")
        await w.reply("urgent")
    order = [entry.subject.key for entry in w.sandbox.journal.since(0) if entry.acted]
    assert max(order.index("small"), order.index("urgent")) < behind + 12


async def test_nothing_is_held_that_waits_for_its_pace(w):
    async with w.working(CALLMQ_DIAL_RATE="0.1") as worker:
        for n in range(10):
            assert (await w.client.send(DIAL, key=f"k{n}")).ok
        await until(lambda: w.replies)  # whichever came first into the queue that was just made
        await until_waiting(w, 8)
        await until(lambda: worker.runner.in_flight == 0)


async def until_waiting(w: World, least: int) -> None:
    end = time.monotonic() + 10
    while await waiting(w) < least:
        assert time.monotonic() < end


async def test_an_account_that_is_refused_stops_alone_and_its_messages_stay(w, two_accounts):
    async with w.working(**two_accounts, CALLMQ_PROBE_INTERVAL="600") as worker:
        await w.client.send(DIAL, key="mine")
        call = {**EVENT, "id": (await w.reply("mine"))["call_id"]}
        await w.client.send(DIAL, key="refused", account="second")
        await until(lambda: not worker.gates.works("second"))
        for n in range(5):
            assert (await w.client.send(DIAL, key=f"s{n}", account="second")).ok
            assert (await w.client.send(call, key=f"c{n}", account="second")).ok
            assert (await w.client.send(call, key=f"d{n}")).ok
            assert (await w.reply(f"d{n}"))["outcome"] == "succeeded"
        end = time.monotonic() + 10
        while await waiting(w, "second") < 5:
            assert time.monotonic() < end
        lane = await w.admin.declare_queue("callmq.control.second", passive=True)
        assert lane.declaration_result.message_count == 5
        assert worker.runner.readiness()[0]


async def test_an_account_slows_down_at_once_where_the_endpoint_asks_for_less(w):
    async with w.working(CALLMQ_DIAL_RATE="20", CALLMQ_RETRY_TIERS="1s,5s"):
        w.sandbox.arm("retry_after", retry_after="3", times=1, match={"key": "k5"})
        for n in range(40):
            assert (await w.client.send(DIAL, key=f"k{n}")).ok
        for n in range(40):
            assert (await w.reply(f"k{n}"))["outcome"] == "succeeded"
    entries = [(entry.time, entry.status) for entry in w.sandbox.journal.since(0)]
    asked = next(at for at, status in entries if status == 429)
    after = [at - asked for at, _ in entries if at > asked]
    assert sum(seconds < 2.9 for seconds in after) <= 25  # the slots of a second were given by then, and no more
    assert sum(3 <= seconds < 4 for seconds in after) <= 15  # then at half the pace
