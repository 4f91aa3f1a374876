"""The arithmetic of the benchmark: ratios by round, percentiles by rank, losses by key."""

from __future__ import annotations

import pytest

from benchmarks.arithmetic import Counted, Mark, costs, counted, median, percentile, rate, ratios, rotated


def test_a_slow_minute_is_in_both_and_cancels_out() -> None:
    yardstick = {0: 100.0, 1: 300.0, 2: 100.0}
    assert ratios({0: 200.0, 1: 600.0, 2: 210.0}, yardstick) == [2.0, 2.0, 2.1]
    assert median(ratios({0: 200.0, 1: 600.0, 2: 210.0}, yardstick)) == 2.0


def test_rounds_are_compared_by_their_number() -> None:
    assert ratios({2: 50.0, 0: 10.0, 1: 7.0}, {0: 5.0, 2: 10.0}) == [2.0, 5.0]
    assert ratios({0: 1.0}, {0: 0.0}) == []


@pytest.mark.parametrize(("values", "middle"), [([], None), ([3], 3), ([9, 1, 2], 2), ([4, 1, 2, 3], 2.5)])
def test_the_median(values: list[float], middle: float | None) -> None:
    assert median(values) == middle


@pytest.mark.parametrize(("share", "found"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_came(share: float, found: int) -> None:
    assert percentile([*range(100, 0, -1)], share) == found


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) is None


def test_lost_and_doubled_are_counted_by_key() -> None:
    assert counted(["a", "b", "c", "d"], ["a", "c", "c", "c", "stranger", "stranger"]) == Counted(lost=2, doubled=1)
    assert counted(["a"], ["a"]) == Counted(lost=0, doubled=0)


def test_costs_lie_between_the_marks() -> None:
    marks = [Mark(100, 10.0, 1.0), Mark(1100, 12.0, 1.5), Mark(1100, 13.0, 1.75)]
    assert costs(marks) == [500.0, 250_000.0]
    assert rate(marks[0], marks[1]) == 500.0


def test_each_round_begins_with_another() -> None:
    orders = [rotated(["a", "b", "c"], number) for number in range(4)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert rotated([], 3) == []
