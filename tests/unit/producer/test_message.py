"""What is checked before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from callmq import Client, InvalidCommandError, Message, ProblemCode
from callmq.message import prepare
from callmq_contracts.envelope import Priority

CALL = "0e9c80d7-a149-4917-892d-420043709f45"
DIAL = {"command": "dial", "params": {"from": "+15550100", "to": "+15550101", "url": "https://example.com/a"}}
END = {"command": "calling.end", "id": CALL, "params": {}}


def problem(body: Any, key: Any = "order-1", **options: Any) -> ProblemCode:
    with pytest.raises(InvalidCommandError) as caught:
        prepare(Message(body, key, **options), None)
    assert isinstance(caught.value, ValueError)
    assert "canary" not in str(caught.value)
    return caught.value.problem.code


def test_a_command_that_acts_again_needs_a_key_and_another_does_not() -> None:
    assert problem(DIAL, None) is ProblemCode.MISSING_IDEMPOTENCY_KEY
    play = {"command": "calling.play", "id": CALL, "params": {"control_id": "c", "play": [silence()]}}
    assert problem(play, None) is ProblemCode.MISSING_IDEMPOTENCY_KEY
    assert prepare(Message(END), None).headers == {"call-id": CALL}


def silence() -> dict[str, Any]:
    return {"type": "silence", "params": {"duration": 1}}


@pytest.mark.parametrize("key", ["", "canary key", "canary\n", "k" * 256, "ключ", 7])
def test_a_key_is_visible_ascii(key: Any) -> None:
    assert problem(DIAL, key) is ProblemCode.INVALID_HEADER


@pytest.mark.parametrize("key", ["k", "k" * 255, "!~"])
def test_every_visible_character_will_do(key: str) -> None:
    assert prepare(Message(DIAL, key), None).headers["idempotency-key"] == key


def test_new_keys_are_keys_and_new() -> None:
    keys = {Client.new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(prepare(Message(DIAL, key), None).key == key for key in keys)


def test_bodies_that_are_none() -> None:
    assert problem(b"canary") is ProblemCode.MALFORMED
    assert problem(b"[]") is ProblemCode.MALFORMED
    assert problem(b'{"params":{}}') is ProblemCode.MALFORMED
    assert problem(b'{"command":7}') is ProblemCode.MALFORMED
    assert problem(b'{"command":"' + b"c" * 256 + b'"}') is ProblemCode.MALFORMED
    assert problem(b'{"command":"dial","x":"' + b"x" * 262_144 + b'"}') is ProblemCode.TOO_LARGE
    assert problem({"command": "dial", "params": {"to": {"canary"}}}) is ProblemCode.MALFORMED
    assert problem({"command": "canary", "params": {}}) is ProblemCode.UNKNOWN_COMMAND


def test_bytes_are_validated_only_when_asked_and_a_dict_can_go_without() -> None:
    assert prepare(Message(b'{"command":"dial"}', "k"), None).routing_key == "dial"
    assert problem(b'{"command":"dial"}', validate=True) is ProblemCode.INVALID_PARAMS
    assert problem({"command": "dial"}) is ProblemCode.INVALID_PARAMS
    assert prepare(Message({"command": "new.one"}, "k", validate=False), None).routing_key == "new.one"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (datetime(2026, 11, 22, 10, 0, 0, 123_456, UTC), "2026-11-22T10:00:00.123Z"),
        ("2026-11-22T10:00:00+02:00", "2026-11-22T10:00:00+02:00"),
        (1_795_341_600_123, 1_795_341_600_123),
    ],
)
def test_the_time_of_expiry_goes_out_as_the_wire_has_it(given: Any, sent: Any) -> None:
    assert prepare(Message(DIAL, "k", expires_at=given), None).headers["expires-at"] == sent


@pytest.mark.parametrize(
    "options",
    [
        {"expires_at": datetime(2026, 11, 22)},  # noqa: DTZ001 - without a zone, that is the point
        {"expires_at": "canary"},
        {"expires_at": 1.5},
        {"account": "a canary account"},
        {"campaign": ""},
        *({"priority": word} for word in ("", "canary", 7, "bulk\ud800")),
        {"reply_to": ""},
        {"correlation_id": ""},
        {"correlation_id": 7},
        {"user_id": ""},
        {"user_id": "u" * 256},
        {"headers": {"CC": "elsewhere"}},
        {"headers": {"x": {1, 2}}},
        {"headers": {"x": 2**70}},
        {"headers": {"x" * 129: 1}},
        {"headers": {7: 1}},
    ],
)
def test_what_the_worker_would_refuse_is_refused_here(options: dict[str, Any]) -> None:
    assert problem(DIAL, **options) is ProblemCode.INVALID_HEADER


@pytest.mark.parametrize("word", Priority)
def test_a_priority_is_said_by_its_name_or_its_word(word: Priority) -> None:
    assert prepare(Message(DIAL, "k", priority=word), None).headers["priority"] == word
    assert prepare(Message(DIAL, "k", priority=word.value), None).headers["priority"] == word


def test_the_call_id_of_the_header_is_that_of_the_body() -> None:
    other = "11111111-2222-3333-4444-555555555555"
    assert problem(END, call_id=other) is ProblemCode.CALL_ID_MISMATCH
    assert prepare(Message(END, call_id=CALL.upper()), None).headers["call-id"] == CALL.upper()
    assert prepare(Message(b'{"command":"calling.end","id":"no id"}'), None).headers == {}


def test_nothing_secret_is_in_the_repr() -> None:
    dial = {**DIAL, "params": {**DIAL["params"], "password": "swordfish-canary"}}  # type: ignore[dict-item]
    outgoing = prepare(Message(dial, "key-canary", campaign="campaign-canary"), "billing")
    assert "canary" not in repr(outgoing)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("hide", [lambda n: n, lambda n: [1, (n,)], lambda n: {"a": [{"b": n}]}, "dated"])
def test_a_number_that_json_lacks_is_refused_however_deep(number: float, hide: Any) -> None:
    body = {
        "command": "calling.play",
        "id": CALL,
        "params": {"x": None, "play": Dated(number) if hide == "dated" else hide(number)},
    }
    for validate in (True, False):
        with pytest.raises(InvalidCommandError, match="NaN or infinity") as caught:
            prepare(Message(body, "k", validate=validate), None)
        assert caught.value.problem.code is ProblemCode.MALFORMED


@dataclass
class Dated:
    price: float


def test_null_is_no_number_that_json_lacks() -> None:
    body = {"command": "new.one", "params": {"null": None, "d": Dated(1.5), "n": [None, 2]}}
    assert b"null" in prepare(Message(body, "k", validate=False), None).body


@pytest.mark.parametrize("body", ["canary", "", None, 7, [DIAL], bytearray(b"{}"), {1: 2}, {"command": "\ud800"}])
def test_a_body_that_is_none_of_the_three_is_malformed(body: Any) -> None:
    assert problem(body) is ProblemCode.MALFORMED
    assert problem(body, validate=False) is ProblemCode.MALFORMED


@pytest.mark.parametrize("name", ["reply_to", "correlation_id", "campaign", "account", "call_id", "expires_at", "key"])
def test_what_utf_8_lacks_is_refused(name: str) -> None:
    assert problem(DIAL, **{name: "canary\ud800"}) is ProblemCode.INVALID_HEADER


@pytest.mark.parametrize(
    "headers",
    [
        *({name: "k"} for name in ("idempotency-key", "expires-at", "account", "campaign", "call-id", "priority")),
        {"Account": "k"},
        {"callmq-doubt": True},
        {"x": "\ud800"},
        {"\ud800": 1},
        "canary",
        [("x", 1)],
    ],
)
def test_further_headers_say_nothing_that_fields_or_workers_say(headers: Any) -> None:
    assert problem(DIAL, headers=headers) is ProblemCode.INVALID_HEADER


def test_other_headers_go_along() -> None:
    assert prepare(Message(DIAL, "k", headers={"x-shop": "1"}), None).headers["x-shop"] == "1"


def test_properties_are_short() -> None:
    assert problem(DIAL, reply_to="é" * 128) is ProblemCode.INVALID_HEADER
    assert prepare(Message(DIAL, "k", reply_to="é" * 127), None).reply_to == "é" * 127
