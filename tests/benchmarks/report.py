"""The results as tables and a picture, and their place in the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.picture import Bar, drawn
from benchmarks.summary import Row, rows

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
PICTURE = "performance.svg"
HEAD = (
    "what",
    "CPU a command",
    "to tight",
    "commands/s",
    "memory",
    "first reply",
    "p50, p99 at 100/s",
    "lost, doubled",
)
MACHINE = {"linux": "Linux", "python": "Python", "rabbitmq": "RabbitMQ", "nginx": "nginx"}
SHOWN = ("aio-pika", "aiormq", "httpx", "aiohttp", "pyreqwest", "faststream", "taskiq-aio-pika", "celery", "dramatiq")


class NoMarkersError(ValueError):
    """The page has no place for the results."""


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; every column but the first is set to the right."""
    aligned = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join(["| " + " | ".join(head) + " |", aligned, *("| " + " | ".join(line) + " |" for line in lines)])


def line(row: Row, titles: Mapping[str, str], latency: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return one contender's cells."""
    heard = latency or {"p50_ms": None}
    return (
        titles.get(row.name, row.name),
        f"{row.cpu_us:,.0f} µs",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        f"{row.per_second:,.0f}",
        f"{row.peak_mib:.0f} MiB",
        f"{row.first_reply:.2f} s",
        "" if heard["p50_ms"] is None else f"{heard['p50_ms']:.1f}, {heard['p99_ms']:.1f} ms",
        f"{row.lost}, {row.doubled}",
    )


def rendered(results: Mapping[str, Any]) -> str:
    """Return all results as Markdown, with the picture's place."""
    said = [*_origin(results), f"![CPU a command, bars]({PICTURE})"]
    for delay, rounds in results["rounds"].items():
        found = rows(rounds, results["yardstick"])
        heard = results["latency"] if delay == "0" else {}
        said.append(f"**An endpoint that answers {'at once' if delay == '0' else f'after {delay} ms'}:**")
        said.append(table(HEAD, [line(row, results["titles"], heard.get(row.name)) for row in found]))
        said += remarks(found, results)
        silent = sorted(name for name, played in rounds.items() if not played)
        said.append(f"Could not be measured: {', '.join(silent)}." if silent else "")
    if results["latency"]:
        said.append(f"Latency: {_rounds_heard(results)}; the load before them was {results['latency_load']:.1f}.")
    said += growth(results.get("growth") or {})
    return "\n\n".join(each for each in said if each)


def _origin(results: Mapping[str, Any]) -> tuple[str, ...]:
    settings, machine, versions = results["settings"], results["machine"], results["versions"]
    shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)
    where = ", ".join(f"{title} {machine[name]}" for name, title in MACHINE.items())
    measured = (
        f"Measured on {results['date']}: {machine['cpus']} CPUs ({machine['cpu']}), {where}; the load before the start "
        f"was {machine['load']:.1f}. {settings['rounds']} rounds of {settings['commands']:,} commands; each figure is "
        "the median of its rounds."
    )
    return measured, f"Contenders: {shown}."


def _rounds_heard(results: Mapping[str, Any]) -> str:
    most = max(len(heard["rounds"]) for heard in results["latency"].values())
    replies = max(each["replies"] for heard in results["latency"].values() for each in heard["rounds"])
    lost = sum(heard["lost"] for heard in results["latency"].values())
    return f"{most} rounds of {replies:,} commands, {lost} of all without a reply"


def remarks(found: Sequence[Row], results: Mapping[str, Any]) -> list[str]:
    """Return what the table has no column for."""
    commands = results["settings"]["commands"]
    ready = [f"{row.name} {row.ready:.2f} s" for row in found if row.ready is not None]
    spans = [f"{row.name} {row.spans / (row.rounds * commands):.2f}" for row in found if row.spans]
    odd = [
        f"{row.name}: {other} replies did not say succeeded, {left} commands were left."
        for row in found
        if (other := row.faults["not_succeeded"]) + (left := row.faults["left"])
    ]
    return [
        f"Ready after the start (`/readyz`): {', '.join(ready)}." if ready else "",
        f"Spans that reached the collector, a command: {', '.join(spans)}." if spans else "",
        *odd,
    ]


def growth(grown: Mapping[str, Any]) -> list[str]:
    """Return the tables of growth, as far as it was measured."""
    parts = {"backlog": "commands waiting", "ledger": "records in the ledger"}
    said = []
    if origin := grown.get("origin"):
        rounds, commands, load = origin["rounds"], origin["commands"], origin["load"]
        said.append(
            f"**Growth of callmq:** {rounds} rounds of {commands:,} commands, load before the start {load:.1f}."
        )
    for part, what in parts.items():
        if grown.get(part):
            lines = [(f"{int(size):,}", f"{median(each):,.0f} µs", span(each)) for size, each in grown[part].items()]
            said.append(table((what, "CPU a command", "from, to"), lines))
    if grown.get("long_run"):
        each = ", ".join(f"{cost:,.0f}" for cost in grown["long_run"]["cpu_us"])
        said.append(
            f"One run of {grown['long_run']['commands']:,} commands, CPU microseconds a command by fifths: {each}."
        )
    return said


def span(values: Sequence[float]) -> str:
    """Return the least and the most."""
    return f"{min(values):,.0f}, {max(values):,.0f} µs"


def pictured(results: Mapping[str, Any]) -> str:
    """Return the picture of the CPU a command with the quickest endpoint."""
    rounds = next(iter(results["rounds"].values()))
    bars = [
        Bar(
            results["titles"].get(row.name, row.name).partition(":")[0],
            row.cpu_us,
            f"{row.cpu_us:,.0f} µs" + (f" ({row.ratio:.2f} of tight)" if row.ratio is not None else ""),
            own=row.name.startswith("callmq"),
        )
        for row in sorted(rows(rounds, results["yardstick"]), key=lambda row: row.cpu_us)
    ]
    return drawn("CPU time of a command, microseconds (less is better)", bars)


def written(page: str, results: str) -> str:
    """Return the page with the results between its markers. Raises `NoMarkersError`."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise NoMarkersError(f"The page needs {BEGIN} and {END}, in this order.")
    return f"{before}{begin}\n{results}\n{end}{after}"
