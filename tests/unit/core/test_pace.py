"""The pace of dials: evenly spaced, no burst, no debt from idle times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.pace import Pace


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_unpaced_waits_for_nothing(rate):
    pace = Pace(rate)
    for now in (0.0, 0.0, 5.0):
        pace, wait = pace.take(now)
        assert wait == 0.0


def test_slots_are_evenly_spaced_from_the_first():
    pace, waits = Pace(2.0), []
    for _ in range(4):
        pace, wait = pace.take(100.0)
        waits.append(wait)
    assert waits == [0.0, 0.5, 1.0, 1.5]


def test_idle_time_saves_nothing_up():
    pace, _ = Pace(1.0).take(100.0)
    pace, late = pace.take(500.0)
    _, next_wait = pace.take(500.0)
    assert (late, next_wait) == (0.0, 1.0)


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 50), min_size=2, max_size=60))
def test_two_starts_are_never_closer_than_the_rate_allows(rate, gaps):
    pace, now, starts = Pace(rate), 0.0, []
    for gap in gaps:
        now += gap
        pace, wait = pace.take(now)
        assert wait >= 0
        starts.append(now + wait)
    assert all(b - a >= 1 / rate - 1e-6 for a, b in pairwise(starts))
