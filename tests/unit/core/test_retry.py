"""When to try again: tiers, Retry-After, the lifetime, the attempts, the budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.retry import Budget, Due, NoMore, Situation, Tier, next_delay, parse_tiers, tier_for

TIERS = parse_tiers("1s,5s,30s,2m,10m,1h")
HOUR = 3600.0
TEN_YEARS = 315_360_000.0
FIRST = Situation(
    used=1, max_attempts=8, left=HOUR * 24, chance=0.5, retry_after=None, budget=True, tiers=TIERS, exact=False
)


# Tiers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", [1]),
        ("1s,5s,30s,2m,10m,1h", [1, 5, 30, 120, 600, 3600]),
        (" 1s , 2m ", [1, 120]),
        ("999999s", [999_999]),
    ],
)
def test_tiers_are_read(text, seconds):
    tiers = parse_tiers(text)
    assert [t.seconds for t in tiers] == seconds
    assert [t.name for t in tiers] == [w.strip() for w in text.split(",")]


@pytest.mark.parametrize("text", ["", ",", "1s,", "1", "0s", "-1s", "1.5s", "1d", "01s", "1234567s", "1 s", "१s"])
def test_what_is_no_tier_is_named(text):
    with pytest.raises(ValueError, match="each tier"):
        parse_tiers(text)


@pytest.mark.parametrize("text", ["5s,1s", "1s,1s", "60s,1m"])
def test_tiers_ascend(text):
    with pytest.raises(ValueError, match="ascend"):
        parse_tiers(text)


@pytest.mark.parametrize(
    ("delay", "name"),
    [
        (0, "1s"),
        (0.2, "1s"),
        (1, "1s"),
        (1.001, "5s"),
        (30, "30s"),
        (121, "10m"),
        (3600, "1h"),
        (1e9, "1h"),
        (-5, "1s"),
    ],
)
def test_a_delay_rounds_up_to_a_tier(delay, name):
    assert tier_for(delay, TIERS).name == name


# The delay


@pytest.mark.parametrize(
    ("used", "chance", "delay"),
    [(1, 0.0, 1), (1, 0.99, 1), (2, 0.4, 1), (2, 0.6, 5), (5, 0.5, 30), (7, 0.99, 120), (7, 0.0, 1)],
)
def test_the_wait_doubles_with_full_jitter_and_rounds_up_to_a_tier(used, chance, delay):
    assert next_delay(replace(FIRST, used=used, chance=chance)) == Due(delay)


@pytest.mark.parametrize(("used", "delay"), [(30, 3600), (5000, 3600)])
def test_the_wait_has_a_ceiling(used, delay):
    assert next_delay(replace(FIRST, used=used, max_attempts=10_000, chance=0.999)) == Due(delay)


@pytest.mark.parametrize(
    ("told", "delay"), [(0.0, 1), (1.0, 1), (1.1, 5), (29.0, 30), (601.0, 3600), (3601.0, 3601), (7200.0, 7200)]
)
def test_retry_after_rounds_up_and_beyond_the_longest_tier_stays_as_it_is(told, delay):
    assert next_delay(replace(FIRST, retry_after=told, chance=0.0)) == Due(delay)


@pytest.mark.parametrize("told", [-1.0, -TEN_YEARS])
def test_a_negative_retry_after_counts_as_none(told):
    assert next_delay(replace(FIRST, retry_after=told)) == next_delay(FIRST)


def test_an_absurd_retry_after_ends_it_at_once():
    assert next_delay(replace(FIRST, retry_after=TEN_YEARS)) == NoMore(lifetime=True)


def test_the_attempts_end():
    assert next_delay(replace(FIRST, used=7, max_attempts=8)) != NoMore(lifetime=False)
    assert next_delay(replace(FIRST, used=8, max_attempts=8)) == NoMore(lifetime=False)
    assert next_delay(replace(FIRST, used=1, max_attempts=1)) == NoMore(lifetime=False)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (1e9, Due(120)),  # what the jitter wanted
        (120.0, Due(1)),  # the shortest wait, when that one would come too late
        (1.5, Due(1)),
        (1.0, NoMore(lifetime=True)),  # at the very end is too late
        (0.0, NoMore(lifetime=True)),
        (-5.0, NoMore(lifetime=True)),
    ],
)
def test_the_last_retry_fits_the_lifetime(left, expected):
    assert next_delay(replace(FIRST, used=7, chance=0.99, left=left)) == expected


def test_retry_after_is_not_undercut_to_fit_the_lifetime():
    told = replace(FIRST, used=7, chance=0.99, retry_after=20.0)
    assert next_delay(replace(told, left=31.0)) == Due(30)
    assert next_delay(replace(told, left=29.0)) == NoMore(lifetime=True)


def test_without_budget_a_long_tier_is_taken_and_nothing_is_given_up():
    assert next_delay(replace(FIRST, budget=False)) == Due(600)
    assert next_delay(replace(FIRST, budget=False, tiers=parse_tiers("2s"))) == Due(2)
    assert next_delay(replace(FIRST, budget=False, left=20.0)) == Due(1)


def test_in_its_lane_a_command_needs_no_tier():
    assert next_delay(replace(FIRST, exact=True, used=4, chance=0.3)) == Due(pytest.approx(2.4))
    assert next_delay(replace(FIRST, exact=True, chance=0.0)) == Due(1.0)
    assert next_delay(replace(FIRST, exact=True, retry_after=7.5)) == Due(7.5)


def test_in_its_lane_an_empty_budget_does_not_break_the_order():
    # Beyond a minute it would leave its lane, and its followers would overtake it.
    due = next_delay(replace(FIRST, exact=True, budget=False, left=4 * HOUR))
    assert due == Due(5)


def test_what_is_spared_uses_up_nothing_and_waits_until_its_account_is_tried_again():
    spared = replace(FIRST, used=8, chance=0.99, spared=True, shut_for=3.0)
    assert next_delay(spared) == Due(5)
    assert next_delay(replace(spared, exact=True)) == Due(3.0)
    assert next_delay(replace(spared, exact=True, left=2.0)) == Due(1.0)
    assert next_delay(replace(spared, left=1.0)) == NoMore(lifetime=True)


# What holds for all


tiers = st.lists(st.integers(1, 999_999), min_size=1, max_size=6, unique=True).map(
    lambda found: tuple(Tier(f"{n}s", n) for n in sorted(found))
)
situations = st.builds(
    Situation,
    used=st.integers(1, 1000),
    max_attempts=st.integers(1, 1000),
    left=st.floats(-1e6, 1e9),
    chance=st.floats(0, 1, exclude_max=True),
    retry_after=st.none() | st.floats(-1e9, 1e10),
    budget=st.booleans(),
    tiers=tiers,
    exact=st.booleans(),
    spared=st.booleans(),
    shut_for=st.just(0.0) | st.floats(0, 15),
)


@given(situations)
def test_never_before_told_never_beyond_the_lifetime_never_more_attempts(s):
    found = next_delay(s)
    if isinstance(found, NoMore):
        assert found.lifetime or (s.used >= s.max_attempts and not s.spared)
        return
    assert s.used < s.max_attempts or s.spared
    assert found.delay >= (s.retry_after or 0.0)
    assert 0 < found.delay < s.left


@given(situations)
def test_no_wait_is_shorter_than_its_tier(s):
    found = next_delay(s)
    if isinstance(found, Due) and not s.exact:
        assert found.delay >= tier_for(found.delay, s.tiers).seconds


@given(situations)
def test_it_is_given_up_only_where_the_shortest_wait_does_not_fit(s):
    shortest = max(s.retry_after or 0.0, 1.0)
    least = shortest if s.exact else max(shortest, tier_for(shortest, s.tiers).seconds)
    may = s.used < s.max_attempts or s.spared
    assert (next_delay(s) == NoMore(lifetime=True)) == (may and not least < s.left)


# The budget


def test_the_budget_starts_full_is_spent_and_earned_back_slowly():
    budget = Budget(tokens=1.5, capacity=2.0, share=0.5)
    after = budget.spend()
    assert after == Budget(0.5, 2.0, 0.5)
    assert after.spend() is None
    assert after.earn().spend() == Budget(0.0, 2.0, 0.5)
    assert Budget(tokens=1.9, capacity=2.0, share=0.5).earn().tokens == 2.0


@given(st.lists(st.booleans(), max_size=400))
def test_retries_are_at_most_a_tenth_of_first_attempts_beyond_the_start(first):
    budget, spent = Budget(), 0
    for is_first in first:
        left = budget.earn() if is_first else budget.spend()
        spent += not is_first and left is not None
        budget = left or budget
    assert spent <= 20 + 0.1 * sum(first) + 1e-6
