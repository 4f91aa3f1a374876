"""The campaign's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from chaos.campaign import Result
from chaos.memory import growths


def table(result: Result) -> str:
    """Return it as text."""
    order, counts = result.order, result.counts
    disturbed = sum(result.doubts.values()) - result.doubts.get("healthy", 0)
    shape = f"{order.workers} workers, {order.shards} shards, {order.calls or 'short'} calls"
    head = [
        f"seed {order.seed}, {len(result.struck)} faults, {shape}, {result.seconds:.0f} s",
        " ".join(f"{name} {count}" for name, count in counts.items()),
        "outcomes: " + ", ".join(f"{name} {count}" for name, count in sorted(result.outcomes.items())),
        "publishes: " + ", ".join(f"{name} {count}" for name, count in sorted(result.results.items())),
        f"in doubt: {result.doubts.get('healthy', 0)} of {counts['healthy']} before the first fault, then {disturbed}",
        "",
        f"{'fault':<26}{'times':>6}{'in doubt':>10}{'resumes: dials, calls (median / most, s)':>44}",
    ]
    return "\n".join([*head, *_kinds(result), "", *_failover(result), *map(str, growths(result.memory))])


def _kinds(result: Result) -> Iterator[str]:
    found = defaultdict(list)
    for struck, resumed in zip(result.struck, result.resumed, strict=True):
        found[struck.kind.name].append(resumed)
    for name, all_of_it in sorted(found.items()):
        shown = []
        for lane in ("dial", "call"):
            seconds = [each[lane] for each in all_of_it if lane in each]
            shown.append(f"{median(seconds):8.2f} /{max(seconds):7.2f}" if seconds else f"{'never':>17}")
        yield f"{name:<26}{len(all_of_it):>6}{result.doubts.get(name, 0):>10}{'':>8}{shown[0]}  {shown[1]}"
    for name, count in sorted(result.idle.items()):
        yield f"{name:<26}{'':>6} did nothing {count} times" if count else f"{name:<26}{'':>6} is not possible here"
    for name in ("unseen", "afterwards"):
        if result.doubts.get(name):
            yield f"{'(' + name + ')':<26}{'':>6}{result.doubts[name]:>10}"


def _failover(result: Result) -> Iterator[str]:
    """Say how long nobody worked on live calls after the worker that did was killed, or was asked to end."""
    for name in sorted({name for name, _ in result.failover}):
        seconds = [each for by, each in result.failover if by == name]
        within = sum(each <= 1 for each in seconds)
        yield (
            f"failover of the lane of live calls after {name}: {len(seconds)} times, median {median(seconds):.2f} s, "
            f"most {max(seconds):.2f} s, within 1 s {within}"
        )
