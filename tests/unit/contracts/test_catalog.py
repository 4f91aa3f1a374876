import pytest

from callmq_contracts import CATALOG, EXAMPLE_CALL_ID, EXAMPLES, Order, Safety, decode
from callmq_contracts.commands.control import ControlParams
from callmq_contracts.sample import GREETING
from callmq_contracts.shapes import OnCall

HOUR, LIFE = 3600.0, 14_400.0
URL = "https://example.com/x"
CONTROL = {"control_id": "c"}
START = {"lang": "en-US", "direction": ["local-caller"]}

# Each row of the table in the endpoint's facts: command, params, class, seconds.
ROWS = [
    ("dial", {"from": "+15550100", "to": "+15550101", "url": URL}, "unsafe", HOUR),
    ("update", {"id": EXAMPLE_CALL_ID, "status": "canceled"}, "convergent", LIFE),
    ("update", {"id": EXAMPLE_CALL_ID, "status": "completed"}, "convergent", LIFE),
    ("update", {"id": EXAMPLE_CALL_ID, "url": URL}, "unsafe", 30),
    ("update", {"id": EXAMPLE_CALL_ID, "swml": GREETING}, "unsafe", 30),
    ("update", {"id": EXAMPLE_CALL_ID, "url": URL, "status": "completed"}, "unsafe", 30),
    ("calling.end", {}, "convergent", LIFE),
    ("calling.disconnect", {}, "convergent", 5),
    ("calling.transfer", {"dest": "+15550100"}, "unsafe", 30),
    ("calling.refer", {"device": {"type": "sip", "params": {"to": "sip:a@example.com"}}}, "unsafe", 30),
    ("calling.user_event", {"event": {}}, "unsafe", 5),
    ("calling.play", EXAMPLES["calling.play"][0]["params"], "guarded", 30),
    ("calling.play.pause", CONTROL, "convergent", 5),
    ("calling.play.resume", CONTROL, "convergent", 5),
    ("calling.play.volume", {**CONTROL, "volume": 3}, "convergent", 5),
    ("calling.play.stop", CONTROL, "convergent", LIFE),
    ("calling.record", EXAMPLES["calling.record"][0]["params"], "guarded", 30),
    ("calling.record.pause", CONTROL, "convergent", 5),
    ("calling.record.resume", CONTROL, "convergent", 5),
    ("calling.record.stop", CONTROL, "convergent", LIFE),
    ("calling.collect", EXAMPLES["calling.collect"][0]["params"], "guarded", 30),
    ("calling.collect.start_input_timers", CONTROL, "convergent", 5),
    ("calling.collect.stop", CONTROL, "convergent", LIFE),
    ("calling.detect", EXAMPLES["calling.detect"][0]["params"], "guarded", 30),
    ("calling.detect.stop", CONTROL, "convergent", LIFE),
    ("calling.tap", EXAMPLES["calling.tap"][0]["params"], "guarded", 30),
    ("calling.tap.stop", CONTROL, "convergent", LIFE),
    ("calling.stream", EXAMPLES["calling.stream"][0]["params"], "guarded", 30),
    ("calling.stream.stop", CONTROL, "convergent", LIFE),
    ("calling.transcribe", CONTROL, "guarded", 30),
    ("calling.transcribe.stop", CONTROL, "convergent", LIFE),
    ("calling.denoise", {}, "convergent", 30),
    ("calling.denoise.stop", {}, "convergent", 30),
    ("calling.ai.stop", {}, "convergent", LIFE),
    ("calling.send_fax.stop", CONTROL, "convergent", LIFE),
    ("calling.receive_fax.stop", CONTROL, "convergent", LIFE),
    ("calling.live_transcribe", {"action": {"start": START}}, "guarded", 30),
    ("calling.live_transcribe", {"action": "stop"}, "convergent", LIFE),
    ("calling.live_transcribe", {"action": {"summarize": {}}}, "unsafe", LIFE),
    ("calling.live_translate", EXAMPLES["calling.live_translate"][0]["params"], "guarded", 30),
    ("calling.live_translate", {"action": "stop"}, "convergent", LIFE),
    ("calling.live_translate", {"action": {"summarize": {}}}, "unsafe", LIFE),
    (
        "calling.live_translate",
        {"action": {"inject": {"message": "One moment.", "direction": "local-caller"}}},
        "unsafe",
        5,
    ),
    ("calling.ai_hold", {"timeout": "20"}, "guarded", 5),
    ("calling.ai_hold", {}, "guarded", 5),
    ("calling.ai_hold", {"prompt": "One moment."}, "unsafe", 5),
    ("calling.ai_unhold", {}, "convergent", 30),
    ("calling.ai_message", {"message_text": "x"}, "unsafe", 5),
    ("calling.ai_message", {"role": "user", "global_data": {}}, "unsafe", 5),
    ("calling.ai_message", {"role": "user", "reset": {}}, "unsafe", 5),
    ("calling.ai_message", {"reset": {"full_reset": True}}, "convergent", 30),
    ("calling.ai_message", {"global_data": {"a": 1}}, "convergent", 30),
    ("calling.ai_sidecar", {"lang": "en"}, "guarded", 30),
    ("calling.ai_sidecar", {"lang": "en", "action": {"summarize": {}}}, "unsafe", 30),
    ("calling.ai_sidecar.poke", {"text": "x"}, "unsafe", 5),
    ("calling.ai_sidecar.ask", {"text": "x"}, "unsafe", 5),
    ("calling.ai_sidecar.stop", {}, "convergent", LIFE),
    ("calling.ai_sidecar.status", {}, "safe", 5),
]


def body_of(command, params):
    top = {} if command in ("dial", "update") else {"id": EXAMPLE_CALL_ID}
    return {"command": command, **top, "params": params}


@pytest.mark.parametrize(("command", "params", "safety", "seconds"), ROWS)
def test_class_and_lifetime(command, params, safety, seconds, as_bytes):
    decoded = decode(as_bytes(body_of(command, params)))
    assert (decoded.safety, decoded.lifetime) == (Safety(safety), float(seconds))
    assert str(decoded.safety) == safety


def test_the_table_has_every_command():
    assert len(CATALOG) == 42
    assert {row[0] for row in ROWS} == set(CATALOG)


def test_order():
    order = {name: entry.order for name, entry in CATALOG.items()}
    assert order.pop("dial") is Order.NONE
    assert order.pop("calling.end") is Order.OVERTAKES
    assert set(order.values()) == {Order.CALL}


def test_what_starts_something():
    started = {"play", "record", "collect", "detect", "tap", "transcribe", "stream"}
    assert {name for name, entry in CATALOG.items() if entry.starts} == {f"calling.{name}" for name in started}


def test_entries_fit_their_models():
    for name, entry in CATALOG.items():
        assert entry.name == name
        assert entry.model.model_fields["command"].default == name
        assert issubclass(entry.model, OnCall) == (name not in ("dial", "update"))


def test_where_control_id_is_required():
    required = {
        name
        for name, entry in CATALOG.items()
        if (field := entry.model.model_fields["params"].annotation.model_fields.get("control_id"))
        and field.is_required()
    }
    assert len(required) == 22
    assert "calling.ai.stop" not in required
    assert ControlParams.model_fields["control_id"].is_required()


def test_where_status_url_is_taken():
    taking = {n for n, e in CATALOG.items() if "status_url" in e.model.model_fields["params"].annotation.model_fields}
    assert len(taking) == 11
