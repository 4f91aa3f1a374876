"""The campaign's table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from statistics import median

from chaos.campaign import Result


def table(result: Result) -> str:
    """Return it as text."""
    order, counts = result.order, result.counts
    disturbed = sum(result.doubts.values()) - result.doubts.get("healthy", 0)
    head = [
        f"seed {order.seed}, {len(result.struck)} faults, {order.workers} workers, {result.seconds:.0f} s",
        " ".join(f"{name} {count}" for name, count in counts.items()),
        "outcomes: " + ", ".join(f"{name} {count}" for name, count in sorted(result.outcomes.items())),
        "publishes: " + ", ".join(f"{name} {count}" for name, count in sorted(result.results.items())),
        f"in doubt: {result.doubts.get('healthy', 0)} of {counts['healthy']} before the first fault, then {disturbed}",
        "",
        f"{'fault':<20}{'times':>6}{'in doubt':>10}{'resumes: dials, calls (median / most, s)':>44}",
    ]
    return "\n".join([*head, *_kinds(result), "", *memory(result)])


def _kinds(result: Result) -> Iterator[str]:
    found = defaultdict(list)
    for struck, resumed in zip(result.struck, result.resumed, strict=True):
        found[struck.kind.name].append(resumed)
    for name, all_of_it in sorted(found.items()):
        shown = []
        for lane in ("dial", "call"):
            seconds = [each[lane] for each in all_of_it if lane in each]
            shown.append(f"{median(seconds):8.2f} /{max(seconds):7.2f}" if seconds else f"{'never':>17}")
        yield f"{name:<20}{len(all_of_it):>6}{result.doubts.get(name, 0):>10}{'':>8}{shown[0]}  {shown[1]}"
    for name in ("unseen", "afterwards"):
        if result.doubts.get(name):
            yield f"{'(' + name + ')':<20}{'':>6}{result.doubts[name]:>10}"


def memory(result: Result) -> Iterator[str]:
    """Say of each worker's longest life how much memory it took, and how that grew after its first third."""
    lives: dict[tuple[int, int], list[tuple[float, float]]] = defaultdict(list)
    for at, worker, life, size in result.memory:
        if size:
            lives[worker, life].append((at, size))
    for worker in sorted({worker for worker, _ in lives}):
        longest = max((rows for (w, _), rows in lives.items() if w == worker), key=len)
        settled = longest[len(longest) // 3 :]
        span = settled[-1][0] - settled[0][0]
        sizes = [size for _, size in settled]
        yield (
            f"worker {worker}: {len({life for w, life in lives if w == worker})} lives, the longest sampled "
            f"{len(longest)} times: {median(sizes):.0f} MB, most {max(sizes):.0f} MB, slope after a third "
            f"{slope(settled) * 60:+.2f} MB a minute over {span:.0f} s"
        )


def slope(rows: list[tuple[float, float]]) -> float:
    """Return the least-squares slope."""
    if len(rows) < 3:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in rows) / len(rows), sum(y for _, y in rows) / len(rows)
    spread = sum((x - mean_x) ** 2 for x, _ in rows)
    return sum((x - mean_x) * (y - mean_y) for x, y in rows) / spread if spread else 0.0
