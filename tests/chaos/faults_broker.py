"""What happens to the broker, and to what lies on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from urllib.parse import quote

from callmq_demo.administration import vhost_of
from callmq_demo.faults import BrokerError
from chaos.kinds import IdleError, bitten, kind
from chaos.observer import NAMES, WATCH
from chaos.stage import Stage
from silence import silent


@kind("broker", weight=2)
async def close_connections(stage: Stage, _: random.Random) -> str:
    """The broker closes every connection, the producer's too."""
    names = [each["name"] for each in await stage.api("GET", f"/api/vhosts/{stage.vhost}/connections")]
    for name in names:
        with contextlib.suppress(BrokerError):  # gone meanwhile
            await stage.api("DELETE", f"/api/connections/{quote(name, safe='')}")
    return bitten(len(names), f"{len(names)} connections")


@kind("broker", weight=0.4)
async def restart_broker(stage: Stage, chance: random.Random) -> str:
    """A clean stop, or a kill -9, and the start."""
    killed = chance.random() < 0.5
    pid = stage.node.pid
    if killed:
        stage.node.crash()
    else:
        stage.node._broker.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        await asyncio.to_thread(stage.node._broker.wait, 60)  # type: ignore[union-attr]
        stage.node.crash()  # what it started beside itself
    await asyncio.to_thread(stage.node.boot)
    unled = await _elect(stage)
    return f"{'killed' if killed else 'stopped'} as {pid}{f', {unled} queues without a leader' if unled else ''}"


async def _elect(stage: Stage) -> int:
    """Do what an operator does for queues that a kill met while they were declared; return how many.

    RabbitMQ 3.10 starts such a queue with no vote behind it, and then it never asks for one (docs/brokers.md).
    """
    names = "[N || Q <- rabbit_amqqueue:list(), {N, _} <- [amqqueue:get_pid(Q)]]"
    unled = f"[N || N <- {names}, element(1, ra:members({{N, node()}}, 3000)) =/= ok]"
    told = await stage.evaluate(f"Unled = {unled}, [ra:trigger_election({{N, node()}}) || N <- Unled], length(Unled).")
    return int(told)


@kind("broker")
async def silent_dials(stage: Stage, chance: random.Random) -> str:
    """One queue of waiting dials does not answer, for longer than anybody waits for it."""
    queues = await stage.api("GET", f"/api/queues/{stage.vhost}?disable_stats=true&columns=name")
    names = sorted(each["name"] for each in queues if each["name"].startswith(f"{NAMES.dial}."))
    name, seconds = chance.choice(names or [""]), chance.uniform(3.0, 12.0)
    bitten(len(names), "no queue of dials was made yet")
    async with silent(stage.node, vhost_of(stage.url), name):
        await asyncio.sleep(seconds)
    return f"{name} for {seconds:.1f} s"


@kind("broker", weight=0.5)
async def freeze_broker(stage: Stage, chance: random.Random) -> str:
    """SIGSTOP of the node for a while."""
    seconds = chance.uniform(1, 4)
    pid = stage.node.pid
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    os.kill(pid, signal.SIGCONT)
    return f"{seconds:.1f} s"


async def _alarm(stage: Stage, chance: random.Random, what: str) -> str:
    seconds = chance.uniform(1, 4)
    alarm = f"{{resource_limit, {what}, node()}}"
    await stage.evaluate(f"rabbit_alarm:set_alarm({{{alarm}, []}}).")
    try:
        await asyncio.sleep(seconds)
    finally:
        await stage.evaluate(f"rabbit_alarm:clear_alarm({alarm}).")
    return f"{seconds:.1f} s"


@kind("broker", weight=0.5)
async def memory_alarm(stage: Stage, chance: random.Random) -> str:
    return await _alarm(stage, chance, "memory")


@kind("broker", weight=0.5)
async def disk_alarm(stage: Stage, chance: random.Random) -> str:
    return await _alarm(stage, chance, "disk")


@kind("broker")
async def delete_lane(stage: Stage, chance: random.Random) -> str:
    """A lane's queue is deleted while nothing confirmed lies in it, under its consumers; a worker makes it again."""
    name = chance.choice((NAMES.dial, NAMES.control))
    stage.producer.held.clear()
    try:
        until = time.monotonic() + 30
        while (stage.producer.outstanding or stage.producer.under_way) and time.monotonic() < until:
            await asyncio.sleep(0.05)
        if stage.producer.outstanding or stage.producer.under_way:
            raise IdleError(f"{name} was never empty")
        await stage.api("DELETE", f"/api/queues/{stage.vhost}/{quote(name, safe='')}")
    finally:
        stage.producer.held.set()
    return name


@kind("broker")
async def delete_replies(stage: Stage, chance: random.Random) -> str:
    """The reply exchange is missing for a while; a worker may make it again at once."""
    seconds = chance.uniform(0.2, 2.0)
    await stage.api("DELETE", f"/api/exchanges/{stage.vhost}/{NAMES.replies}")
    await asyncio.sleep(seconds)
    with contextlib.suppress(BrokerError):
        await stage.api("PUT", f"/api/exchanges/{stage.vhost}/{NAMES.replies}", {"type": "topic", "durable": True})
    return f"{seconds:.1f} s"


@kind("broker")
async def full_replies(stage: Stage, chance: random.Random) -> str:
    """A queue of replies is full and refuses: the broker nacks every reply."""
    seconds = chance.uniform(0.5, 2.0)
    full = {"durable": True, "arguments": {"x-max-length": 0, "x-overflow": "reject-publish"}}
    await stage.api("PUT", f"/api/queues/{stage.vhost}/full", full)
    await stage.api("POST", f"/api/bindings/{stage.vhost}/e/{WATCH}/q/full", {})
    await asyncio.sleep(seconds)
    await stage.api("DELETE", f"/api/queues/{stage.vhost}/full")
    return f"{seconds:.1f} s"
