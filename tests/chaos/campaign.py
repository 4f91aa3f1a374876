"""One campaign: a healthy phase, a disturbed one, quiet, and the judgement."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from callmq_demo.node import PrivateNode
from chaos import evidence as seen
from chaos import (  # noqa: F401 - their kinds are registered by the import
    faults_broker,
    faults_endpoint,
    faults_lanes,
    faults_ledger,
    faults_network,
    faults_points,
    faults_workers,
)
from chaos.crew import Weight
from chaos.kinds import IdleError, Kind, Struck, schedule, strike
from chaos.memory import growths
from chaos.observer import connect
from chaos.stage import DISTURBED, HEALTHY, Stage, stage
from chaos.traffic import Script, busy_calls, scripts
from promises import tally

# Settled; stopped with work that will be delivered again; asked to end before it had begun.
ENDS = (0, 1, -signal.SIGTERM)
RESUMES_WITHIN = 60.0
QUIET_WITHIN = 120.0
TRIES = 3  # in which a fault has to do something
# Of the commands on calls, how many may wait in a tier, which ends their call's order. Measured: under 1 %.
PARTED_SHARE = 0.05
PARTED_AT_LEAST = 10


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. ``commands``: the least; as long as faults go on, more are published.

    ``calls``: how many live calls they are spread over; 0: each has a few, and most commands are dials.
    """

    seed: int = 1
    commands: int = 2000
    faults: int = 20
    healthy: int = 500
    workers: int = 3
    only: tuple[str, ...] = ()
    seconds: float = float("inf")
    calls: int = 0
    shards: int = 1

    def scripts(self, commands: int = sys.maxsize) -> Iterator[Script]:
        """Return what is published, from the start on, until it has so many commands."""
        return busy_calls(self.seed, self.calls, commands) if self.calls else scripts(self.seed, commands)


@dataclass
class Result:
    """What came of it. ``breaches`` empty: every promise was kept. ``idle``: how often a fault did nothing."""

    order: Order
    folder: Path
    struck: list[Struck] = field(default_factory=list)
    idle: dict[str, int] = field(default_factory=dict)
    resumed: list[dict[str, float]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)
    memory: list[Weight] = field(default_factory=list)
    results: dict[str, int] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    failover: list[tuple[str, float]] = field(default_factory=list)
    seconds: float = 0.0


async def run(order: Order, node: PrivateNode, url: str, say: Callable[[str], None] = lambda _: None) -> Result:
    """Run it. The result's folder is removed where every promise was kept."""
    folder = Path(tempfile.mkdtemp(prefix=f"callmq-chaos-{order.seed}-"))
    result = Result(order, folder)
    began = time.monotonic()
    async with stage(node, url, folder, order.workers, order.shards) as here:
        await _healthy(here, order, say)
        await _disturbed(here, order, result, say)
        await settled(here, result)
        await asyncio.sleep(1)  # the observer takes the last replies
        evidence = await seen.gather(here)
    result.seconds = time.monotonic() - began
    judge(here, evidence, result)
    if result.breaches:
        seen.keep(here, evidence, {"order": order, "struck": result.struck, "breaches": result.breaches})
    else:
        shutil.rmtree(folder)
    return result


async def settled(here: Stage, result: Result) -> None:
    """Come to rest, end all, and let one more worker do what those whose connection was dead had to leave."""
    resting = await quiet(here)
    result.exits = await here.crew.end()
    result.breaches += [f"a worker ended with {code}" for code in result.exits if code not in ENDS]
    last = here.workers[0]
    here.crew.start(last)
    await last.ready()
    if not resting or not await quiet(here):
        waiting = sorted(here.producer.confirmed - here.observer.answered)
        result.breaches.append(f"did not come to rest in {QUIET_WITHIN:.0f} s: {len(waiting)} wait, as {waiting[:9]}")
    if code := await here.crew.retire(last):
        result.breaches.append(f"the last worker ended with {code}, though nothing was left to do")


async def _healthy(here: Stage, order: Order, say: Callable[[str], None]) -> None:
    here.crew.more = HEALTHY
    await here.crew.begin()
    await seen.tap(here.url)
    await here.producer.publish(order.scripts(order.healthy), "healthy")
    await quiet(here)
    say(f"healthy phase: {len(here.producer.sent)} published, {len(here.observer.replies)} replies")
    await here.crew.end()


async def _disturbed(here: Stage, order: Order, result: Result, say: Callable[[str], None]) -> None:
    here.crew.more = DISTURBED
    await here.crew.begin()
    first = len(here.producer.phase_of)
    producer, over = here.producer, asyncio.Event()
    told = itertools.takewhile(
        lambda _: producer.published < order.commands or not over.is_set(),
        itertools.islice(order.scripts(), first, None),
    )
    share = (order.commands - producer.published) / max(1, order.faults)
    producer.allowed = producer.published + 2 * share
    publishing = asyncio.create_task(producer.publish(told, "disturbed"))
    chance = random.Random(f"faults {order.seed}")
    until = time.monotonic() + order.seconds
    due = float(producer.published)
    for number, kind in enumerate(schedule(order.seed, order.faults, order.only), 1):
        due += share
        while producer.published < due and not publishing.done():
            await asyncio.sleep(0.02)
        if time.monotonic() > until:
            say(f"the time is over after {number - 1} faults")
            break
        try:
            async with producer.flowing():
                struck = await struck_by(kind, here, chance, result, say)
        except Exception as error:  # noqa: BLE001 - what was seen until now is judged nevertheless
            result.breaches.append(f"{kind.name} could not be done or undone: {error!r}")
            say(result.breaches[-1])
            break
        if struck is not None:
            result.struck.append(struck)
            result.resumed.append(await _resumption(here, struck, result, publishing))
            say(_line(number, struck, result.resumed[-1]))
        producer.allowed = max(producer.allowed, due + 2 * share)
    if time.monotonic() > until:
        publishing.cancel()
    over.set()
    producer.allowed = float("inf")
    await asyncio.gather(publishing, return_exceptions=time.monotonic() > until)


async def struck_by(
    kind: Kind, here: Stage, chance: random.Random, result: Result, say: Callable[[str], None]
) -> Struck | None:
    """Strike until it did something. None: it did nothing, again and again."""
    for _ in range(TRIES):
        try:
            return await strike(kind, here, chance)
        except IdleError as idle:
            result.idle[kind.name] = result.idle.get(kind.name, 0) + idle.possible
            say(f"     {kind.name:<26} did nothing: {idle}")
            if not idle.possible:
                break
            await asyncio.sleep(0.5)
    return None


def _line(number: int, struck: Struck, resumed: dict[str, float]) -> str:
    shown = ", ".join(f"{lane} after {seconds:.2f} s" for lane, seconds in sorted(resumed.items()))
    return f"{number:4} {struck.kind.name:<26} {struck.ended - struck.began:5.1f} s  {struck.detail}  {shown}"


async def _resumption(here: Stage, struck: Struck, result: Result, publishing: asyncio.Task[None]) -> dict[str, float]:
    """Return the seconds until the endpoint heard of a dial, and of a command on a call, from the fault's end on."""
    found: dict[str, float] = {}
    number, until = 0, time.monotonic() + RESUMES_WITHIN
    while len(found) < 2 and time.monotonic() < until and not (publishing.done() and not here.producer.outstanding):
        for entry in here.sandbox.journal.since(number):
            number = entry.number
            if entry.time >= struck.over and entry.subject.command:
                lane = "dial" if entry.subject.command == "dial" else "call"
                found.setdefault(lane, entry.time - struck.over)
        if len(found) < 2:
            here.producer.allowed += 2
            await asyncio.sleep(0.05)
    if len(found) < 2 and not publishing.done():
        result.breaches.append(f"{struck.kind.name}: consumption did not resume in {RESUMES_WITHIN:.0f} s: {found}")
    return found


async def quiet(here: Stage) -> bool:
    """Wait until every confirmed command is answered and nothing waits anywhere; say whether that came."""
    until = time.monotonic() + QUIET_WITHIN
    while time.monotonic() < until:
        if not here.producer.outstanding and await _rests(here):
            return True
        await asyncio.sleep(0.3)
    return False


async def _rests(here: Stage) -> bool:
    connection = await connect(here.url)
    async with connection:
        waiting = sum((await seen.left(connection, here.shards)).values())
    return not waiting and not seen.recorded(here.ledger)[1]


def judge(here: Stage, evidence: seen.Evidence, result: Result) -> None:
    password = urlsplit(here.url).password or ""
    result.breaches += seen.judged(here, evidence, "healthy") + seen.leaks(here, evidence, password)
    result.memory, result.results, result.failover = here.crew.memory, here.producer.results, here.failover
    result.breaches += [f"memory grows: {growth}" for growth in growths(result.memory) if growth.leaks]
    last: dict[str, str] = {}
    for journal in evidence.journals(here.producer.phase_of, "healthy"):
        for outcome, count in tally(journal).items():
            result.outcomes[outcome] = result.outcomes.get(outcome, 0) + count
        last |= {key: said[-1].outcome for key, said in journal.recorded().items()}
    times = {receipt.key: receipt.at for receipt in evidence.receipts}
    for key, outcome in last.items():
        if outcome == "unknown":
            cause = _cause(times.get(key), seen.script_of(key), here, result)
            result.doubts[cause] = result.doubts.get(cause, 0) + 1
    answered = {said.to for said in evidence.replies}
    acted: dict[str | None, int] = {}
    for receipt in evidence.receipts:
        acted[receipt.key] = acted.get(receipt.key, 0) + receipt.acted
    unsafe = {sent.key for sent in evidence.sent if sent.safety == "unsafe"}
    result.breaches += [*parting(evidence), *toothless(result), *late(result), *here.crew.crashes()]
    result.counts = {
        "published": len(evidence.sent),
        "confirmed": sum(sent.confirmed for sent in evidence.sent),
        "healthy": sum(here.producer.phase_of.get(seen.script_of(s.name)) == "healthy" for s in evidence.sent),
        "receipts": len(evidence.receipts),
        "replies": len(evidence.replies),
        "parted": len(evidence.parted),
        "lost": sum(sent.confirmed and sent.name not in answered for sent in evidence.sent),
        "doubled": sum(count > 1 for key, count in acted.items() if key in unsafe),
        "contradicting": sum(b.startswith("no_reply_contradicts") for b in result.breaches),
    }


def parting(evidence: seen.Evidence) -> list[str]:
    """Say whether the order of calls was given up more often than what befell them explains."""
    on_calls = {s.key for s in evidence.sent if s.call_id and s.key and s.command != "calling.end"}
    parted = len(evidence.parted & on_calls)
    many = parted > max(PARTED_AT_LEAST, PARTED_SHARE * len(on_calls))
    return [f"{parted} of {len(on_calls)} commands on calls lost their place to a tier"] if many else []


def toothless(result: Result) -> list[str]:
    """Say which kinds of faults never did anything."""
    bit = {struck.kind.name for struck in result.struck}
    return [f"{name} did nothing in {count} tries" for name, count in result.idle.items() if count and name not in bit]


def late(result: Result) -> list[str]:
    """Say how often nobody took the lane of live calls over."""
    within = faults_lanes.FAILS_OVER_WITHIN
    count = sum(seconds >= within for _, seconds in result.failover)
    return [f"{count} times no other worker took the lane of live calls in {within:.0f} s"] if count else []


def _cause(at: float | None, script: int, here: Stage, result: Result) -> str:
    """Name the fault during which, or next before which, a doubtful command reached the endpoint."""
    if here.producer.phase_of.get(script) == "healthy":
        return "healthy"
    during = [struck for struck in result.struck if at is not None and struck.ended >= at]
    return during[0].kind.name if during else "unseen" if at is None else "afterwards"
