"""Ten minutes in which the endpoint fails: nothing dies of it, and all is done within a minute of the first success."""

from __future__ import annotations

import logging

import pytest

from promises import breaches, tally
from simulation.outage import BEGINS, ENDS, endure

MINUTE = 60.0
FAILS = ("broken",)
ANYHOW = ("broken", "not sent", "lost, not done")


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("turns", "dials", "calls"),
    [
        pytest.param(FAILS, 0.4, 1.0, id="busy, 5xx"),
        pytest.param(ANYHOW, 0.4, 1.0, id="busy, fails anyhow"),
        pytest.param(("not sent",), 30.0, 100.0, id="thin, not reached"),
        pytest.param(FAILS, 1e9, 60.0, id="thin, 5xx on calls"),
        pytest.param(FAILS, 1e9, 1e9, id="next to nothing"),
        pytest.param(("pressed",), 1.0, 1.0, id="429 for all"),
    ],
)
def test_ten_minutes_of_failures_leave_no_dead_letter(turns, dials, calls):
    seen = endure(turns, dials=dials, calls=calls)
    assert breaches(seen.journal) == []
    assert seen.journal.dead == []
    assert set(tally(seen.journal)) <= {"succeeded", "unknown"}
    assert len(seen.journal.parked) <= 100  # dials that may have been done: those in flight, and a probe now and then


def test_after_the_first_success_all_that_waited_is_done_within_a_minute():
    seen = endure(FAILS, dials=0.4, calls=1.0)
    unknown = len(seen.journal.parked)
    full = seen.first_success + MINUTE
    assert seen.first_success <= ENDS + 15.0
    assert sum(at <= full for at in seen.acted) >= sum(at <= full - 1.0 for at in seen.published) - unknown
    assert seen.tried < 150 < sum(BEGINS < at < ENDS for at in seen.published)
