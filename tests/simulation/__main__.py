"""Live worlds from the command line: many, to find a broken promise, or one, to read it as a story."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections import Counter

from promises import tally
from simulation.fate import Path
from simulation.large import live_large
from simulation.small import DEEP, USUALLY, WIDER, Count, Family, broken, live


def main() -> int:
    """Return 0 where every promise was kept, 1 where one was broken."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, help="tell the large world of this seed")
    parser.add_argument("--seed", dest="one", type=int, help="live the large world of this seed")
    parser.add_argument("--story", action="store_true", help="tell it step by step")
    parser.add_argument("--seeds", type=int, default=1000, help="how many large worlds (1000)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    parser.add_argument("--deep", action="store_true", help="four answers and two crashes in small worlds: hours")
    parser.add_argument("--small", type=int, metavar="N", help="only the N-th family of small worlds")
    parser.add_argument("--path", help="of that family, the world of these choices, as a failure prints them")
    told = parser.parse_args()
    logging.disable(logging.CRITICAL)
    seed = told.seed if told.one is None else told.one
    if seed is not None:
        lived = live_large(seed)
        print(lived.world.tell() if told.story or told.seed is not None else "", lived, sep="\n")
        return bool(lived.breaches)
    families = DEEP if told.deep else (*USUALLY, *WIDER)
    if told.small is not None and told.path is not None:
        one = live(families[told.small], Path(tuple(int(c) for c in told.path.split(",") if c)))
        print(one)
        return bool(one.breaches)
    if told.small is not None:
        return _live_small(families[told.small : told.small + 1])
    return any([_live_small(families), _live_large(range(told.first, told.first + told.seeds))])


def _live_small(families: tuple[Family, ...]) -> bool:
    failed, all_worlds, began = False, 0, time.monotonic()
    for number, family in enumerate(families):
        count = Count()
        lived = broken(family, count)
        all_worlds += count.worlds
        print(
            f"small {number}: {count.worlds} worlds, {count.steps} steps, {dict(count.outcomes)}  {family}", flush=True
        )
        if lived is not None:
            failed = True
            print(f"{lived}\nagain: --small {number} --path {','.join(map(str, lived.path.taken))}")
    print(f"small worlds: {all_worlds} in {time.monotonic() - began:.0f} s")
    return failed


def _live_large(seeds: range) -> bool:
    failed, steps, disturbed, began = False, 0, 0, time.monotonic()
    outcomes: Counter[str] = Counter()
    for seed in seeds:
        lived = live_large(seed)
        outcomes += tally(lived.journal)
        steps += len(lived.world.story)
        disturbed += lived.world.disturbed
        if lived.breaches:
            failed = True
            print(lived, flush=True)
    took = time.monotonic() - began
    print(f"large worlds: {len(seeds)} in {took:.0f} s, {steps} steps, {disturbed} disturbances, {dict(outcomes)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
