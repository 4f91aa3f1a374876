"""What the broker does to a channel, a consumer or a binding while the connections live; and who holds a lane next."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import signal
import time
from urllib.parse import quote

from callmq_demo.administration import vhost_of
from callmq_demo.faults import BrokerError
from callmq_worker.core.layout import control_lanes
from chaos.crew import Worker
from chaos.faults_endpoint import armed
from chaos.kinds import IdleError, bitten, kind
from chaos.observer import NAMES
from chaos.stage import Stage

PATIENCE_MS, HELD_SECONDS = 1000, 2.5
FAILS_OVER_WITHIN = 30.0
# From which port a channel's client speaks; none where it ended meanwhile.
PORT = """
Port = fun(Channel) ->
    try
        [{connection, Connection}] = rabbit_channel:info(Channel, [connection]),
        [{peer_port, Number}] = rabbit_networking:connection_info(Connection, [peer_port]),
        Number
    catch _:_ -> none end
end,
"""
# An acknowledgement of what was never delivered, as if the client had sent it: the broker closes the channel.
CLOSE = """
Consumes = fun(Channel) -> try rabbit_channel:info(Channel, [consumer_count]) =/= [{consumer_count, 0}]
    catch _:_ -> none end end,
Found = [C || C <- rabbit_channel:list_local(), lists:member(Port(C), PORTS), lists:member(Consumes(C), WHICH)],
[rabbit_channel:do(C, {'basic.ack', 999999999, false}) || C <- Found],
length(Found).
"""
CHANNELS = {"lanes": "[true]", "publishing": "[false]", "all": "[true, false]"}
# Who is the active one among the consumers of a queue.
HOLDER = """
case rabbit_amqqueue:lookup({resource, <<"VHOST">>, queue, <<"QUEUE">>}) of
    {ok, Queue} -> [Port(element(1, C)) || C <- rabbit_amqqueue:consumers(Queue), element(5, C)];
    _ -> []
end.
"""


@kind("broker", weight=2)
async def close_channels(stage: Stage, chance: random.Random) -> str:
    """The broker closes a worker's channels, and its connections live."""
    worker, which = chance.choice(stage.workers), chance.choice(sorted(CHANNELS))
    with contextlib.suppress(AssertionError):  # it ends by an earlier fault
        await worker.ready()
    count = await stage.evaluate(
        PORT + CLOSE.replace("PORTS", str(sorted(worker.proxy.ports))).replace("WHICH", CHANNELS[which])
    )
    return bitten(int(count), f"worker {worker.number}, {which}: {count.strip()} channels")


@kind("broker")
async def acknowledgement_timeout(stage: Stage, chance: random.Random) -> str:
    """The broker's patience ends while requests hang: new channels of one worker are closed under its deliveries."""
    worker = chance.choice(stage.workers)
    closed = _timed_out(stage)
    before = (await stage.evaluate("element(2, application:get_env(rabbit, consumer_timeout)).")).strip()
    await _patience(stage, PATIENCE_MS)
    try:
        worker.proxy.reset()  # a channel keeps the patience that it began with
        await asyncio.sleep(0.5)
        await worker.ready()
        async with armed(stage, "hang", times=0, acts=True):
            await asyncio.sleep(HELD_SECONDS)
        held = stage.sandbox.release()
    finally:
        await _patience(stage, before)
        worker.proxy.reset()
    closed = _timed_out(stage) - closed
    return bitten(closed, f"worker {worker.number}, {held} requests held, {closed} channels timed out")


def _timed_out(stage: Stage) -> int:
    logs = (stage.node.layout.folder / "log").glob("*.log")
    return sum(log.read_text(errors="replace").count("has timed out waiting") for log in logs)


async def _patience(stage: Stage, value: object) -> None:
    await stage.evaluate(
        "[application:set_env(rabbit, Name, Value) || {Name, Value} <- "
        f"[{{consumer_timeout, {value}}}, {{channel_tick_interval, 200}}]]."
    )


@kind("broker")
async def lose_binding(stage: Stage, chance: random.Random) -> str:
    """A queue's bindings are gone: of a lane or of the dead letters."""
    queue = chance.choice((NAMES.dial, NAMES.control, NAMES.dead))
    gone = 0
    for binding in await stage.api("GET", f"/api/queues/{stage.vhost}/{quote(queue, safe='')}/bindings"):
        if source := binding["source"]:
            way = f"e/{quote(source, safe='')}/q/{quote(queue, safe='')}/{quote(binding['properties_key'], safe='')}"
            with contextlib.suppress(BrokerError):  # gone meanwhile
                await stage.api("DELETE", f"/api/bindings/{stage.vhost}/{way}")
                gone += 1
    await asyncio.sleep(1.0)
    chance.choice(stage.workers).proxy.reset()  # whoever connects again makes it again
    return bitten(gone, f"{gone} of {queue}")


async def holder(stage: Stage) -> Worker | None:
    """Return the worker whom the broker gives the commands of live calls, or of a shard, as soon as there is one."""
    queue = control_lanes(NAMES, "default", stage.shards)[-1].queue
    for _ in range(10):
        asked = HOLDER.replace("VHOST", vhost_of(stage.url)).replace("QUEUE", queue)
        ports = {int(port) for port in re.findall(r"\d+", await stage.evaluate(PORT + asked))}
        for worker in stage.workers:
            if worker.proxy.ports & ports:
                return worker
        await asyncio.sleep(0.5)
    return None


async def _fail_over(stage: Stage, number: signal.Signals) -> str:
    worker = await holder(stage)
    if worker is None:
        raise IdleError("nobody holds the lane")
    after = stage.sandbox.journal.received
    began, until = time.time(), time.monotonic() + FAILS_OVER_WITHIN
    worker.signal(number)
    while time.monotonic() < until:
        stage.producer.allowed += 2
        for entry in stage.sandbox.journal.since(after):
            after = entry.number
            command, other = entry.subject.command or "", stage.sandbox.through.get(entry.number) != worker.number
            if entry.time >= began and other and command not in ("", "dial", "calling.end"):
                seconds = entry.time - began
                stage.failover.append((number.name, seconds))
                await stage.crew.retire(worker)
                stage.crew.start(worker)
                return f"worker {worker.number}, another after {seconds:.2f} s"
        await asyncio.sleep(0.02)
    await stage.crew.retire(worker)
    stage.crew.start(worker)
    stage.failover.append((number.name, FAILS_OVER_WITHIN))
    return f"worker {worker.number}, no other within {FAILS_OVER_WITHIN:.0f} s"


@kind("worker", weight=2, blow=True, sweeps=True)
async def kill_holder(stage: Stage, _: random.Random) -> str:
    """kill -9 of the worker that holds the lane of live calls; another takes it over."""
    return await _fail_over(stage, signal.SIGKILL)


@kind("worker", weight=2, blow=True, sweeps=True)
async def terminate_holder(stage: Stage, _: random.Random) -> str:
    """SIGTERM of the worker that holds the lane of live calls; another takes it over."""
    return await _fail_over(stage, signal.SIGTERM)
