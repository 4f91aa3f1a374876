"""Strike a cluster of three nodes under load, case by case, and print what came of it."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from chaos import evidence as seen
from chaos.campaign import Order, Result, judge, quiet, settled
from chaos.cluster_cases import CASES, Case, strike
from chaos.cluster_nodes import Cluster, lacking
from chaos.kinds import Struck
from chaos.stage import DISTURBED, Stage, stage
from chaos.traffic import scripts

RATE = 120  # commands a second: enough that a silence of a tenth of a second is one
BETWEEN = 5.0
FOLLOWING = 25.0


async def run(cases: tuple[Case, ...], cluster: Cluster, order: Order, say: Callable[[str], None]) -> Result:
    """Run the cases, one after the other; the result's folder is removed where every promise was kept."""
    folder = Path(tempfile.mkdtemp(prefix=f"callmq-chaos-cluster-{order.seed}-"))
    result = Result(order, folder)
    began = time.monotonic()
    async with stage(cluster, cluster.url, folder, order.workers) as here:
        here.crew.more = DISTURBED
        await here.crew.begin()
        await seen.tap(cluster.url)
        publishing = asyncio.create_task(_publish(here, order))
        for case in cases:
            await asyncio.sleep(BETWEEN)
            struck = await strike(case, cluster, here)
            await asyncio.sleep(BETWEEN if not case.from_the_end else FOLLOWING)
            silence = _silence(here, struck)
            result.struck.append(struck)
            result.resumed.append(silence)
            result.breaches += _late(case, silence)
            say(_line(case, struck, silence))
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await quiet(here)
        await settled(here, result)
        await asyncio.sleep(1)
        evidence = await seen.gather(here)
    result.seconds = time.monotonic() - began
    judge(here, evidence, result)
    if result.breaches:
        seen.keep(here, evidence, {"order": order, "struck": result.struck, "breaches": result.breaches})
    else:
        shutil.rmtree(folder)
    return result


async def _publish(here: Stage, order: Order) -> None:
    """Publish at an even pace until cancelled."""
    here.producer.allowed, here.producer.most = 0, sys.maxsize  # what an observer lags behind stops nobody
    endless = scripts(order.seed, sys.maxsize)
    publishing = asyncio.create_task(here.producer.publish(endless, "disturbed"))
    try:
        for tick in itertools.count(1):
            here.producer.allowed = max(here.producer.published, tick * RATE / 10)
            await asyncio.sleep(0.1)
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


def _silence(here: Stage, struck: Struck) -> dict[str, float]:
    """Return the longest time, by lane, in which the endpoint heard nothing from ``over`` on."""
    last = {"dial": struck.over, "call": struck.over}
    longest = {"dial": 0.0, "call": 0.0}
    for entry in here.sandbox.journal.since(0):
        if entry.time >= struck.over and entry.subject.command:
            lane = "dial" if entry.subject.command == "dial" else "call"
            longest[lane] = max(longest[lane], entry.time - last[lane])
            last[lane] = entry.time
    return {lane: max(longest[lane], time.time() - last[lane]) for lane in last}


def _late(case: Case, silence: dict[str, float]) -> list[str]:
    return [
        f"{case.name}: nothing of lane {lane} reached the endpoint for {seconds:.1f} s, over {case.within:.0f} s"
        for lane, seconds in silence.items()
        if seconds > case.within
    ]


def _line(case: Case, struck: Struck, silence: dict[str, float]) -> str:
    shown = ", ".join(f"{lane}s {seconds:.2f} s" for lane, seconds in sorted(silence.items()))
    return (
        f"{case.name:<16} {struck.ended - struck.began:5.1f} s  {struck.detail:<28} silent at most: {shown} "
        f"(allowed {case.within:.0f} s)"
    )


def _say(word: str) -> None:
    print(word, flush=True)


def main() -> int:
    """Return 0 where every promise was kept, 1 where one was broken, 2 where this machine can't do it."""
    parser = argparse.ArgumentParser(prog="make chaos-cluster", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--only", default="", help=f"cases with commas between them, of {', '.join(c.name for c in CASES)}"
    )
    told = parser.parse_args()
    if why := lacking():
        print(f"chaos-cluster: {why}", file=sys.stderr)
        return 2
    only = {name for name in told.only.split(",") if name}
    if unknown := only - {case.name for case in CASES}:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.disable(logging.CRITICAL)
    cases = tuple(case for case in CASES if not only or case.name in only)
    with Cluster() as cluster:
        result = uvloop.run(run(cases, cluster, Order(told.seed, workers=told.workers), _say))
    print(" ".join(f"{name} {count}" for name, count in result.counts.items()))
    print("outcomes: " + ", ".join(f"{name} {count}" for name, count in sorted(result.outcomes.items())))
    print("in doubt: " + ", ".join(f"{name} {count}" for name, count in sorted(result.doubts.items())))
    for breach in result.breaches[:40]:
        print(f"BROKEN  {breach}")
    if result.breaches:
        print(f"{len(result.breaches)} promises broken; what was seen is kept in {result.folder}")
    return bool(result.breaches)


if __name__ == "__main__":
    sys.exit(main())
