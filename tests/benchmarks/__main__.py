"""``make bench``: measure callmq beside its contenders, on this machine, and show or write what came out."""

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import furnish, growth, report
from benchmarks.arithmetic import rotated
from benchmarks.cast import CALLMQ, EVERYONE, ROOT, TIGHT
from benchmarks.endpoints import UnavailableError, answering, endpoints
from benchmarks.latency import listen
from benchmarks.rounds import Theatre, play
from benchmarks.summary import paced
from callmq_demo.faults import BrokerError
from callmq_demo.install import install_rabbitmq
from callmq_demo.node import PrivateNode

DOCS = ROOT / "docs"
UNREACHABLE = 3
PACE = 100.0


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


def cast(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if strangers := set(names) - EVERYONE.keys():
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(strangers))}; known: {', '.join(EVERYONE)}")
    return names


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=..., or python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--rounds", type=int, default=5)
    add("--commands", type=int, default=4000, help="a round and contender")
    add("--only", type=cast, default=tuple(EVERYONE), metavar="NAME,NAME", help=", ".join(EVERYONE))
    add("--delays", type=numbers, default=(0, 50), help="of the endpoint, in ms (default 0,50)")
    add(
        "--latency",
        type=float,
        default=20.0,
        metavar="SECONDS",
        help="at 100/s, for each contender in all rounds; 0 for none",
    )
    add("--growth", action="store_true", help="cost behind a backlog, with a full ledger, in a long run")
    add("--backlogs", type=numbers, default=(1_000, 10_000, 100_000, 1_000_000), help="with --growth")
    add("--records", type=numbers, default=(0, 1_000_000, 10_000_000), help="with --growth")
    add("--long-run", type=int, default=100_000, metavar="COMMANDS", help="with --growth")
    add("--write", action="store_true", help="put the results into docs/performance.*")
    add("--json", type=Path, metavar="FILE", help="write the results there as well")
    add("--render", type=Path, metavar="FILE", help="measure nothing: show or write the results of such a file")
    return parser.parse_args()


def say(*words: object) -> None:
    print("bench:", *words, file=sys.stderr, flush=True)


async def play_rounds(theatre: Theatre, given: argparse.Namespace) -> dict[str, Any]:
    """Play all rounds, contenders in another order each time."""
    rounds: dict[str, Any] = {str(delay): {name: {} for name in given.only} for delay in given.delays}
    for number in range(given.rounds):
        for delay in given.delays:
            for name in rotated(given.only, number):
                try:
                    figures = await play(theatre, EVERYONE[name], delay, given.commands)
                except UnavailableError as error:
                    say(f"round {number}, {delay} ms, {name}: {error}")
                    continue
                rounds[str(delay)][name][str(number)] = figures.document()
                say(f"round {number}, {delay} ms, {name}:", json.dumps(figures.document()))
    return rounds


async def play_latency(theatre: Theatre, given: argparse.Namespace) -> dict[str, Any]:
    """Listen to everybody in each round for its share of the time, since a busy minute falls on one of them only."""
    heard: dict[str, list[dict[str, Any]]] = {}
    for number in range(given.rounds if given.latency else 0):
        for name in rotated(given.only, number):
            try:
                found = await listen(theatre, EVERYONE[name], PACE, given.latency / given.rounds)
            except UnavailableError as error:
                say(f"latency, round {number}, {name}: {error}")
                continue
            heard.setdefault(name, []).append(found.document())
            say(f"latency, round {number}, {name}:", json.dumps(found.document()))
    return {name: paced(rounds) for name, rounds in heard.items()}


async def play_growth(theatre: Theatre, given: argparse.Namespace) -> dict[str, Any]:
    rounds = min(given.rounds, 3)
    origin = {"rounds": rounds, "commands": given.commands, "load": furnish.load()}
    grown: dict[str, Any] = {"origin": origin, "backlog": {}, "ledger": {}}
    for _ in range(rounds):
        for part, sizes, cost in (
            ("backlog", given.backlogs, growth.behind),
            ("ledger", given.records, growth.with_records),
        ):
            for size in sizes:
                found = await cost(theatre, size, given.commands)
                grown[part].setdefault(str(size), []).append(found)
                say(f"{part} {size}: {found:.0f} us")
    costs = await growth.in_the_long_run(theatre, given.long_run)
    say("long run:", costs)
    return {**grown, "long_run": {"commands": given.long_run, "cpu_us": costs}}


async def measure(given: argparse.Namespace, folder: Path, node: PrivateNode) -> dict[str, Any]:
    with endpoints(folder, (*given.delays, 0)) as lent, answering(folder, "traces", "--spans") as traces:
        theatre = Theatre(node.administration, lent, traces, folder)
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": furnish.machine(node.administration.version()),
            "versions": furnish.versions(),
            "settings": {"rounds": given.rounds, "commands": given.commands, "pace": PACE, "seconds": given.latency},
            "titles": {name: EVERYONE[name].title for name in given.only},
            "yardstick": TIGHT.name,
            "rounds": await play_rounds(theatre, given),
            "latency_load": furnish.load(),
            "latency": await play_latency(theatre, given),
            "growth": await play_growth(theatre, given) if given.growth else {},
        }


def keep(given: argparse.Namespace, results: dict[str, Any]) -> None:
    document = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    if given.json:
        given.json.write_text(document)
    if given.write:
        page = DOCS / "performance.md"
        page.write_text(report.written(page.read_text(), report.rendered(results)))
        (DOCS / report.PICTURE).write_text(report.pictured(results))
        (DOCS / "performance.json").write_text(document)


def main() -> int:
    given = parsed()
    if given.render:
        results = json.loads(given.render.read_text())
        keep(given, results)
        print(report.rendered(results))
        return 0
    try:
        for name in {EVERYONE[name].venv for name in given.only} - {CALLMQ.venv}:
            furnish.make_venv(name)
        install_rabbitmq()
        with PrivateNode() as node, tempfile.TemporaryDirectory(prefix="callmq-bench-") as folder:
            results = uvloop.run(measure(given, Path(folder), node))
    except (BrokerError, UnavailableError) as error:
        say(error)
        return UNREACHABLE
    keep(given, results)
    print(report.rendered(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
