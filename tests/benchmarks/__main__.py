"""``make bench``: measure callmq beside its contenders, on this machine, and say or write what came out."""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from benchmarks import arithmetic
from benchmarks.cast import EVERYONE, TIGHT
from benchmarks.endpoints import UnavailableError, answering, endpoints
from benchmarks.rounds import Theatre, play
from callmq_demo.install import install_rabbitmq
from callmq_demo.node import PrivateNode


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench, or python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=4000, help="a round and contender")
    parser.add_argument("--only", default=",".join(EVERYONE), help="contenders, with commas between them")
    parser.add_argument("--delays", default="0", help="of the endpoint, in milliseconds, with commas between them")
    return parser.parse_args()


async def measure(given: argparse.Namespace, folder: Path, node: PrivateNode) -> None:
    names = given.only.split(",")
    delays = tuple(int(each) for each in given.delays.split(","))
    figures: dict = {}
    with endpoints(folder, delays) as lent, answering(folder, "traces", "--spans") as traces:
        theatre = Theatre(node.administration, lent, traces, folder)
        for number in range(given.rounds):
            for delay in delays:
                for name in arithmetic.rotated(names, number):
                    try:
                        came = await play(theatre, EVERYONE[name], delay, given.commands)
                    except UnavailableError as error:
                        print(number, delay, name, error, file=sys.stderr)
                        continue
                    figures.setdefault((delay, name), {})[number] = came.cpu_us
                    print(number, delay, name, json.dumps(came.document()), flush=True)
    for (delay, name), values in figures.items():
        ratio = arithmetic.median(arithmetic.ratios(values, figures.get((delay, TIGHT.name), {})))
        print(delay, name, round(arithmetic.median(list(values.values()))), ratio)


def main() -> int:
    given = parsed()
    install_rabbitmq()
    with PrivateNode() as node, tempfile.TemporaryDirectory(prefix="callmq-bench-") as folder:
        asyncio.run(measure(given, Path(folder), node))
    return 0


if __name__ == "__main__":
    sys.exit(main())
