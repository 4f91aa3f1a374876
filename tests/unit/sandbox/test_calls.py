import itertools

import pytest

from callmq_worker.sandbox.calls import Call, Calls
from callmq_worker.sandbox.leg import leg, portrait
from callmq_worker.sandbox.refusal import Refusal
from callmq_worker.sandbox.settings import SandboxSettings

NOW = 1_000_000.0


def calls(**settings) -> Calls:
    numbers = itertools.count(1)
    return Calls(SandboxSettings(**settings), lambda: f"00000000-0000-4000-8000-{next(numbers):012x}")


def dial(room: Calls, now: float = NOW, **params) -> Call:
    result = room.dial({"from": "+15550100000", "to": "+15550100001", **params}, now)
    assert isinstance(result, Call)
    return result


def test_a_call_goes_through_its_states_in_time():
    room = calls(cps=0, ring_seconds=1, answer_seconds=2, talk_seconds=3)
    call = dial(room)
    states = [call.status(NOW + second) for second in (0, 0.9, 1, 2.9, 3, 5.9, 6, 1000)]
    assert states == ["created", "created", "ringing", "ringing", "answered", "answered", "ended", "ended"]


def test_dials_leave_the_queue_one_by_one():
    room = calls(cps=2, ring_seconds=0)
    three = [dial(room) for _ in range(3)]

    def waiting(now: float) -> list[bool]:
        room.advance(now)
        return [call.status(now) == "queued" for call in three]

    assert waiting(NOW) == [False, True, True]
    assert waiting(NOW + 0.4) == [False, True, True]
    assert waiting(NOW + 0.5) == [False, False, True]
    assert waiting(NOW + 1.0) == [False, False, False]
    assert [call.started for call in three] == [NOW, NOW + 0.5, NOW + 1.0]


def test_a_late_look_gives_the_same_times_as_an_early_one():
    room = calls(cps=1, ring_seconds=0, answer_seconds=0)
    three = [dial(room) for _ in range(3)]
    room.advance(NOW + 500)
    assert [call.started for call in three] == [NOW, NOW + 1, NOW + 2]


def test_an_idle_queue_saves_no_turns():
    room = calls(cps=1)
    dial(room)
    later = [dial(room, NOW + 100) for _ in range(2)]
    room.advance(NOW + 100)
    assert [call.status(NOW + 100) for call in later] == ["created", "queued"]


def test_no_pace_means_no_queue():
    room = calls(cps=0)
    assert all(dial(room).started == NOW for _ in range(100))
    assert not room.queue


def test_a_full_backlog_is_refused_and_leaves_nothing_behind():
    room = calls(cps=1, backlog=2)
    for _ in range(3):
        dial(room)
    refused = room.dial({"from": "+15550100000"}, NOW)
    assert isinstance(refused, Refusal)
    assert refused.status == 422
    assert refused.document["errors"][0]["code"] == "max_queued_calls_exceeded"
    assert len(room.known) == 3
    assert isinstance(room.dial({}, NOW + 1), Call), "there is room again once one has left"


def test_a_cancelled_dial_uses_no_turn():
    room = calls(cps=1)
    _, second, third = (dial(room) for _ in range(3))
    room.end(second, NOW, "canceled")
    room.advance(NOW + 1)
    assert third.started == NOW + 1
    assert second.status(NOW + 50) == "canceled"


def test_a_new_pace_counts_for_those_who_still_wait():
    room = calls(cps=1)
    many = [dial(room) for _ in range(10)]
    room.settings = SandboxSettings(cps=0)
    room.advance(NOW + 1)
    assert all(call.started <= NOW + 1 for call in many)


@pytest.mark.parametrize("state", ["queued", "ringing", "answered", "ended"])
def test_a_forced_state_stays(state):
    room = calls(cps=0, ring_seconds=0, answer_seconds=0, talk_seconds=0)
    call = dial(room)
    room.force(call, state, NOW + 1)
    assert room.find(call.id, NOW + 10_000) is call
    assert call.status(NOW + 10_000) == state


def test_a_made_call_has_the_given_id_whatever_its_case():
    room = calls()
    call = room.make("ABCDEF00-0000-4000-8000-000000000001", "answered", NOW)
    assert room.find("abcdef00-0000-4000-8000-000000000001", NOW) is call
    assert room.find("ABCDEF00-0000-4000-8000-000000000001", NOW) is call
    assert room.find("00000000-0000-4000-8000-00000000ffff", NOW) is None
    assert room.find(None, NOW) is None


def test_a_made_call_replaces_the_one_before_even_in_the_queue():
    room = calls(cps=1)
    dial(room)
    queued = dial(room)
    made = room.make(queued.id, "answered", NOW)
    room.advance(NOW + 100)
    assert room.find(queued.id, NOW + 100) is made
    assert made.status(NOW + 100) == "answered"


def test_the_oldest_call_is_forgotten_first(monkeypatch):
    monkeypatch.setattr("callmq_worker.sandbox.calls._REMEMBERED", 3)
    room = calls(cps=1)
    ids = [dial(room).id for _ in range(5)]
    assert list(room.known) == ids[2:]
    room.advance(NOW + 1000)
    assert not room.queue


LEG = {
    *("id", "from", "to", "direction", "source", "url", "charge", "created_at", "charge_details"),
    *("status", "duration", "duration_ms", "billing_ms", "type", "parent_id"),
}


@pytest.mark.parametrize(
    ("to", "kind"),
    [
        ("+15550100001", "relay_pstn_call"),
        ("sip:a@example.com", "relay_sip_call"),
        ("sips:a@example.com", "relay_sip_call"),
        ("client:a", "relay_webrtc_call"),
        ("verto:a", "relay_webrtc_call"),
    ],
)
def test_a_leg_has_every_field(to, kind):
    described = leg(dial(calls(), to=to, url="https://example.com/swml"), NOW)
    assert described.keys() == LEG
    assert (described["type"], described["to"], described["url"]) == (kind, to, "https://example.com/swml")
    assert described["duration"] is None


def test_a_fabric_leg_has_no_status_and_fewer_fields():
    described = leg(dial(calls(), to="/private/alice"), NOW)
    assert described["type"] == "fabric_subscriber_device_leg"
    assert described["status"] is None
    assert described.keys() == LEG - {"duration", "duration_ms", "billing_ms", "parent_id"}


def test_an_ended_leg_tells_how_long_was_talked():
    room = calls(cps=0, ring_seconds=0, answer_seconds=0)
    call = dial(room)
    room.end(call, NOW + 2.5)
    described = leg(call, NOW + 100)
    assert (described["duration"], described["duration_ms"]) == (2, 2500)


def test_an_unanswered_leg_was_not_talked_on():
    room = calls(cps=0, answer_seconds=50)
    call = dial(room)
    room.end(call, NOW + 2)
    assert leg(call, NOW + 100)["duration"] is None


def test_a_portrait_has_null_for_times_not_known():
    call = calls().make(None, "queued", NOW)
    described = portrait(call, NOW)
    assert described["state"] == "queued"
    assert [described[name] for name in ("started", "rings", "answers", "ends")] == [None] * 4
