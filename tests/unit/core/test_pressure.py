"""Less where less was asked for: at once, on all workers, and back in steps of time."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.pacing import AHEAD, LEAST, LONGEST_WAIT, RECOVERY, STEP, Pressure, Reservation, read
from intents import START

CLOSE = 1e-4
TEN_YEARS = 315_360_000.0


class Note:
    """One account's note, and the store's time."""

    def __init__(self) -> None:
        self.text: bytes | None = None
        self.now = START

    def ask(self, *limits: tuple[str, float], most: int = 1):
        after, granted = Reservation(limits, most)(self.text, self.now)
        self.text = after or self.text
        return granted

    def press(self, wait: float | None = None, *, refused: bool = True) -> None:
        self.text = Pressure(wait, refused=refused)(self.text, self.now)[0] or self.text

    @property
    def share(self) -> float:
        return read(self.text).share(self.now)

    def steadily(self, seconds: float, *limits: tuple[str, float], most: int = 1) -> list[float]:
        """Ask as soon as it makes sense, for so long; return the slots since the start."""
        slots, end = [], self.now + seconds
        while self.now < end:
            granted = self.ask(*limits, most=most)
            slots += granted.slots
            if not granted.slots:
                assert granted.again_at > self.now
                self.now = granted.again_at
        return [slot - START for slot in slots if slot < end]


def ratio(slots: list[float]) -> float:
    return (len(slots) - 1) / (slots[-1] - slots[0])


def test_pressure_halves_the_rate_and_time_gives_it_back():
    note = Note()
    note.press()
    assert note.share == 0.5
    slots = note.steadily(120, ("", 10.0))
    assert len([s for s in slots if s < 5]) == pytest.approx(4 * 5.3, abs=2)
    shares = [note.share]
    assert shares == [1.0]
    assert ratio([s for s in slots if 60 < s < 120]) == pytest.approx(10.0, rel=0.001)
    gaps = [b - a for a, b in pairwise(slots)]
    assert all(later <= earlier + CLOSE for earlier, later in pairwise(gaps))  # gradually


def test_a_storm_of_refusals_counts_once():
    note = Note()
    for _ in range(500):
        note.press()
        note.now += STEP / 501
    assert note.share == pytest.approx(0.5, abs=0.04)


def test_pressure_that_lasts_has_a_floor_and_is_over_within_a_minute():
    note = Note()
    for _ in range(100):
        note.press()
        note.now += STEP
    assert LEAST <= note.share < 0.1
    assert note.steadily(70.0, ("", 1.0))
    note.now += RECOVERY
    assert note.share == 1.0


@pytest.mark.parametrize(
    ("told", "wait"), [(0.5, 1.0), (30.0, 30.0), (TEN_YEARS, LONGEST_WAIT), (math.inf, LONGEST_WAIT)]
)
@pytest.mark.parametrize("rate", [0.0, 10.0])
def test_a_wait_that_was_asked_for_is_kept_up_to_ten_minutes(told, wait, rate):
    note = Note()
    note.ask(("", rate))
    note.press(told)
    if wait > AHEAD:
        granted = note.ask(("", rate))
        assert (granted.slots, granted.again_at - START) == ((), pytest.approx(wait - AHEAD, abs=0.5))
    note.now = max(START, START + wait - AHEAD)
    first, *_ = note.ask(("", rate)).slots or (note.now + AHEAD,)
    assert first - START >= wait - CLOSE


@pytest.mark.parametrize("told", [-1.0, -TEN_YEARS, 0.0, None, math.nan, -math.inf])
def test_what_is_no_wait_is_pressure_alone(told):
    note = Note()
    note.press(told)
    assert note.share == 0.5
    assert note.ask(("", 1.0)).slots == (START + 1,)


def test_it_recovers_from_the_end_of_a_wait():
    note = Note()
    note.press(300.0)
    note.now += 300
    assert note.share == 0.5
    note.now += RECOVERY
    assert note.share == 1.0


def test_a_shorter_wait_does_not_undo_a_longer_one():
    note = Note()
    note.press(60.0)
    note.now += STEP
    note.press(1.0)
    assert read(note.text).closed_until == START + 60


def test_limits_that_are_used_up_close_and_slow_nothing_down():
    note = Note()
    note.press(5.0, refused=False)
    assert (note.ask(("", 10.0)).slots, note.share) == ((), 1.0)
    note.now += 5
    assert note.ask(("", 10.0)).slots == (note.now,)


def test_what_was_regained_is_kept_through_a_wait():
    note = Note()
    note.press()
    note.now += 15
    share = note.share
    note.press(5.0, refused=False)
    note.now += 5
    assert share == pytest.approx(note.share)
    assert share > 0.7


def test_limits_left_unused_change_nothing():
    assert Pressure(None, refused=False)(None, START) == (None, None)


@given(st.lists(st.tuples(st.floats(0, 20), st.none() | st.floats(-10, 1000)), max_size=30), st.floats(0.1, 50))
def test_whatever_is_asked_for_the_rate_is_back_in_the_end(pressed, rate):
    note = Note()
    for pause, wait in pressed:
        note.now += pause
        note.press(wait)
        granted = note.ask(("", rate), most=3)
        assert LEAST <= note.share <= 1.0
        assert granted.slots or granted.again_at <= note.now + max(LONGEST_WAIT, 1 / (rate * LEAST))
    note.now += LONGEST_WAIT + RECOVERY
    slots = note.steadily(30 / rate + 5, ("", rate))
    assert note.share == 1.0
    assert ratio(slots) == pytest.approx(rate, rel=0.01)
