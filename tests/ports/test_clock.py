"""The real clock, and the one that tests and the simulation move."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.memory import ManualClock

if TYPE_CHECKING:
    from callmq_worker.ports import Clock


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock(chances=7)], ids=["system", "manual"])
async def test_every_clock(clock: Clock):
    drawn = [clock.chance() for _ in range(100)]
    assert all(0 <= chance < 1 for chance in drawn)
    assert len(set(drawn)) > 50
    assert clock.monotonic() <= clock.monotonic()
    await clock.sleep(0)
    await clock.sleep(-1)


async def test_the_system_clock_tells_the_time():
    clock = SystemClock()
    before = time.time(), time.monotonic()
    await clock.sleep(0.001)
    assert before[0] <= clock.now() <= time.time()
    assert before[1] < clock.monotonic() <= time.monotonic()


async def test_sleepers_wake_in_order_each_at_its_moment():
    clock, woken = ManualClock(now=100), []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.now(), clock.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sleeper("long", 10))
        tasks.create_task(sleeper("short", 3, 3, 3))
        await clock.advance(2.5)
        assert (woken, clock.sleepers) == ([], 2)
        await clock.advance(7.5)
    assert woken == [("short", 103, 3), ("short", 106, 6), ("short", 109, 9), ("long", 110, 10)]
    assert clock.now() == 110


async def test_time_stands_still_until_it_is_moved():
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await clock.advance(0.999)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0
    await clock.advance(1)


async def test_an_automatic_clock_jumps_when_everybody_sleeps():
    clock, woken = ManualClock(now=0, auto=True), []

    async def sleeper(name: str, *naps: float) -> None:
        for nap in naps:
            await clock.sleep(nap)
            woken.append((name, clock.now()))

    given_up = asyncio.create_task(clock.sleep(1e9))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(sleeper("hour", 3600), sleeper("minute", 60, 60), sleeper("same", 60))
    assert woken == [("minute", 60), ("same", 60), ("minute", 120), ("hour", 3600)]


def test_chances_repeat_or_follow_their_seed():
    clock = ManualClock(chances=(0.1, 0.9))
    assert [clock.chance() for _ in range(5)] == [0.1, 0.9, 0.1, 0.9, 0.1]
    first, second, third = ([ManualClock(chances=seed).chance() for _ in range(3)] for seed in (1, 1, 2))
    assert first == second != third
