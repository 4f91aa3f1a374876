"""The pace over all workers: evenly spaced, no burst, nothing saved up."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.pacing import AHEAD, Reservation, read


class Note:
    """The note of one account."""

    def __init__(self) -> None:
        self.text: bytes | None = None

    def change(self, step, now: float):
        after, verdict = step(self.text, now)
        self.text = self.text if after is None else after
        return verdict

    def slots(self, now: float, *limits: tuple[str, float], most: int = 1) -> tuple[float, ...]:
        return self.change(Reservation(limits, most), now).slots

    def all_until(self, end: float, *limits: tuple[str, float], now: float = 1000.0, most: int = 1) -> list[float]:
        """Ask for slots as often as there are any, until ``end`` seconds are over."""
        found: list[float] = []
        start = now
        while now < start + end:
            granted = self.change(Reservation(limits, most), now)
            found += granted.slots
            if not granted.slots:
                assert granted.again_at > now
                now = granted.again_at
        return [slot for slot in found if slot < start + end]


def test_unpaced_gives_what_is_asked_for_and_writes_nothing():
    note = Note()
    assert note.slots(50.0, ("", 0.0), most=3) == (50.0, 50.0, 50.0)
    assert note.text is None


@pytest.mark.parametrize("rate", [0.1, 1.0, 7.0, 400.0])
@pytest.mark.parametrize("most", [1, 20])
def test_slots_are_evenly_spaced_from_the_first(rate, most):
    slots = Note().all_until(60.0, ("", rate), most=most)
    assert slots[0] == 1000.0
    assert abs(len(slots) - 60 * rate) <= 1
    assert all(abs(b - a - 1 / rate) < 1e-6 for a, b in pairwise(slots))


def test_none_is_given_far_ahead():
    note = Note()
    assert note.slots(0.0, ("", 0.5), most=9) == (0.0,)
    late = note.change(Reservation([("", 0.5)], 9), 0.5)
    assert (late.slots, late.by, late.again_at) == ((), "", 2.0 - AHEAD)


def test_idle_time_saves_nothing_up():
    note = Note()
    note.slots(100.0, ("", 1.0))
    assert note.slots(500.0, ("", 1.0), most=5) == (500.0, 501.0)


def test_a_campaign_and_a_number_slow_only_their_own():
    note = Note()
    slow = ("campaign:a", 0.1)
    assert note.slots(0.0, ("", 10.0), slow) == (0.0,)
    held = note.change(Reservation([("", 10.0), slow], 5), 0.0)
    assert (held.slots, held.by, held.again_at) == ((), "campaign:a", 10.0 - AHEAD)
    assert note.slots(0.0, ("", 10.0), most=2) == (0.1, 0.2)


def test_what_is_over_is_forgotten():
    note = Note()
    for number in range(50):
        note.slots(float(number), ("", 1.0), (f"from:{number}", 0.5))
    assert len(read(note.text).slots) <= 4


@given(st.floats(0.05, 300), st.lists(st.tuples(st.floats(0, 5), st.integers(1, 30)), min_size=2, max_size=60))
def test_two_slots_are_never_closer_than_the_rate_allows(rate, asks):
    note, now, slots = Note(), 0.0, []
    for gap, most in asks:
        now += gap
        granted = note.slots(now, ("", rate), most=most)
        assert all(now <= slot <= now + AHEAD for slot in granted)
        slots += granted
    assert all(b - a >= 1 / rate - 1e-6 for a, b in pairwise(slots))
