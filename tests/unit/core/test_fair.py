"""Turns by weight, level by level: nobody starves, and nothing is saved up."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.fair import Turns
from callmq_worker.core.flow import CampaignPace, Pace, Rates


def served(turns: Turns, waiting: list[tuple[str, ...]], count: int) -> Counter[tuple[str, ...]]:
    had: Counter[tuple[str, ...]] = Counter()
    for _ in range(count):
        path = turns.next(waiting)
        turns.count(path)
        had[path] += 1
    return had


def test_each_has_turns_by_its_weight():
    turns = Turns(lambda path: {"a": 3.0, "b": 1.0}[path[0]])
    assert served(turns, [("a",), ("b",)], 400) == {("a",): 300, ("b",): 100}


def test_a_rank_shares_its_turns_among_its_campaigns_however_many_there_are():
    turns = Turns(Rates(Pace(1.0)).weight)
    waiting = [("bulk", f"c{n}", "") for n in range(10)] + [("high", "x", "")]
    had = served(turns, waiting, 1700)
    assert had["high", "x", ""] == 1600
    assert {had[path] for path in waiting[:10]} == {10}


def test_campaigns_share_by_their_own_weights():
    rates = Rates(Pace(1.0), campaigns={"big": CampaignPace(weight=2.0)})
    had = served(Turns(rates.weight), [("normal", "big", ""), ("normal", "small", "")], 300)
    assert had == {("normal", "big", ""): 200, ("normal", "small", ""): 100}


def test_who_comes_late_has_nothing_saved_up():
    turns = Turns(lambda _path: 1.0)
    served(turns, [("a",)], 1000)
    assert served(turns, [("a",), ("b",)], 100) == {("a",): 50, ("b",): 50}


def test_nobody_waits():
    with pytest.raises(ValueError, match="nobody"):
        Turns(lambda _path: 1.0).next([])


@given(st.lists(st.floats(0.5, 10), min_size=2, max_size=6), st.data())
def test_nobody_starves(weights, data):
    turns = Turns(lambda path: weights[int(path[0])])
    waiting = [(str(n),) for n in range(len(weights))]
    one = data.draw(st.sampled_from(waiting))
    most = int(sum(weights) / weights[int(one[0])]) + len(weights) + 1
    assert served(turns, waiting, most)[one] >= 1


def test_strangers_are_forgotten():
    turns = Turns(lambda _path: 1.0)
    for number in range(30_000):
        turns.count((str(number),))
    assert len(turns._had) <= 10_001
