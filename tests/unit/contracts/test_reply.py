"""The reply: its JSON, its id, its key, its repetition."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.problem import FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.reply import OutcomeName, Reply, iso_time, mark_replayed, reply_id, routing_key

FIELDS = [
    "version", "reply_id", "idempotency_key", "command", "outcome", "call_id", "control_id", "account", "campaign",
    "http_status", "response", "problem", "leniencies", "attempts", "replayed", "received_at", "finished_at",
]  # fmt: skip
PROBLEM = Problem(
    ProblemCode.INVALID_PARAMS,
    "The body is not a valid dial: one error.",
    (FieldError("params.to", FieldCode.MISSING, "is required"), {"code": "theirs", "url": None}),
)
FULL = Reply(
    reply_id="c1f7",
    idempotency_key="order-17-dial-1",
    command="dial",
    outcome=OutcomeName.REJECTED,
    received_at=1_795_341_600.123,
    finished_at=1_795_341_600.3219,
    call_id="call",
    control_id="control",
    account="second",
    campaign="spring",
    http_status=422,
    response={"a": [1, None]},
    problem=PROBLEM,
    leniencies=("control_id_derived",),
    attempts=2,
    replayed=False,
)


def test_the_json_has_all_fields_in_the_order_of_the_description():
    assert list(orjson.loads(FULL.dump())) == FIELDS
    least = Reply("r", None, None, OutcomeName.UNKNOWN, 0.0, 0.0)
    document = orjson.loads(least.dump())
    assert list(document) == FIELDS
    given = {"version": 1, "reply_id": "r", "outcome": "unknown", "account": "default", "leniencies": []}
    given |= {"attempts": 0, "replayed": False}
    given |= dict.fromkeys(("received_at", "finished_at"), "1970-01-01T00:00:00.000Z")
    assert document == {**dict.fromkeys(FIELDS), **given}


def test_the_json_says_what_is_known():
    document = orjson.loads(FULL.dump())
    assert document["problem"] == {
        "code": "invalid_params",
        "detail": "The body is not a valid dial: one error.",
        "errors": [
            {"path": "params.to", "code": "missing", "message": "is required"},
            {"code": "theirs", "url": None},
        ],
    }
    assert (document["received_at"], document["finished_at"]) == (
        "2026-11-22T10:00:00.123Z",
        "2026-11-22T10:00:00.321Z",
    )
    assert document["response"] == {"a": [1, None]}
    assert document["leniencies"] == ["control_id_derived"]


def test_the_outcomes_are_those_of_the_description():
    assert {o.value for o in OutcomeName} == {"succeeded", "rejected", "failed", "expired", "cancelled", "unknown"}


def test_a_repetition_differs_only_in_saying_so():
    again = orjson.loads(mark_replayed(FULL.dump()))
    assert again == {**orjson.loads(FULL.dump()), "replayed": True} == FULL.again().as_dict()
    assert list(again) == FIELDS
    assert mark_replayed(mark_replayed(FULL.dump())) == mark_replayed(FULL.dump())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (1.9996, "1970-01-01T00:00:01.999Z"), (1e9, "2001-09-09T01:46:40.000Z")],
)
def test_times_are_utc_with_milliseconds(seconds, text):
    assert iso_time(seconds) == text


def test_the_id_is_derived_and_its_parts_are_kept_apart():
    assert reply_id("default", "k", "1") == reply_id("default", "k", "1")
    assert len(reply_id("default", "k", "1")) == 32
    others = [("default", "k", "2"), ("default", "k1", ""), ("default", "", "k1"), ("defaultk", "", "1"), ("default",)]
    assert len({reply_id(*parts) for parts in [("default", "k", "1"), *others]}) == 6


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_text_gives_an_id(parts):
    assert len(reply_id(*parts)) == 32


def test_a_lone_surrogate_gives_an_id():
    assert len(reply_id("\ud800")) == 32


@given(st.none() | st.text(), st.sampled_from([None, "dial", "calling.collect.start_input_timers"]))
def test_a_key_always_has_its_words_and_its_size(app_id, command):
    key = routing_key(app_id, command, "succeeded")
    word, rest = key.split(".", 1)
    assert word
    assert len(word.encode()) <= 64
    assert rest == f"{command or '-'}.succeeded"
    assert len(key.encode()) <= 255
