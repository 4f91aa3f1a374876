"""How fast queues empty: by fair turns, within every pace that binds them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.drain import Queue, empty_in, speeds
from callmq_worker.core.flow import CampaignPace, Pace, Rates

RATES = Rates(Pace(1.0), campaigns={"heavy": CampaignPace(weight=3.0)})
ACCOUNT = (("", 1.0),)


def queue(waiting, rank="normal", campaign="", limits=ACCOUNT):
    return Queue(waiting, (rank, campaign, ""), limits)


def test_one_queue_has_the_whole_pace():
    queues = {1: queue(100)}
    assert speeds(queues, RATES.weight) == {1: 1.0}
    assert empty_in(queues, RATES.weight) == {1: 100.0}


def test_campaigns_share_by_weight_and_the_rest_speeds_up_when_one_is_done():
    queues = {1: queue(30, campaign="heavy"), 2: queue(30, campaign="light")}
    assert speeds(queues, RATES.weight) == pytest.approx({1: 0.75, 2: 0.25})
    assert empty_in(queues, RATES.weight) == pytest.approx({1: 40.0, 2: 60.0})


def test_ranks_share_by_theirs_and_nothing_starves():
    queues = {1: queue(16, "high"), 2: queue(4), 3: queue(1, "bulk")}
    assert speeds(queues, RATES.weight) == pytest.approx({1: 16 / 21, 2: 4 / 21, 3: 1 / 21})
    assert empty_in(queues, RATES.weight) == pytest.approx({1: 21.0, 2: 21.0, 3: 21.0})


def test_what_a_campaigns_own_pace_leaves_goes_to_the_others():
    slow = queue(10, campaign="slow", limits=(*ACCOUNT, ("campaign:slow", 0.1)))
    queues = {1: slow, 2: queue(90, campaign="other")}
    assert speeds(queues, RATES.weight) == pytest.approx({1: 0.1, 2: 0.9})
    assert empty_in(queues, RATES.weight) == pytest.approx({1: 100.0, 2: 100.0})


def test_queues_of_one_campaign_share_its_pace():
    limits = (("campaign:slow", 0.5),)
    queues = {1: queue(9, "high", "slow", limits), 2: queue(9, "normal", "slow", limits)}
    assert sum(speeds(queues, RATES.weight).values()) == pytest.approx(0.5)
    assert max(empty_in(queues, RATES.weight).values()) == pytest.approx(36.0)


def test_what_nothing_paces_is_empty_at_once():
    queues = {1: queue(9, limits=()), 2: queue(5, campaign="slow", limits=(("campaign:slow", 1.0),))}
    assert speeds(queues, RATES.weight)[1] == math.inf
    assert empty_in(queues, RATES.weight) == pytest.approx({1: 0.0, 2: 5.0})


def test_an_empty_queue_takes_no_turns():
    assert empty_in({1: queue(0), 2: queue(8)}, RATES.weight) == {1: 0.0, 2: 8.0}
    assert empty_in({}, RATES.weight) == {}


some = st.builds(
    lambda waiting, rank, campaign, rate: queue(
        waiting, rank, campaign, (*ACCOUNT, (f"campaign:{campaign}", rate)) if rate else ACCOUNT
    ),
    st.integers(0, 10**6),
    st.sampled_from(["again", "high", "normal", "bulk"]),
    st.sampled_from(["heavy", "a", "b", "c"]),
    st.sampled_from([0.0, 0.001, 0.3, 5.0]),
)


@given(st.dictionaries(st.integers(1, 20), some, max_size=12))
def test_no_pace_is_exceeded_none_is_wasted_and_all_ends(queues):
    found = speeds(queues, RATES.weight)
    assert all(speed > 0 for speed in found.values())
    for limit in {limit for q in queues.values() for limit in q.limits}:
        assert sum(found[n] for n, q in queues.items() if limit in q.limits) <= limit[1] * (1 + 1e-6)
    free = [n for n, q in queues.items() if q.limits == ACCOUNT]
    if free:
        assert sum(found.values()) == pytest.approx(1.0)
    ends = empty_in(queues, RATES.weight)
    assert ends.keys() == queues.keys()
    assert max(ends.values(), default=0.0) >= 0.999 * sum(q.waiting for q in queues.values())
