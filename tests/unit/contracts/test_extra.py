"""Commands that a setting lets through: only their frame is judged, and they are as careful as the worst."""

import pytest

from callmq_contracts import CATALOG, EXAMPLE_CALL_ID, MAX_BODY_BYTES, Order, Rejected, Safety, decode
from callmq_contracts.extra import longest_lifetime, parse_extra_commands

EXTRA = parse_extra_commands("calling.join_conference=30s, queue.new-thing=1h,")
JOIN = {
    "command": "calling.join_conference",
    "id": EXAMPLE_CALL_ID.upper(),
    "params": {"name": "x", "deep": [{"a": 1}]},
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("a=1s", 1), ("calling.b=30s", 30), ("a.b.c=2m", 120), ("A-b_c=1h", 3600), ("a=7d", 7 * 86_400)],
)
def test_a_lifetime_has_a_unit(text, seconds):
    extra = parse_extra_commands(text)
    assert list(extra) == [text.partition("=")[0]]
    assert longest_lifetime(extra) == seconds


@pytest.mark.parametrize("text", ["", " ", ",", " , ,"])
def test_nothing_is_named_by_nothing(text):
    assert parse_extra_commands(text) == {}
    assert longest_lifetime({}) == 0


@pytest.mark.parametrize(
    "text",
    [
        "canary",
        "canary=",
        "canary=0s",
        "canary=-1s",
        "canary=1.5s",
        "canary=30",
        "canary=30w",
        "canary=30s=1s",
        "=30s",
        "canary =",
        "canary.=1s",
        ".canary=1s",
        "can..ary=1s",
        "canary canary=1s",
        "canary#=1s",
        "canary*=1s",
        "c" * 129 + "=1s",
        "ca\nnary=1s",
        "canary=8d",
        "canary=9999999h",
        "canary=1s,canary=2s",
        "dial=1h",
        "calling.play=30s",
        "canary=1s,update=1s",
        "canary=30s\n\n;",
    ],
)
def test_what_is_no_name_with_a_lifetime_is_told_without_its_value(text):
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse_extra_commands(text)
    assert "canary" not in str(caught.value)


def test_no_command_of_the_catalogue_can_be_loosened():
    for name in CATALOG:
        with pytest.raises(ValueError, match="catalogue"):
            parse_extra_commands(f"{name}=1s")


def test_an_extra_command_is_unsafe_in_its_calls_order_and_passes_untouched(as_bytes):
    command = decode(as_bytes(JOIN), key="k", extra=EXTRA)
    assert not isinstance(command, Rejected), command.problem
    assert (command.name, command.safety, command.order) == ("calling.join_conference", Safety.UNSAFE, Order.CALL)
    assert (command.lifetime, command.call_id, command.leniencies) == (30.0, EXAMPLE_CALL_ID, ())
    assert command.wire() == as_bytes(JOIN)
    assert len(command.fingerprint(b"s")) == 32
    later = decode(as_bytes({"command": "queue.new-thing", "params": {}, "beside": None}), extra=EXTRA)
    assert (later.lifetime, later.call_id, later.control_id) == (3600.0, None, None)
    assert later.body["beside"] is None


@pytest.mark.parametrize(("value", "told"), [("c-1", "c-1"), (7, None), (["c"], None), (None, None)])
def test_its_control_id_is_told_where_it_is_one(value, told, as_bytes):
    assert decode(as_bytes({**JOIN, "params": {"control_id": value}}), extra=EXTRA).control_id == told


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"id": "canary"}, "id", "bad_format"),
        ({"id": None}, "id", "wrong_type"),
        ({"id": 5}, "id", "wrong_type"),
        ({"id": ""}, "id", "empty"),
        ({"params": None}, "params", "wrong_type"),
        ({"params": ["canary"]}, "params", "wrong_type"),
        ({"params": ...}, "params", "missing"),
    ],
)
def test_its_frame_is_judged(change, path, code, as_bytes):
    body = {name: value for name, value in {**JOIN, **change}.items() if value is not ...}
    decoded = decode(as_bytes(body), extra=EXTRA)
    assert isinstance(decoded, Rejected)
    assert decoded.command == "calling.join_conference"
    assert [(e.path, e.code.value) for e in decoded.problem.errors] == [(path, code)]
    assert "canary" not in str(decoded.problem)


def test_only_what_is_named_is_let_through(as_bytes):
    for body in (JOIN, {**JOIN, "command": "calling.join"}):
        decoded = decode(as_bytes(body), extra=EXTRA if body is not JOIN else {})
        assert decoded.problem.code.value == "unknown_command"
        assert decoded.command is None


def test_it_may_be_as_wide_as_any_body(as_bytes):
    body = {**JOIN, "params": {f"k{i}": i for i in range(15_000)}, **{f"b{i}": i for i in range(2000)}}
    assert len(as_bytes(body)) < MAX_BODY_BYTES
    assert decode(as_bytes(body), extra=EXTRA).body == body
