"""The breaker: when it opens, whose fault a failure is, how it is tried."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.breaker import (
    LEAST_SEEN,
    ROW,
    WELL,
    WINDOW,
    Closed,
    Open,
    Word,
    failed_again,
    hear,
    spares,
    word_of,
)
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent, Withheld

FAILED, TAKEN, PRESSED = Word.FAILED, Word.TAKEN, Word.PRESSED


def after(words, breaker=WELL, *, every=0.1, commands=None):
    """Let the breaker hear words, one each so often, of ever other commands unless told."""
    for number, word in enumerate(words):
        if isinstance(breaker, Open):
            return breaker
        breaker = hear(breaker, word, commands or str(number), 1000 + number * every)
    return breaker


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (NotSent("refused"), FAILED),
        (NoAnswer("reset"), FAILED),
        (Answered(500), FAILED),
        (Answered(502), FAILED),
        (Answered(503), FAILED),
        (Answered(408), FAILED),
        (Answered(503, None, 5.0), PRESSED),
        (Answered(429), PRESSED),
        (Answered(422, {"errors": [{"code": "max_queued_calls_exceeded"}]}), PRESSED),
        (Answered(200), TAKEN),
        (Answered(404), TAKEN),
        (Answered(422, {"errors": [{"code": "x"}]}), TAKEN),
        (Answered(401), TAKEN),
        (Withheld(), Word.NOTHING),
    ],
)
def test_what_an_answer_says_of_the_endpoint(answer, word):
    assert word_of(answer) is word


def test_half_of_twenty_opens_it_and_less_does_not():
    assert isinstance(after([TAKEN, FAILED] * (LEAST_SEEN // 2)), Open)
    assert isinstance(after([TAKEN, FAILED] * (LEAST_SEEN // 2 - 1)), Closed)
    assert isinstance(after([TAKEN, FAILED, TAKEN] * 50), Closed)


def test_pressure_is_no_failure():
    assert isinstance(after([PRESSED] * 500), Closed)
    assert isinstance(after([PRESSED, PRESSED, FAILED] * 3 + [TAKEN]), Closed)


def test_only_the_last_half_minute_counts():
    assert isinstance(after([FAILED, TAKEN] * 50, every=WINDOW / 15), Closed)
    well = after([TAKEN] * 500)
    assert isinstance(well, Closed)
    late = hear(well, FAILED, "x", 1000 + 50 + WINDOW)
    assert sum(part.seen for part in late.parts) == 1


def test_a_few_failures_in_a_row_of_several_commands_open_it_however_thin_the_traffic():
    assert isinstance(after([FAILED] * ROW, every=600), Open)
    assert isinstance(after([FAILED] * (ROW - 1), every=600), Closed)
    assert isinstance(after([FAILED] * (ROW - 1) + [TAKEN, FAILED], every=600), Closed)


def test_one_command_that_fails_alone_stops_no_other():
    alone = after([FAILED] * 19, every=600, commands="only")
    assert isinstance(alone, Closed)
    assert spares(alone)
    assert isinstance(hear(alone, FAILED, "another", 20_000), Open)
    assert not spares(hear(alone, TAKEN, "another", 20_000))


@pytest.mark.parametrize("word", [FAILED, PRESSED])
def test_what_fails_when_nothing_is_taken_uses_up_nothing(word):
    assert not spares(after([word] * (ROW - 1), commands="a"))
    assert spares(after([word] * ROW, commands="a"))
    assert spares(Open())


def test_what_was_not_asked_says_nothing():
    assert hear(WELL, Word.NOTHING, "a", 1.0) is WELL


def test_probes_come_more_rarely_each_time_and_never_later_than_told():
    breaker, waits = Open(), []
    for _ in range(60):
        waits.append(breaker.wait(0.0, 15.0))
        breaker = failed_again(breaker, "a")
    assert waits[:5] == [1, 2, 4, 8, 15]
    assert set(waits[4:]) == {15}
    assert 0.75 <= Open().wait(0.999, 15.0) < 1.0


def test_who_failed_as_a_probe_is_known_and_not_for_ever_more():
    breaker = failed_again(Open(frozenset("a")), "b")
    assert breaker.tried == {"a", "b"}
    for number in range(5000):
        breaker = failed_again(breaker, str(number))
    assert 0 < len(breaker.tried) <= 1000


@given(st.lists(st.tuples(st.sampled_from(Word), st.floats(0, 20), st.sampled_from("abc")), max_size=120))
def test_it_opens_only_for_failures_and_remembers_little(told):
    breaker, now, words = WELL, 0.0, []
    for word, pause, command in told:
        now += pause
        words.append(word)
        breaker = hear(breaker, word, command, now)
        if isinstance(breaker, Open):
            assert word is FAILED
            assert words.count(FAILED) >= ROW
            return
        assert len(breaker.parts) <= 6
        assert all(a.number < b.number for a, b in pairwise(breaker.parts))
        assert breaker.in_a_row <= breaker.in_vain
