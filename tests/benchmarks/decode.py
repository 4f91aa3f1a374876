"""What judging a body costs: ``make bench-decode``. Figures for people; nothing here passes or fails.

First the CPU microseconds of one body (best of several rounds): decode from bytes to a command with its class,
lifetime and order, and with the fingerprint, beside what parses or checks less. The goal is three times
``validate_json`` of the one model that the body is known to be. Then the bodies that are slowest to judge, in
milliseconds; ``tests/unit/contracts/test_heavy.py`` bounds their steps. Then how many small bodies a second
``callmq validate`` judges on one core, and with how much memory for a tenth of them and for all.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from typing import Any, Literal

import msgspec
import orjson

from callmq_contracts import CATALOG, EXAMPLES, Command, decode
from heavy import HEAVY_BODIES

ROUNDS, SECONDS_OF_A_ROUND = 7, 0.02
GOAL = 3.0
SMALL_BYTES, BODIES, GOAL_A_SECOND = 400, 200_000, 20_000
SHOWN = ("dial", "calling.play", "calling.collect", "calling.end", "calling.ai_sidecar")


class DialParams(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """A dial as msgspec would have it: types and names only, none of the rules across keys."""

    from_: str
    to: str | None = None
    url: str | None = None


class Dial(msgspec.Struct, forbid_unknown_fields=True):
    command: Literal["dial"]
    params: DialParams


class Frame(msgspec.Struct, forbid_unknown_fields=True):
    """Any body, with its params unchecked."""

    command: str
    params: dict[str, Any]
    id: str | None = None


def microseconds(run: Callable[[], object]) -> float:
    """Return the CPU time of one run in microseconds: the best round."""
    runs, spent = 1, 0.0
    while spent < SECONDS_OF_A_ROUND:
        runs *= 2
        spent = cpu(run, runs)
    return min(cpu(run, runs) for _ in range(ROUNDS)) / runs * 1e6


def cpu(run: Callable[[], object], runs: int) -> float:
    begun = time.process_time()
    for _ in range(runs):
        run()
    return time.process_time() - begun


def whole(body: bytes) -> bytes:
    """Judge as a worker does."""
    command = decode(body, key="key")
    if not isinstance(command, Command):
        raise TypeError("an example that is no command")
    return command.fingerprint(b"0123456789abcdef0123456789abcdef")


def measured(name: str, body: bytes) -> tuple[float, ...]:
    """Return loads, validate_json, msgspec's frame, decode, and decode with the fingerprint."""
    validate = CATALOG[name].model.model_validate_json
    frame = msgspec.json.Decoder(Frame).decode
    ways = (
        lambda: orjson.loads(body),
        lambda: frame(body),
        lambda: validate(body),
        lambda: decode(body, key="key"),
        lambda: whole(body),
    )
    return tuple(microseconds(way) for way in ways)


def print_decode() -> None:
    """Print the costs of some commands, and the whole catalogue's."""
    titles = ("bytes", "loads", "msgspec", "model", "decode", "+print", "ratio")
    print(f"{'CPU microseconds of':24}" + "".join(f"{title:>8}" for title in titles))
    ratios, totals = {}, [0.0] * 5
    for name in EXAMPLES:
        body = orjson.dumps(EXAMPLES[name][0])
        costs = measured(name, body)
        ratios[name] = costs[4] / costs[2]
        totals = [total + cost for total, cost in zip(totals, costs, strict=True)]
        if name in SHOWN:
            row(name, len(body), costs)
    spaced = json.dumps(EXAMPLES["calling.play"][0]).encode()
    row("calling.play, spaced", len(spaced), measured("calling.play", spaced))
    row(f"all {len(EXAMPLES)} commands, mean", None, [total / len(EXAMPLES) for total in totals])
    within = sum(ratio <= GOAL for ratio in ratios.values())
    middle, worst = statistics.median(ratios.values()), max(ratios, key=ratios.__getitem__)
    print(f"ratio to the model: median {middle:.1f}, worst {ratios[worst]:.1f} ({worst})")
    print(f"within {GOAL:g}: {within} of {len(ratios)}; the mean of all: {totals[4] / totals[2]:.1f}")
    body = orjson.dumps(EXAMPLES["dial"][0])
    typed = msgspec.json.Decoder(Dial).decode
    print(f"msgspec on a typed dial without rules: {microseconds(lambda: typed(body)):.2f}")


def row(name: str, size: int | None, costs: "list[float] | tuple[float, ...]") -> None:
    loads, frame, model, judged, printed = costs
    shown = size if size is not None else ""
    print(f"{name:24}{shown:>8}{loads:8.2f}{frame:8.2f}{model:8.2f}{judged:8.2f}{printed:8.2f}{printed / model:8.1f}")


def print_heavy() -> None:
    """Print what the slowest bodies cost, from the slowest on."""
    costs = {name: microseconds(partial(decode, body)) / 1000 for name, body in HEAVY_BODIES.items()}
    for name in sorted(costs, key=costs.__getitem__, reverse=True):
        print(f"{name:32}{len(HEAVY_BODIES[name]):>8} bytes {costs[name]:8.1f} ms")


def validated(bodies: int, lines: list[bytes]) -> tuple[float, float]:
    """Return the CPU seconds and the peak MiB of ``callmq validate`` on so many lines."""
    with tempfile.TemporaryFile() as source:
        source.writelines(islice(cycle(lines), bodies))
        source.seek(0)
        command = [sys.executable, "-m", "callmq", "validate"]
        process = subprocess.Popen(command, stdin=source, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"callmq validate ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def print_validate() -> None:
    """Print how fast the verb is, its start left out."""
    lines = [orjson.dumps(body[0]) + b"\n" for body in EXAMPLES.values()]
    lines = [line for line in lines if len(line) <= SMALL_BYTES]
    few, small = validated(BODIES // 10, lines)
    many, large = validated(BODIES, lines)
    rate = BODIES * 0.9 / (many - few)
    print(f"callmq validate: {rate:,.0f} bodies a second of CPU on one core (goal {GOAL_A_SECOND:,})")
    print(f"peak memory: {small:.1f} MiB for {BODIES // 10:,} bodies, {large:.1f} MiB for {BODIES:,}")


if __name__ == "__main__":
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} CPUs")
    print_decode()
    print_heavy()
    print_validate()
