"""Limit headers in all their spellings: for how long nothing more is taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.adapters.limits import used_up_for

NOW = 1_800_000_000.0


def said(*lines: str) -> float | None:
    pairs = [line.partition(": ") for line in lines]
    return used_up_for([(name.encode(), value.encode()) for name, _, value in pairs], NOW)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["RateLimit-Remaining: 0", "RateLimit-Reset: 30"], 30),
        (["RateLimit-Reset: 30", "RateLimit-Remaining: 0"], 30),
        (["X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 7.5"], 7),
        (["x-rate-limit-remaining: 0", "x-rate-limit-reset: 7"], 7),
        (["RateLimit-Remaining: 0, 0;w=60", "RateLimit-Reset: 5"], 5),
        (["X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {NOW + 12:.0f}"], 12),
        (["X-RateLimit-Remaining: 0", f"X-RateLimit-Reset: {(NOW + 12) * 1000:.0f}"], 12),
        (["RateLimit: limit=100, remaining=0, reset=50"], 50),
        (["RateLimit: remaining=0;reset=50"], 50),
        (['RateLimit: "default";r=0;t=9'], 9),
        (['RateLimit: "minute";r=3;t=9, "day";t=4000;r=0'], 4000),
        (['RateLimit: "a";r=0;t=9, "b";r=0;t=4'], 9),
    ],
)
def test_what_is_used_up_comes_back_after_so_long(lines, seconds):
    assert said(*lines) == seconds


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["Content-Type: application/json"],
        ["RateLimit-Remaining: 1", "RateLimit-Reset: 30"],
        ["RateLimit-Remaining: 0"],
        ["RateLimit-Reset: 30"],
        ["RateLimit-Remaining: 0", "RateLimit-Reset: 0"],
        ["RateLimit-Remaining: 0", "RateLimit-Reset: -5"],
        ["RateLimit-Remaining: 0", "RateLimit-Reset: soon"],
        ["RateLimit-Remaining: 00x", "RateLimit-Reset: 9"],
        ["RateLimit-Remaining: 0", f"RateLimit-Reset: {NOW - 100:.0f}"],
        ["RateLimit-Remaining: 0", "RateLimit-Reset: 99999999999999999999"],
        ["RateLimit: "],
        ['RateLimit: "default";r=5;t=9'],
        ['RateLimit: "default";r=0'],
        ["RateLimit-Policy: 100;w=60;r=0;t=5"],
        ["X-Limit: 0"],
    ],
)
def test_what_says_nothing_of_an_end_says_nothing(lines):
    assert said(*lines) is None


@given(st.lists(st.tuples(st.sampled_from([b"RateLimit", b"X-RateLimit-Remaining", b"RateLimit-Reset"]), st.binary())))
def test_whatever_is_said_is_a_time_to_come_or_nothing(headers):
    found = used_up_for(headers, NOW)
    assert found is None or found > 0
