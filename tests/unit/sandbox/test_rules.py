import pytest

from callmq_contracts.command import Command, Order, Safety
from callmq_worker.sandbox.calls import Call, Calls, Operation
from callmq_worker.sandbox.refusal import Refusal
from callmq_worker.sandbox.rules import act
from callmq_worker.sandbox.settings import SandboxSettings

NOW = 1_000_000.0
ID = "0e9c80d7-a149-4917-892d-420043709f45"
KINDS = ["play", "record", "collect", "detect", "tap", "stream", "transcribe"]


def command(name: str, call_id: str | None = ID, **params) -> Command:
    body = {"command": name, "params": params}
    return Command(name, body, call_id, params.get("control_id"), Safety.UNSAFE, 1.0, Order.CALL)


def room(state: str = "answered", **settings) -> Calls:
    calls = Calls(SandboxSettings(**settings), lambda: ID)
    calls.make(ID, state, NOW)
    return calls


def said(result) -> tuple[int, str, str | None]:
    assert isinstance(result, Refusal)
    first = result.document.get("errors", [{"code": result.document.get("error")}])[0]
    return result.status, first["code"], first.get("attribute")


def test_dial_makes_a_call():
    calls = Calls(SandboxSettings(), lambda: ID)
    made = act(calls, command("dial", None, **{"from": "+15550100000", "to": "+15550100001"}), NOW)
    assert isinstance(made, Call)
    assert (made.id, made.sender, made.to) == (ID, "+15550100000", "+15550100001")


@pytest.mark.parametrize("name", ["update", "calling.end", "calling.play", "calling.play.stop", "calling.ai_hold"])
def test_an_unknown_call_is_not_found(name):
    unknown = command(name, "00000000-0000-4000-8000-000000000000", status="canceled", control_id="c")
    assert said(act(room(), unknown, NOW)) == (404, "Not Found", None)


@pytest.mark.parametrize("name", ["calling.end", "calling.disconnect", "calling.play", "calling.denoise"])
def test_an_ended_call_refuses_everything(name):
    assert said(act(room("ended"), command(name, control_id="c"), NOW))[:2] == (422, "invalid_state")


@pytest.mark.parametrize("params", [{"status": "canceled"}, {"status": "completed"}, {"url": "https://example.com"}])
def test_an_ended_call_can_not_be_updated(params):
    assert said(act(room("ended"), command("update", **params), NOW))[:2] == (422, "cannot_update_completed")


@pytest.mark.parametrize("name", ["calling.end", "calling.disconnect"])
@pytest.mark.parametrize("state", ["queued", "ringing", "answered"])
def test_a_call_can_be_ended_from_any_state(name, state):
    calls = room(state)
    assert isinstance(act(calls, command(name), NOW), Call)
    assert calls.known[ID].status(NOW) == "ended"


@pytest.mark.parametrize(
    ("params", "state", "after"),
    [
        ({"status": "canceled"}, "queued", "canceled"),
        ({"status": "canceled"}, "ringing", "canceled"),
        ({"status": "completed"}, "answered", "completed"),
        ({"url": "https://example.com/2"}, "answered", "answered"),
        ({"swml": {"sections": {}}}, "answered", "answered"),
    ],
)
def test_update_acts_in_the_right_state(params, state, after):
    calls = room(state)
    assert isinstance(act(calls, command("update", **params), NOW), Call)
    assert calls.known[ID].status(NOW) == after


@pytest.mark.parametrize(
    ("params", "state", "code"),
    [
        ({"status": "canceled"}, "answered", "cannot_cancel_in_progress"),
        ({"status": "completed"}, "queued", "invalid_state"),
        ({"status": "completed"}, "ringing", "invalid_state"),
        ({"url": "https://example.com"}, "queued", "cannot_redirect_not_in_progress"),
        ({"swml": {"sections": {}}}, "ringing", "cannot_redirect_not_in_progress"),
    ],
)
def test_update_is_refused_in_another_state_and_changes_nothing(params, state, code):
    calls = room(state)
    assert said(act(calls, command("update", **params), NOW))[:2] == (422, code)
    assert calls.known[ID].status(NOW) == state


def test_update_url_redirects():
    calls = room()
    act(calls, command("update", url="https://example.com/2"), NOW)
    assert calls.known[ID].url == "https://example.com/2"


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_id_is_refused_while_its_operation_is_active(kind):
    calls = room()
    start, stop = command(f"calling.{kind}", control_id="c"), command(f"calling.{kind}.stop", control_id="c")
    assert isinstance(act(calls, start, NOW), Call)
    assert said(act(calls, start, NOW)) == (422, "not_unique", "control_id")
    assert isinstance(act(calls, stop, NOW), Call)
    assert said(act(calls, stop, NOW)) == (422, "does_not_exist", "control_id")
    assert isinstance(act(calls, start, NOW), Call)


def test_a_control_id_is_unique_per_kind_only():
    calls = room()
    assert all(isinstance(act(calls, command(f"calling.{kind}", control_id="c"), NOW), Call) for kind in KINDS)


def test_two_plays_run_side_by_side():
    calls = room()
    assert all(isinstance(act(calls, command("calling.play", control_id=c), NOW), Call) for c in "ab")


def test_a_call_has_one_transcription():
    calls = room()
    act(calls, command("calling.transcribe", control_id="a"), NOW)
    assert said(act(calls, command("calling.transcribe", control_id="b"), NOW))[0] == 409


def test_a_play_ends_by_itself_and_a_tap_does_not():
    calls = room(operation_seconds=2)
    for kind in ("play", "tap"):
        act(calls, command(f"calling.{kind}", control_id="c"), NOW)
    assert said(act(calls, command("calling.play", control_id="c"), NOW + 1.9))[0] == 422
    assert isinstance(act(calls, command("calling.play", control_id="c"), NOW + 2), Call)
    assert said(act(calls, command("calling.tap", control_id="c"), NOW + 9999))[0] == 422


@pytest.mark.parametrize("verb", ["pause", "resume", "volume", "start_input_timers", "stop"])
def test_what_needs_an_active_operation_is_refused_without(verb):
    refused = act(room(), command(f"calling.play.{verb}", control_id="c"), NOW)
    assert said(refused) == (422, "does_not_exist", "control_id")


def test_pause_and_resume_are_seen():
    calls = room()
    act(calls, command("calling.record", control_id="c"), NOW)
    running = calls.known[ID].operations["record", "c"]
    act(calls, command("calling.record.pause", control_id="c"), NOW)
    assert running.paused
    assert isinstance(act(calls, command("calling.record.pause", control_id="c"), NOW), Call), "it converges"
    act(calls, command("calling.record.resume", control_id="c"), NOW)
    assert not running.paused


def test_the_end_of_a_call_ends_its_operations():
    calls = room()
    act(calls, command("calling.tap", control_id="c"), NOW)
    act(calls, command("calling.end"), NOW)
    assert not calls.known[ID].operations


@pytest.mark.parametrize("fax", ["send_fax", "receive_fax"])
def test_a_fax_can_be_stopped_once(fax):
    calls = room()
    calls.known[ID].operations[fax, "c"] = Operation(fax, "c", float("inf"))
    stop = command(f"calling.{fax}.stop", control_id="c")
    assert isinstance(act(calls, stop, NOW), Call)
    assert said(act(calls, stop, NOW))[1] == "does_not_exist"


@pytest.mark.parametrize("kind", ["live_transcribe", "live_translate"])
def test_live_text_starts_once_and_stops_once(kind):
    calls, name = room(), f"calling.{kind}"
    assert said(act(calls, command(name, action={"summarize": {}}), NOW))[1] == "does_not_exist"
    assert isinstance(act(calls, command(name, action={"start": {}}), NOW), Call)
    assert said(act(calls, command(name, action={"start": {}}), NOW))[1] == "invalid_state"
    assert isinstance(act(calls, command(name, action={"summarize": {}}), NOW), Call)
    assert isinstance(act(calls, command(name, action="stop"), NOW), Call)
    assert said(act(calls, command(name, action="stop"), NOW))[1] == "does_not_exist"


def test_a_sidecar_starts_once_and_stops_once():
    calls, name = room(), "calling.ai_sidecar"
    assert isinstance(act(calls, command(f"{name}.status"), NOW), Call)
    assert said(act(calls, command(f"{name}.ask", text="?"), NOW))[1] == "does_not_exist"
    assert isinstance(act(calls, command(name, lang="en-US"), NOW), Call)
    assert said(act(calls, command(name, lang="en-US"), NOW))[1] == "invalid_state"
    assert isinstance(act(calls, command(name, action={"summarize": {}}), NOW), Call)
    assert isinstance(act(calls, command(f"{name}.ask", text="?"), NOW), Call)
    assert isinstance(act(calls, command(f"{name}.stop"), NOW), Call)
    assert said(act(calls, command(f"{name}.stop"), NOW))[1] == "does_not_exist"


@pytest.mark.parametrize("name", ["transfer", "refer", "user_event", "ai_hold", "ai_unhold", "ai.stop", "denoise.stop"])
def test_the_others_are_accepted_on_a_live_call(name):
    assert isinstance(act(room(), command(f"calling.{name}"), NOW), Call)
