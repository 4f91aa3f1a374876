"""What is said of a pace: every minute counts, not only the mean."""

import pytest

from benchmarks.pace import report, windows


def every(gap: float, seconds: float, began: float = 1000.0) -> list[float]:
    return [began + gap * n for n in range(int(seconds / gap) + 1)]


def test_an_even_pace_has_as_many_in_each_minute():
    times = every(0.1, 120)
    assert set(windows(times, times[0], times[-1])) <= {599, 600, 601}


def test_a_pause_that_is_made_up_for_is_seen():
    times = every(0.1, 60) + every(0.05, 60, 1090.0)
    assert min(windows(times, times[0], times[-1])) < 500


def test_less_than_a_minute_tells_nothing():
    with pytest.raises(ValueError, match="empty"):
        report(every(0.1, 30), 10, 2)
