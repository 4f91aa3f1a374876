"""What happens to a cluster. Each case does its harm to the node that leads the lanes, and has it undone at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from callmq_worker.adapters.amqp import HEARTBEAT
from chaos.cluster_nodes import TICK_SECONDS, Cluster, Member
from chaos.kinds import Kind, Struck
from chaos.observer import NAMES
from chaos.stage import Stage

Act = Callable[[Cluster, Stage], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One case. ``from_the_end``: silence is measured from when it was undone, since nothing can flow before."""

    name: str
    act: Act
    within: float
    from_the_end: bool = False


async def kill_leader(cluster: Cluster, stage: Stage) -> str:
    """Kill -9 the leader's node, and start it again after ten seconds."""
    member = await _leader(cluster, stage)
    await asyncio.to_thread(member.kill)
    await asyncio.sleep(10)
    member.boot()
    return await _whole(cluster, f"node {member.number}", member)


async def isolate_leader(cluster: Cluster, stage: Stage) -> str:
    """Cut the leader's node off for three ticks, and mend the link."""
    member = await _leader(cluster, stage)
    member.cut()
    await asyncio.sleep(3 * TICK_SECONDS)
    member.mend()
    return await _whole(cluster, f"node {member.number}", member)


async def part_leader(cluster: Cluster, stage: Stage) -> str:
    """Cut the leader's node off from the other nodes for three ticks: clients still reach it."""
    member = await _leader(cluster, stage)
    cluster.part(member)
    await asyncio.sleep(3 * TICK_SECONDS)
    cluster.rejoin(member)
    return await _whole(cluster, f"node {member.number}", member)


async def freeze_leader(cluster: Cluster, stage: Stage) -> str:
    """SIGSTOP the leader's node for two ticks, and let it go on."""
    member = await _leader(cluster, stage)
    member.freeze()
    await asyncio.sleep(2 * TICK_SECONDS)
    member.thaw()
    return await _whole(cluster, f"node {member.number}", member)


async def lose_majority(cluster: Cluster, stage: Stage) -> str:
    """Kill -9 two of three nodes; start them again after ten seconds."""
    leader = await _leader(cluster, stage)
    lost = [leader, next(m for m in cluster.members if m is not leader)]
    for member in lost:
        await asyncio.to_thread(member.kill)
    await asyncio.sleep(10)
    for member in lost:
        member.boot()
    return await _whole(cluster, f"nodes {sorted(m.number for m in lost)}")


async def restart_each(cluster: Cluster, _stage: Stage) -> str:
    """Stop and start one node after the other, each once the cluster is whole again."""
    for member in cluster.members:
        await asyncio.to_thread(member.stop)
        member.boot()
        await _whole(cluster, "")
    return "one after the other"


HEARTBEATS = 3 * (HEARTBEAT + 1.0)  # its kernel still answers, so only they tell

CASES = (
    Case("kill_leader", kill_leader, 5.0),
    Case("isolate_leader", isolate_leader, TICK_SECONDS + 10.0),
    Case("part_leader", part_leader, TICK_SECONDS + 10.0),
    Case("freeze_leader", freeze_leader, HEARTBEATS + 10.0),
    Case("lose_majority", lose_majority, 5.0, from_the_end=True),
    Case("restart_each", restart_each, 5.0),
)


async def strike(case: Case, cluster: Cluster, stage: Stage) -> Struck:
    """Do it; the cluster is whole afterwards."""
    began = time.time()
    detail = await case.act(cluster, stage)
    ended = time.time()
    kind = Kind(case.name, "cluster", 1.0, None, blow=not case.from_the_end)  # type: ignore[arg-type]
    return Struck(kind, began, ended if case.from_the_end else began, ended, detail)


async def _leader(cluster: Cluster, stage: Stage) -> Member:
    return await asyncio.to_thread(cluster.leader, stage.vhost, NAMES.dial)


async def _whole(cluster: Cluster, detail: str, struck: Member | None = None) -> str:
    restarted = await asyncio.to_thread(cluster.await_whole, struck)
    return f"{detail}, then started again" if restarted else detail
