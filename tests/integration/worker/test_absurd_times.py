"""Times that nobody should say: waits of ten years and of less than nothing, lifetimes without an end."""

from __future__ import annotations

import datetime as dt
import time

import orjson
import pytest

from callmq_contracts.examples import EXAMPLES
from world import world

DIAL = EXAMPLES["dial"][0]
EVENT = EXAMPLES["calling.user_event"][0]
TEN_YEARS = str(10 * 365 * 86_400)
LAST_MOMENT = 253_402_300_799_000  # of the year 9999, in milliseconds


def date(seconds: float) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.mark.parametrize(
    "said",
    [
        "-5",
        "-315360000",
        "soon",
        "1.5",
        "",
        pytest.param(date(-3600), id="an hour ago"),
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Wed, 99 Foo 2026",
    ],
)
async def test_a_wait_of_no_time_is_none(w, said):
    w.sandbox.arm("retry_after", retry_after=said, match={"key": "k1"}, times=1)
    async with w.working():
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
    assert (reply["outcome"], reply["attempts"]) == ("succeeded", 2)
    assert w.acted("k1") == 1


async def test_a_wait_until_a_date_is_kept(w):
    until = date(4)  # whole seconds: three at least
    w.sandbox.arm("retry_after", retry_after=until, match={"key": "k1"}, times=1)
    async with w.working():
        await w.client.send(DIAL, key="k1")
        assert (await w.reply("k1"))["outcome"] == "succeeded"
    [at] = [entry.time for entry in w.sandbox.journal.since(0) if entry.acted]
    named = dt.datetime.strptime(until, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.UTC)
    assert at >= named.timestamp()


@pytest.mark.parametrize("said", [TEN_YEARS, "9" * 40, "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_wait_of_ten_years_is_told_at_once_and_holds_up_no_live_call(w, said):
    async with w.working():
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        w.sandbox.arm("retry_after", retry_after=said, match={"key": "k1"})
        w.sandbox.arm("retry_after", retry_after=said, match={"key": "c1"})
        await w.client.send(DIAL, key="k1")
        reply = await w.reply("k1")
        assert (await w.client.send(call, key="c1")).ok
        assert (await w.client.send(call, key="c2")).ok
        followers = [await w.reply("c1"), await w.reply("c2")]
    for each in (reply, followers[0]):
        assert (each["outcome"], each["problem"]["code"], each["attempts"]) == ("failed", "lifetime_exhausted", 1)
    assert followers[1]["outcome"] == "succeeded"


async def test_a_lifetime_to_the_year_9999_ends_with_the_memory_of_its_key(w):
    async with w.working():
        for key, told in (("k1", LAST_MOMENT), ("k2", "9999-12-31T23:59:59Z")):
            headers = {"idempotency-key": key, "expires-at": told}
            await w.put(orjson.dumps(DIAL), "dial", headers=headers, content_type="application/json")
            assert (await w.reply(key))["outcome"] == "succeeded"


async def test_a_message_from_the_future_lives_no_longer_than_others(w):
    w.sandbox.arm("retry_after", retry_after="40", match={"key": "c1"})
    async with w.working():
        await w.client.send(DIAL, key="d")
        call = {**EVENT, "id": (await w.reply("d"))["call_id"]}
        headers = {"idempotency-key": "c1"}
        await w.put(orjson.dumps(call), EVENT["command"], headers=headers, content_type="application/json",
                    timestamp=time.time() + 86_400)  # fmt: skip
        reply = await w.reply("c1")
    assert (reply["outcome"], reply["problem"]["code"]) == ("failed", "lifetime_exhausted")
