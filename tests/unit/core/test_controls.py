"""What operators say: read and written by pure changes of one note, bounded, and never forgotten while it stands."""

from __future__ import annotations

import orjson
import pytest

from callmq_worker.core import controls
from callmq_worker.core.controls import NOTHING, Cancellation, Full, Pause, Scope, Standing, Target, UnreadableError
from intents import START

KEY = Target(Scope.KEY, "order-1", "default")
SPRING = Target(Scope.CAMPAIGN, "spring")
CALL = Target(Scope.CALL, "0e9c80d7-a149-4917-892d-420043709f45")
NORTH = Target(Scope.ACCOUNT, "north")
LIFE = 600.0


def said(*changes, now: float = START) -> bytes | None:
    note = None
    for change in changes:
        after, _ = change(note, now)
        note = note if after is None else after
    return note


def stands(*changes, now: float = START) -> Standing:
    return controls.read(said(*changes, now=now))


# What is cancelled


@pytest.mark.parametrize(
    ("command", "scope"),
    [
        (("default", "order-1", None, None), Scope.KEY),
        (("second", "order-1", None, None), None),
        (("default", "order-2", None, None), None),
        (("second", "order-2", "spring", None), Scope.CAMPAIGN),
        (("second", None, "spring", None), Scope.CAMPAIGN),
        (("default", None, "autumn", None), None),
        (("default", None, None, CALL.name), Scope.CALL),
        (("default", "order-1", "spring", CALL.name), Scope.KEY),
        (("default", None, None, None), None),
    ],
)
def test_a_command_is_cancelled_by_its_key_its_campaign_or_its_call(command, scope):
    cancelled = stands(*(controls.cancel(target, LIFE) for target in (KEY, SPRING, CALL)))
    assert cancelled.cancels(*command) is scope
    assert NOTHING.cancels(*command) is None


def test_a_pause_cancels_nothing_and_a_cancellation_pauses_nothing():
    both = stands(controls.pause(SPRING, "x"), controls.cancel(KEY, LIFE))
    assert both.cancels("default", None, "spring", None) is None
    assert (both.pauses(Scope.CAMPAIGN), both.pauses(Scope.ACCOUNT)) == ({"spring": "x"}, {})


def test_a_cancellation_ends_and_the_next_change_forgets_it():
    note = said(controls.cancel(KEY, LIFE))
    assert controls.read(note).at(START + LIFE - 1).cancelled == {KEY: Cancellation(START, START + LIFE)}
    assert controls.read(note).at(START + LIFE).cancelled == {}
    after, _ = controls.pause(SPRING, "")(note, START + LIFE)
    assert controls.read(after) == Standing(START + LIFE, {}, {SPRING: Pause(START + LIFE, "")})


def test_said_again_it_only_lasts_longer():
    note = said(controls.cancel(KEY, LIFE))
    assert controls.cancel(KEY, 10.0)(note, START + 5)[1] == Cancellation(START, START + LIFE)
    assert controls.cancel(KEY, LIFE)(note, START + 5)[1] == Cancellation(START, START + LIFE + 5)


def test_what_is_lifted_is_gone_and_what_is_not_there_changes_nothing():
    note = said(controls.cancel(KEY, LIFE), controls.cancel(SPRING, LIFE))
    after, done = controls.lift(KEY)(note, START)
    assert (done, set(controls.read(after).cancelled)) == (True, {SPRING})
    assert controls.lift(KEY)(after, START) == (None, False)
    assert controls.lift(SPRING)(note, START + LIFE) == (None, False)


def test_there_is_room_for_so_many_and_for_what_stands_already(monkeypatch):
    monkeypatch.setattr(controls, "MOST_CANCELLATIONS", 2)
    note = said(controls.cancel(KEY, LIFE), controls.cancel(SPRING, LIFE))
    assert controls.cancel(CALL, LIFE)(note, START) == (None, Full(2))
    assert controls.cancel(KEY, LIFE)(note, START)[1] == Cancellation(START, START + LIFE)
    assert controls.cancel(CALL, LIFE)(note, START + LIFE)[1] == Cancellation(START + LIFE, START + 2 * LIFE)
    monkeypatch.setattr(controls, "MOST_PAUSES", 1)
    paused = said(controls.pause(SPRING, ""))
    assert controls.pause(NORTH, "")(paused, START) == (None, Full(1))
    assert controls.pause(SPRING, "still")(paused, START)[1] == Pause(START, "still")


# What is paused


def test_a_pause_keeps_its_beginning_and_gets_the_new_words():
    note = said(controls.pause(NORTH, "invoice"))
    after, stands_now = controls.pause(NORTH, "invoice unpaid")(note, START + 60)
    assert stands_now == Pause(START, "invoice unpaid")
    assert controls.read(after).pauses(Scope.ACCOUNT) == {"north": "invoice unpaid"}
    assert controls.resume(NORTH)(after, START)[1] is True
    assert controls.resume(SPRING)(after, START) == (None, False)


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("  two\nlines\x1b ", "two lines"),
        ("call +15550100123 first", "call ***23 first"),
        ("x" * 500, "x" * 200),
        ("\udcff", ""),
        ("", ""),
    ],
)
def test_the_words_of_a_pause_are_one_short_line_without_phone_numbers(why, words):
    assert controls.pause(NORTH, why)(None, START)[1].why == words


# The note


def test_all_that_stands_survives_the_note():
    one = stands(controls.cancel(KEY, LIFE), controls.cancel(CALL, 5.5), controls.pause(SPRING, "ü"))
    assert controls.read(controls.write(one)) == one
    assert controls.read(None) == NOTHING


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"x",
        b"[]",
        b"{}",
        orjson.dumps({"version": 2, "written_at": 1, "cancelled": [], "paused": []}),
        orjson.dumps({"version": 1, "written_at": 1, "cancelled": [["galaxy", "a", "", 1, 2]], "paused": []}),
        orjson.dumps({"version": 1, "written_at": 1, "cancelled": [["key", "a"]], "paused": []}),
    ],
)
def test_what_can_not_be_read_is_neither_taken_for_nothing_nor_written_over(note):
    with pytest.raises(UnreadableError):
        controls.read(note)
    with pytest.raises(UnreadableError):
        controls.cancel(KEY, LIFE)(note, START)


def test_what_stands_is_written_anew_before_it_could_be_purged():
    note = said(controls.pause(NORTH, "x"))
    assert controls.refresh(note, START + controls.REWRITE - 1) == (None, None)
    after, _ = controls.refresh(note, START + controls.REWRITE)
    assert controls.read(after) == Standing(START + controls.REWRITE, {}, {NORTH: Pause(START, "x")})


def test_what_is_over_is_written_out_and_an_empty_note_is_left_to_be_purged():
    note = said(controls.cancel(KEY, 5.0))
    assert controls.refresh(note, START + 4) == (None, None)
    after, _ = controls.refresh(note, START + 5)
    assert controls.read(after) == Standing(START + 5)
    assert controls.refresh(after, START + 10 * controls.REWRITE) == (None, None)
    assert controls.refresh(None, START) == (None, None)


def test_a_list_masks_numbers_unless_it_is_told_not_to():
    one = stands(controls.cancel(Target(Scope.KEY, "to-15550100123", "default"), LIFE), controls.pause(SPRING, "x"))
    first, second = controls.rows(one)
    assert (first["control"], first["scope"], first["account"], first["why"]) == ("cancelled", "key", "default", None)
    assert "5550100" not in first["name"]
    assert first["until"] == "2027-01-15T08:10:00.000Z"
    assert (second["control"], second["name"], second["account"], second["until"]) == ("paused", "spring", None, None)
    assert controls.rows(one, masked=False)[0]["name"] == "to-15550100123"
