"""What operators say, as one note: cancellations that end, pauses that stand, and never more than there is room for."""

from __future__ import annotations

import orjson
import pytest

from callmq_worker.core import controls
from callmq_worker.core.controls import (
    MOST_CANCELLATIONS,
    REWRITE,
    Cancellation,
    Full,
    Pause,
    Scope,
    Standing,
    Target,
    UnreadableError,
)

KEY = Target(Scope.KEY, "k1", "default")
SPRING = Target(Scope.CAMPAIGN, "spring")
CALL = Target(Scope.CALL, "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21")
SECOND = Target(Scope.ACCOUNT, "second")


class Note:
    def __init__(self) -> None:
        self.text: bytes | None = None

    def change(self, step, now: float = 0.0):
        after, verdict = step(self.text, now)
        self.text = self.text if after is None else after
        return verdict

    @property
    def standing(self) -> Standing:
        return controls.read(self.text)


def test_each_scope_cancels_its_own_and_nothing_else():
    note = Note()
    for target in (KEY, SPRING, CALL):
        assert note.change(controls.cancel(target, 60.0), 5.0) == Cancellation(5.0, 65.0)
    cancels = note.standing.cancels
    assert cancels("default", "k1", None, None) is Scope.KEY
    assert cancels("second", "k1", None, None) is None
    assert cancels("default", None, "spring", None) is Scope.CAMPAIGN
    assert cancels("default", "k2", "summer", CALL.name) is Scope.CALL
    assert cancels("default", "k2", "summer", None) is None


def test_a_cancellation_ends_and_is_only_ever_made_longer():
    note = Note()
    note.change(controls.cancel(KEY, 60.0), 0.0)
    assert note.change(controls.cancel(KEY, 10.0), 5.0) == Cancellation(0.0, 60.0)
    assert note.change(controls.cancel(KEY, 100.0), 5.0) == Cancellation(0.0, 105.0)
    assert not note.standing.at(105.0).cancelled
    assert note.change(controls.cancel(KEY, 1.0), 200.0) == Cancellation(200.0, 201.0)


def test_a_pause_stands_until_it_is_ended_and_shows_no_number():
    note = Note()
    note.change(controls.pause(SPRING, "ask\n+15550100123  first"), 1.0)
    why = note.standing.pauses(Scope.CAMPAIGN)["spring"]
    assert "+15550100123" not in why
    assert "\n" not in why
    assert note.change(controls.pause(SPRING, "later"), 9.0) == Pause(1.0, "later")
    assert note.change(controls.resume(SPRING), 10.0) is True
    assert note.change(controls.resume(SPRING), 10.0) is False
    assert note.standing.pauses(Scope.CAMPAIGN) == {}


def test_a_cancellation_can_be_ended_before_its_time():
    note = Note()
    assert note.change(controls.lift(KEY)) is False
    note.change(controls.cancel(KEY, 60.0))
    assert note.change(controls.lift(KEY)) is True
    assert note.standing.cancels("default", "k1", None, None) is None


def test_there_is_room_for_so_many_and_what_is_over_makes_room():
    note = Note()
    full = {Target(Scope.KEY, str(n), "default"): Cancellation(0.0, 60.0) for n in range(MOST_CANCELLATIONS)}
    note.text = controls.write(Standing(cancelled=full))
    assert note.change(controls.cancel(KEY, 60.0), 10.0) == Full(MOST_CANCELLATIONS)
    assert isinstance(note.change(controls.cancel(Target(Scope.KEY, "7", "default"), 99.0), 10.0), Cancellation)
    assert isinstance(note.change(controls.cancel(KEY, 60.0), 61.0), Cancellation)


def test_what_stands_is_written_anew_before_it_could_be_purged():
    note = Note()
    note.change(controls.pause(SECOND, ""), 0.0)
    assert controls.refresh(note.text, REWRITE - 1) == (None, None)
    note.change(controls.refresh, REWRITE)
    assert note.standing.written_at == REWRITE
    note.change(controls.resume(SECOND), REWRITE)
    assert controls.refresh(note.text, 9 * REWRITE) == (None, None)


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"version": 2}', orjson.dumps({"version": 1, "cancelled": [["?"]]})])
def test_what_another_version_wrote_is_not_taken_for_nothing(text):
    with pytest.raises(UnreadableError):
        controls.read(text)


def test_a_list_masks_numbers_unless_its_reader_is_trusted():
    note = Note()
    note.change(controls.cancel(Target(Scope.KEY, "call-+15550100123", "default"), 60.0), 1.0)
    note.change(controls.pause(SECOND, "why"), 2.0)
    masked, plain = controls.rows(note.standing), controls.rows(note.standing, masked=False)
    assert "+15550100123" not in str(masked)
    assert plain[0]["name"] == "call-+15550100123"
    assert [(row["control"], row["scope"]) for row in masked] == [("cancelled", "key"), ("paused", "account")]
