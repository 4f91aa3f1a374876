"""Which dead copies may be published again, under which key, and as what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callmq_contracts.envelope import Properties
from callmq_contracts.names import Names
from callmq_contracts.problem import ProblemCode
from callmq_worker.core.copies import page, read_copy, row
from callmq_worker.core.record import Record, State
from callmq_worker.core.replay import UNRECORDED, Replayable, Stays, Terms, republication, weigh

NOW = 1_800_000_000.0
DAY = 86_400.0
TERMS = Terms(None, override_retention=False, expires_at=None, retention=14 * DAY)
OVERRIDE = replace(TERMS, override_retention=True)
AUTO = replace(TERMS, new_key="auto")
ID = "0123456789abcdef0123456789abcdef"


def dead(outcome: str = "rejected", code: str = "refused", *, age: float = 60, body: bytes = b"{}", **headers):
    own = {
        "idempotency-key": "k1",
        "callmq-outcome": outcome,
        "callmq-code": code,
        "callmq-detail": "why",
        "callmq-reply-id": ID,
        "callmq-routing-key": "dial",
        "callmq-received-at": int((NOW - age) * 1000),
        **headers,
    }
    kept = {n: v for n, v in own.items() if v is not None}
    return read_copy(3, body, Properties(routing_key=f"{outcome}.{code}", headers=kept, content_type="text/odd"))


def record(state: State) -> Record:
    return Record("default", "k1", b"f", "dial", state, NOW, NOW)


CLOSED, UNKNOWN = record(State.CLOSED), record(State.UNKNOWN)


def test_a_recorded_outcome_needs_a_new_key():
    verdict = weigh(dead(), CLOSED, TERMS, NOW)
    assert isinstance(verdict, Stays)
    assert "only the stored reply" in verdict.why
    assert weigh(dead(), CLOSED, AUTO, NOW) == Replayable("k1~0123456789ab")
    assert weigh(dead(), CLOSED, replace(TERMS, new_key=".2"), NOW) == Replayable("k1.2")


@pytest.mark.parametrize("code", sorted(UNRECORDED))
def test_a_rejection_by_contract_may_reuse_its_key(code):
    assert weigh(dead("rejected", code), None, TERMS, NOW) == Replayable("k1")
    assert isinstance(weigh(dead("rejected", code), CLOSED, TERMS, NOW), Stays)


@pytest.mark.parametrize("code", sorted(set(ProblemCode) - UNRECORDED))
def test_a_record_that_is_gone_needs_an_override_whatever_the_key(code):
    for terms in (TERMS, AUTO):
        verdict = weigh(dead("failed", code), None, terms, NOW)
        assert isinstance(verdict, Stays)
        assert "--override-retention" in verdict.why
    assert weigh(dead("failed", code), None, OVERRIDE, NOW) == Replayable("k1")


def test_a_contracts_rejection_older_than_any_record_needs_an_override():
    old = dead("rejected", "invalid_params", age=15 * DAY)
    assert isinstance(weigh(old, None, TERMS, NOW), Stays)
    assert weigh(old, None, OVERRIDE, NOW) == Replayable("k1")
    assert weigh(dead("rejected", "invalid_params", age=13 * DAY), None, TERMS, NOW) == Replayable("k1")


def test_an_unknown_key_is_resolved_first():
    verdict = weigh(dead("rejected", "invalid_params"), UNKNOWN, TERMS, NOW)
    assert isinstance(verdict, Stays)
    assert "callmq unknown" in verdict.why


@pytest.mark.parametrize("state", [State.FREE, State.HELD, State.SENDING])
def test_a_key_that_is_in_work_is_left_to_the_guard(state):
    assert weigh(dead("failed", "delivery_limit"), record(state), TERMS, NOW) == Replayable("k1")


def test_what_was_cut_or_has_no_name_stays():
    assert isinstance(weigh(dead(**{"truncated-from": 300_000}), None, OVERRIDE, NOW), Stays)
    assert isinstance(weigh(dead(**{"callmq-routing-key": None}), None, OVERRIDE, NOW), Stays)
    named = dead(body=b'{"command": "calling.end"}', **{"callmq-routing-key": None})
    assert weigh(named, None, OVERRIDE, NOW) == Replayable("k1")
    assert named.original.routing_key == "calling.end"


def test_new_keys_stay_keys():
    long = dead(**{"idempotency-key": "k" * 255})
    assert weigh(long, CLOSED, AUTO, NOW) == Replayable("k" * 242 + "~0123456789ab")
    assert isinstance(weigh(long, CLOSED, replace(TERMS, new_key=".2"), NOW), Stays)
    assert isinstance(weigh(dead(), CLOSED, replace(TERMS, new_key=" two"), NOW), Stays)
    again = dead(**{"idempotency-key": "k1~ffffffffffff"})
    assert weigh(again, CLOSED, AUTO, NOW) == Replayable("k1~0123456789ab")
    keyless = dead("rejected", "missing_idempotency_key", **{"idempotency-key": None})
    assert weigh(keyless, None, TERMS, NOW) == Replayable(None)
    assert weigh(keyless, None, AUTO, NOW) == Replayable("replay~0123456789ab")


def test_a_replay_is_the_command_as_it_was_but_now():
    copy = dead(
        account="a",
        campaign="c",
        priority="bulk",
        traceparent="00-1",
        **{"call-id": "x", "expires-at": int((NOW - 1) * 1000), "x-death": "y", "x-other": 1},
    )
    again = republication(copy, Names(), "k2", None, NOW)
    assert (again.exchange, again.routing_key, again.body) == ("callmq.commands", "dial", b"{}")
    assert again.headers == {
        "idempotency-key": "k2",
        "account": "a",
        "campaign": "c",
        "priority": "bulk",
        "traceparent": "00-1",
        "call-id": "x",
    }
    assert (again.content_type, again.timestamp, again.mandatory) == ("text/odd", NOW, True)
    assert republication(copy, Names(), "k2", NOW + 1, NOW).headers["expires-at"] == (NOW + 1) * 1000


@pytest.mark.parametrize(("published_by", "user"), [("billing", "operator"), (None, None), (5, None)])
def test_a_replay_of_what_named_its_broker_user_names_the_operators(published_by, user):
    copy = dead(**{"callmq-user-id": published_by})
    again = republication(copy, Names(), "k1", None, NOW, "operator")
    assert again.user_id == user
    assert "callmq-user-id" not in again.headers


@pytest.mark.parametrize("kept", [int((NOW + 9) * 1000), "2099-01-01T00:00:00Z", "tomorrow"])
def test_an_end_that_has_not_passed_stays(kept):
    assert republication(dead(**{"expires-at": kept}), Names(), "k1", None, NOW).headers["expires-at"] == kept


def test_a_stranger_can_put_anything_into_the_queue():
    odd = Properties(routing_key="", message_id=3, headers={"callmq-reply-id": 7, "truncated-from": "x", "campaign": 5})
    copy = read_copy(1, b"\xff", odd)
    assert (copy.reason, copy.answered, copy.truncated_from, copy.received_at) == ("-.-", False, None, None)
    assert row(copy)["when"] is None
    assert page(copy, body=True)["body"] == "\\xff"
    assert isinstance(weigh(copy, None, OVERRIDE, NOW), Stays)
