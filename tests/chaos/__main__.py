"""Run one campaign from the command line, and print its table."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time

import uvloop

from callmq_demo.node import PrivateNode
from chaos.campaign import Order, Result, run
from chaos.kinds import KINDS
from chaos.table import table


def main() -> int:
    """Return 0 where every promise was kept, 1 where one was broken; what was seen is then kept in a named folder."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--commands", type=int, default=2000, help="how many are published at least, the healthy ones included"
    )
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--healthy", type=int, default=500, help="how many of the commands before the first fault")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--only", default="", help=f"kinds with commas between them, of {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no fault begins after so long")
    parser.add_argument("--calls", type=int, default=0, help="commands on so many long calls, few dials among them")
    parser.add_argument("--shards", type=int, default=1, help="of the lane of live calls")
    told = parser.parse_args()
    only = tuple(name for name in told.only.split(",") if name)
    if unknown := set(only) - set(KINDS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.disable(logging.CRITICAL)
    order = Order(**{**vars(told), "only": only})
    result = uvloop.run(_run(order))
    print(table(result))
    for breach in result.breaches[:40]:
        print(f"BROKEN  {breach}")
    if result.breaches:
        print(f"{len(result.breaches)} promises broken; what was seen is kept in {result.folder}")
    return bool(result.breaches)


async def _run(order: Order) -> Result:
    began = time.monotonic()
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGUSR1, lambda: [t.print_stack() for t in asyncio.all_tasks()]
    )
    with PrivateNode() as node, node.vhost() as url:
        return await run(order, node, url, lambda word: print(f"{time.monotonic() - began:7.1f} s  {word}", flush=True))


if __name__ == "__main__":
    sys.exit(main())
