import copy

import pytest

from callmq_contracts import ALL_LENIENCIES, CATALOG, EXAMPLE_CALL_ID, EXAMPLES, Rejected, decode

NAMES = {"update_status_only", "control_id_derived", "ai_hold_timeout_integer", "record_audio_unwrapped"}
STARTING = [name for name, entry in CATALOG.items() if entry.starts]


def on_call(command, **params):
    return {"command": command, "id": EXAMPLE_CALL_ID, "params": params}


def without_control_id(name):
    body = copy.deepcopy(EXAMPLES[name][0])
    del body["params"]["control_id"]
    return body


CASES = {
    "update_status_only": {"command": "update", "params": {"id": EXAMPLE_CALL_ID, "status": "canceled"}},
    "control_id_derived": without_control_id("calling.play"),
    "ai_hold_timeout_integer": on_call("calling.ai_hold", timeout=300),
    "record_audio_unwrapped": on_call("calling.record", control_id="c", audio={"beep": True}),
}


def errors(rejected):
    return [(e.path, e.code.value) for e in rejected.problem.errors]


def test_the_names():
    assert ALL_LENIENCIES == NAMES == set(CASES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_on_off_and_reported(name, as_bytes):
    body = as_bytes(CASES[name])
    assert decode(body, key="order-17").leniencies == (name,)
    assert decode(body, key="order-17", leniencies=frozenset({name})).leniencies == (name,)
    for leniencies in (frozenset(), ALL_LENIENCIES - {name}):
        assert isinstance(decode(body, key="order-17", leniencies=leniencies), Rejected)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_what_is_right_already_is_left_alone(name, as_bytes):
    for bodies in EXAMPLES.values():
        for body in bodies:
            decoded = decode(as_bytes(body), key="k", leniencies=frozenset({name}))
            if isinstance(decoded, Rejected):
                assert errors(decoded) == [("params.url", "missing")]
            else:
                assert decoded.body == body
                assert set(decoded.leniencies) <= {"update_status_only"}


def test_update_status_only_sends_the_same_body(as_bytes):
    decoded = decode(as_bytes(CASES["update_status_only"]))
    assert decoded.body == CASES["update_status_only"]
    off = decode(as_bytes(CASES["update_status_only"]), leniencies=frozenset())
    assert errors(off) == [("params.url", "missing")]
    assert off.call_id == EXAMPLE_CALL_ID


def test_update_status_only_hides_no_other_error(as_bytes):
    body = {"command": "update", "params": {"status": "gone", "x": 1}}
    for leniencies, extra in ((ALL_LENIENCIES, []), (frozenset(), [("params.url", "missing")])):
        found = errors(decode(as_bytes(body), leniencies=leniencies))
        assert sorted(found) == sorted(
            [("params.id", "missing"), ("params.status", "not_allowed"), ("params.x", "unknown_key"), *extra]
        )


@pytest.mark.parametrize("name", STARTING)
def test_control_id_is_derived_from_the_key(name, as_bytes):
    body = as_bytes(without_control_id(name))
    once, again, other = (decode(body, key=key) for key in ("order-17", "order-17", "order-18"))
    assert once.control_id == again.control_id == once.body["params"]["control_id"]
    assert once.control_id != other.control_id
    assert once.control_id.startswith("cq-")
    assert len(once.control_id) == 35
    assert "order-17" not in once.control_id


@pytest.mark.parametrize("name", STARTING)
def test_no_key_no_derived_control_id(name, as_bytes):
    assert errors(decode(as_bytes(without_control_id(name)))) == [("params.control_id", "missing")]


@pytest.mark.parametrize("value", ["", None, 5])
def test_a_wrong_control_id_is_not_replaced(value, as_bytes):
    body = copy.deepcopy(EXAMPLES["calling.play"][0])
    body["params"]["control_id"] = value
    assert [path for path, _ in errors(decode(as_bytes(body), key="k"))] == ["params.control_id"]


@pytest.mark.parametrize("name", sorted(set(CATALOG) - set(STARTING)))
def test_only_what_starts_something_gets_one(name, as_bytes):
    for body in EXAMPLES[name]:
        if body["params"].get("control_id") and name != "calling.ai.stop":
            bare = {**body, "params": {k: v for k, v in body["params"].items() if k != "control_id"}}
            assert ("params.control_id", "missing") in errors(decode(as_bytes(bare), key="k"))


@pytest.mark.parametrize(("given", "sent"), [(300, "300"), (0, "0"), (300.0, "300"), (2**64 - 1, str(2**64 - 1))])
def test_hold_timeout_becomes_text(given, sent, as_bytes):
    decoded = decode(as_bytes(on_call("calling.ai_hold", timeout=given, prompt="x")))
    assert decoded.body["params"] == {"timeout": sent, "prompt": "x"}
    assert list(decoded.body["params"]) == ["timeout", "prompt"]


@pytest.mark.parametrize("given", [-1, 2.5, True, None, [300], "3.5", "", "-1", " 3", "٣"])
def test_what_is_no_number_of_seconds_is_refused(given, as_bytes):
    assert [path for path, _ in errors(decode(as_bytes(on_call("calling.ai_hold", timeout=given))))] == [
        "params.timeout"
    ]


def test_bare_audio_is_wrapped_in_place(as_bytes):
    body = on_call("calling.record", control_id="c", audio={"beep": True}, status_url="https://example.com")
    decoded = decode(as_bytes(body))
    assert decoded.body["params"]["record"] == {"audio": {"beep": True}}
    assert list(decoded.body["params"]) == ["control_id", "record", "status_url"]


def test_bare_audio_beside_record_is_not_touched(as_bytes):
    body = on_call("calling.record", control_id="c", audio={}, record={"audio": {}})
    assert errors(decode(as_bytes(body))) == [("params.audio", "unknown_key")]


def test_errors_in_bare_audio_are_where_they_were_written(as_bytes):
    body = on_call("calling.record", audio={"beep": 1, "x": 1})
    decoded = decode(as_bytes(body), key="k")
    assert sorted(errors(decoded)) == [("params.audio.beep", "wrong_type"), ("params.audio.x", "unknown_key")]
    assert errors(decode(as_bytes(on_call("calling.record", control_id="c", audio=3)))) == [
        ("params.audio", "wrong_type")
    ]


def test_two_at_once(as_bytes):
    decoded = decode(as_bytes(on_call("calling.record", audio={})), key="k")
    assert set(decoded.leniencies) == {"record_audio_unwrapped", "control_id_derived"}
    assert decoded.body["params"]["record"] == {"audio": {}}
