"""What the rounds come to: one row a contender and delay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.arithmetic import median, ratios

Rounds = Mapping[str, Mapping[str, Mapping[str, Any]]]  # contender -> number of the round -> figures
FAULTS = ("requests_lost", "requests_doubled", "replies_lost", "replies_doubled", "not_succeeded", "left")


@dataclass(frozen=True)
class Row:
    """Medians over the rounds; ``ratio`` is the median of the rounds' ratios to the yardstick. Faults are sums."""

    name: str
    rounds: int
    cpu_us: float
    ratio: float | None
    per_second: float
    peak_mib: float
    first_reply: float
    ready: float | None
    spans: int
    faults: Mapping[str, int]

    @property
    def lost(self) -> int:
        """Commands that were not sent or not answered."""
        return self.faults["requests_lost"] + self.faults["replies_lost"]

    @property
    def doubled(self) -> int:
        """Commands that were sent or answered more often than once."""
        return self.faults["requests_doubled"] + self.faults["replies_doubled"]


def rows(rounds: Rounds, yardstick: str) -> list[Row]:
    """Return a row for each contender with at least one round, in the order given."""
    measure = _column(rounds.get(yardstick, {}), "cpu_us")
    return [_row(name, played, measure) for name, played in rounds.items() if played]


def _row(name: str, played: Mapping[str, Mapping[str, Any]], yardstick: Mapping[int, float]) -> Row:
    def middle(column: str) -> float | None:
        return median([value for value in _column(played, column).values() if value is not None])

    return Row(
        name,
        rounds=len(played),
        cpu_us=middle("cpu_us") or 0.0,
        ratio=median(ratios(_column(played, "cpu_us"), yardstick)),
        per_second=middle("per_second") or 0.0,
        peak_mib=middle("peak_mib") or 0.0,
        first_reply=middle("first_reply") or 0.0,
        ready=middle("ready"),
        spans=sum(figures["spans"] for figures in played.values()),
        faults={fault: sum(figures[fault] for figures in played.values()) for fault in FAULTS},
    )


def _column(played: Mapping[str, Mapping[str, Any]], column: str) -> dict[int, Any]:
    return {int(number): figures[column] for number, figures in played.items()}


def paced(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of the rounds' percentiles, how many got no reply, and the rounds themselves."""
    middle = {
        column: median([each[column] for each in rounds if each[column] is not None]) for column in ("p50_ms", "p99_ms")
    }
    return {**middle, "lost": sum(each["lost"] for each in rounds), "rounds": list(rounds)}
