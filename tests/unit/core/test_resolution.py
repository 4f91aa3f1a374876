"""What a person's word makes of an unknown outcome."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from callmq_contracts.envelope import Properties
from callmq_contracts.names import Names
from callmq_contracts.reply import OutcomeName, reply_id
from callmq_worker.core import guard, publications
from callmq_worker.core.copies import read_copy
from callmq_worker.core.record import Record, State
from callmq_worker.core.resolution import (
    Resolution,
    address_of,
    final_reply,
    final_reply_without_record,
    is_call_id,
    is_result_of,
    message_of,
    outcome_of,
    row,
)

AT = 1_800_000_000.0
FIRST = {
    "version": 1,
    "reply_id": reply_id("default", "k1", "1"),
    "idempotency_key": "k1",
    "command": "dial",
    "outcome": "unknown",
    "call_id": None,
    "control_id": None,
    "account": "default",
    "campaign": "for +15550100123",
    "http_status": 502,
    "response": {"half": 1},
    "problem": {"code": "outcome_unknown", "detail": "It may have been done: http 502.", "errors": []},
    "leniencies": ["x"],
    "attempts": 2,
    "replayed": False,
    "received_at": "2027-01-01T00:00:00.000Z",
    "finished_at": "2027-01-01T00:00:01.000Z",
}
UNKNOWN = Record(
    account="default",
    key="k1",
    fingerprint=b"f",
    command="dial",
    state=State.UNKNOWN,
    received_at=1.0,
    updated_at=2.0,
    attempt=2,
    sequence=1,
    reply=orjson.dumps(FIRST),
)
DONE = Resolution(OutcomeName.SUCCEEDED, AT, call_id="0e9c80d7-a149-4917-892d-420043709f45")
NOT_DONE = Resolution(OutcomeName.FAILED, AT, note="nothing at +15550100123")
PARKED = read_copy(
    1,
    b'{"command": "dial"}',
    Properties(
        routing_key="callmq.unknown",
        app_id="billing",
        correlation_id="c-1",
        reply_to="answers",
        headers={"idempotency-key": "k1", "callmq-routing-key": "dial", "callmq-received-at": 1_000, "x-death": "y"},
    ),
)


def resolved(word: Resolution) -> dict:
    return orjson.loads(final_reply(UNKNOWN, 2, word))


def test_done_says_what_a_person_knows_and_nothing_of_the_doubt():
    assert resolved(DONE) == {
        **FIRST,
        "reply_id": reply_id("default", "k1", "2"),
        "outcome": "succeeded",
        "call_id": DONE.call_id,
        "http_status": None,
        "response": None,
        "problem": None,
        "finished_at": "2027-01-15T08:00:00.000Z",
    }


def test_not_done_says_why_without_a_number():
    problem = resolved(NOT_DONE)["problem"]
    assert problem["code"] == "outcome_unknown"
    assert problem["detail"] == "Found out later not to have been done: nothing at ***23"
    assert resolved(replace(NOT_DONE, note=None))["problem"]["detail"] == "Found out later not to have been done."
    assert len(resolved(replace(NOT_DONE, note="x" * 9999))["problem"]["detail"]) < 1100


def test_each_sequence_has_its_own_id_and_the_same_one_on_every_repetition():
    ids = [orjson.loads(final_reply(UNKNOWN, n, DONE))["reply_id"] for n in (2, 2, 3)]
    assert ids[0] == ids[1] != ids[2]
    assert FIRST["reply_id"] not in ids


def test_the_guard_closes_the_record_with_it_and_owes_it():
    step = guard.resolve(lambda record, sequence: final_reply(record, sequence, DONE), b"due")
    closed, stored = step(UNKNOWN, AT)
    assert closed is not None
    assert (closed.state, closed.sequence, closed.due) == (State.CLOSED, 2, b"due")
    assert stored is not None
    assert closed.reply == stored.reply
    assert outcome_of(closed) == "succeeded"
    assert is_result_of(closed, DONE)
    assert not is_result_of(closed, NOT_DONE)
    assert step(closed, AT) == (None, None)


def test_a_late_answer_is_not_taken_for_a_persons_word():
    late = UNKNOWN._replace(state=State.CLOSED, reply=orjson.dumps({**FIRST, "outcome": "succeeded", "problem": None}))
    assert not is_result_of(late, DONE)
    refused = {**FIRST, "outcome": "failed", "http_status": None, "problem": {"code": "retries_exhausted"}}
    assert not is_result_of(late._replace(reply=orjson.dumps(refused)), NOT_DONE)


def test_the_reply_goes_where_the_first_one_went():
    message = message_of(UNKNOWN, PARKED)
    answers = publications.answers(Names(), message, final_reply(UNKNOWN, 2, NOT_DONE))
    assert answers.reply.routing_key == "billing.dial.failed"
    assert orjson.loads(address_of(answers.reply)) == {"routing_key": "billing.dial.failed", "correlation_id": "c-1"}
    assert answers.direct is not None
    assert answers.direct.routing_key == "answers"
    assert answers.kept is not None
    assert answers.kept.routing_key == "failed.outcome_unknown"
    assert answers.kept.headers["callmq-routing-key"] == "dial"
    assert "x-death" not in answers.kept.headers


def test_without_its_copy_a_reply_still_finds_who_binds_to_all():
    answers = publications.answers(Names(), message_of(UNKNOWN, None), final_reply(UNKNOWN, 2, DONE))
    assert (answers.reply.routing_key, answers.reply.correlation_id) == ("-.dial.succeeded", "k1")
    assert answers.direct is None


def test_a_command_without_a_key_gets_an_id_from_its_first_reply():
    properties = Properties(
        routing_key="callmq.unknown",
        headers={"callmq-reply-id": "a" * 32, "callmq-routing-key": "calling.end", "campaign": "spring"},
    )
    reply = orjson.loads(final_reply_without_record(read_copy(1, b"{}", properties), NOT_DONE))
    assert reply["reply_id"] == reply_id("default", "", "a" * 32, "2")
    assert set(reply) == set(FIRST)
    assert (reply["command"], reply["campaign"], reply["idempotency_key"]) == ("calling.end", "spring", None)


def test_a_row_masks_and_counts():
    shown = row(UNKNOWN._replace(key="call-15550100123"))
    assert (shown["key"], shown["campaign"], shown["attempts"]) == ("call-***23", "for ***23", 2)
    assert shown["id"] == FIRST["reply_id"]
    bare = row(UNKNOWN._replace(reply=None, attempt=3, spared=1))
    assert (bare["id"], bare["attempts"], bare["reason"]) == (None, 2, "")


@pytest.mark.parametrize(
    ("text", "is_one"), [("0e9c80d7-a149-4917-892d-420043709f45", True), ("x", False), ("", False)]
)
def test_call_ids_are_known(text, is_one):
    assert is_call_id(text) is is_one
