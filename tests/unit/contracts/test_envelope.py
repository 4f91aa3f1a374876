"""Properties and headers: what is read, what is a fault, and when the command expires."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.envelope import (
    UNREADABLE,
    Envelope,
    Priority,
    Properties,
    broker_expired,
    parse_moment,
    read_envelope,
    wrong_content,
)
from callmq_contracts.problem import ProblemCode

CALL_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa7"
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
SECONDS = NOON.timestamp()


def headers(**given) -> Properties:
    return Properties(headers={name.replace("_", "-"): value for name, value in given.items()})


def faults(given: Properties) -> list[tuple[str, str]]:
    problem = read_envelope(given)[1]
    if problem is None:
        return []
    assert problem.code is ProblemCode.INVALID_HEADER
    return [(e.path, e.code.value) for e in problem.errors]


def test_everything_is_read():
    said = {
        "idempotency-key": "order-17",
        "expires-at": "2026-11-22T12:00:00Z",
        "account": "second",
        "campaign": "spring sale",
        "call-id": CALL_ID.upper(),
        "priority": "bulk",
        "traceparent": "00-a-b-01",
        "tracestate": "a=b",
        "baggage": "c=d",
        "callmq-received-at": 1000,
        "callmq-not-before": 2000,
        "callmq-attempts": 3,
        "callmq-doubt": True,
    }
    given = Properties("dial", "application/json", None, "m", "c", "r", "a", "u", 60.0, 5.0, said)
    assert read_envelope(given) == (
        Envelope(
            routing_key="dial", key="order-17", message_id="m", correlation_id="c", reply_to="r", app_id="a",
            user_id="u", account="second", campaign="spring sale", call_id=CALL_ID, priority=Priority.BULK,
            published_at=5.0, expires_at=SECONDS, time_to_live=60.0, first_received_at=1.0, not_before=2.0,
            attempts=3, doubt=True,
            trace={"traceparent": "00-a-b-01", "tracestate": "a=b", "baggage": "c=d"},
        ),
        None,
    )  # fmt: skip


def test_nothing_is_needed():
    assert read_envelope(Properties()) == (Envelope(), None)
    assert Envelope().account == "default"


# Single headers


@pytest.mark.parametrize("key", ["k", "!", "~", "a" * 255, 'a"b\\c', "order/17:dial#1"])
def test_keys_are_visible_ascii(key):
    assert read_envelope(headers(idempotency_key=key))[0].key == key


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "empty"),
        ("a" * 256, "bad_format"),
        ("a b", "bad_format"),
        ("a\n", "bad_format"),
        ("a\r\nX-Evil: 1", "bad_format"),
        ("\x7f", "bad_format"),
        ("é", "bad_format"),
        (17, "wrong_type"),
        (b"k", "wrong_type"),
        (True, "wrong_type"),
        ({}, "wrong_type"),
    ],
)
def test_what_is_no_key_is_a_fault(key, code):
    envelope, _ = read_envelope(headers(idempotency_key=key))
    assert envelope.key is None
    assert faults(headers(idempotency_key=key)) == [("idempotency-key", code)]


@pytest.mark.parametrize("account", ["default", "a.b_c-9", "x" * 64])
def test_accounts_that_can_be_named(account):
    assert read_envelope(headers(account=account))[0].account == account


@pytest.mark.parametrize("account", ["", "x" * 65, "a b", "a\n", "https://example.com", 5])
def test_what_can_be_no_account_is_a_fault_and_never_the_default_silently(account):
    assert [path for path, _ in faults(headers(account=account))] == ["account"]


@pytest.mark.parametrize("campaign", ["", "a\tb", "x" * 256, 5, ["a"]])
def test_what_can_be_no_campaign_is_a_fault(campaign):
    assert [path for path, _ in faults(headers(campaign=campaign))] == ["campaign"]


@pytest.mark.parametrize("call_id", ["", CALL_ID[:-1], CALL_ID + "0", CALL_ID + "\n", CALL_ID.replace("-", ""), 5])
def test_what_can_be_no_call_id_is_a_fault(call_id):
    assert [path for path, _ in faults(headers(call_id=call_id))] == ["call-id"]


@pytest.mark.parametrize(
    ("word", "priority"),
    [("high", Priority.HIGH), ("normal", Priority.NORMAL), ("bulk", Priority.BULK), (None, Priority.NORMAL)],
)
def test_a_priority_is_one_of_three_words_and_normal_where_it_is_absent(word, priority):
    envelope, problem = read_envelope(headers(priority=word))
    assert problem is None
    assert envelope.priority is priority


@pytest.mark.parametrize("word", ["", "canary", "HIGH", " high", "bulk\n", "high|bulk", 9, True, b"high", ["high"], {}])
def test_what_is_no_priority_is_a_fault_that_names_the_words(word):
    problem = read_envelope(headers(priority=word))[1]
    assert problem.code is ProblemCode.INVALID_HEADER
    (error,) = problem.errors
    assert error.path == "priority"
    assert all(each in error.message for each in Priority)
    assert "canary" not in str(problem.as_dict())


@pytest.mark.parametrize("reply_to", ["", "a\x00b", 5])
def test_a_reply_to_that_names_no_queue_is_a_fault(reply_to):
    assert [path for path, _ in faults(Properties(reply_to=reply_to))] == ["reply_to"]


@pytest.mark.parametrize("name", ["CC", "BCC"])
def test_copies_are_refused(name):
    assert faults(Properties(headers={name: ["q"]})) == [("CC", "not_allowed")]


@pytest.mark.parametrize("value", [5, b"x", "", "x" * 256, "é" * 128, {}])
@pytest.mark.parametrize("name", ["message_id", "correlation_id", "app_id", "user_id"])
def test_what_is_only_copied_is_absent_where_it_is_no_short_text(name, value):
    envelope, problem = read_envelope(Properties()._replace(**{name: value}))
    assert (getattr(envelope, name), problem) == (None, None)


@pytest.mark.parametrize(("value", "count"), [(3, 3), (0, 0), (-1, 0), (True, 0), ("3", 0), (1.5, 0), (None, 0)])
def test_our_own_count_is_a_whole_number_or_nothing(value, count):
    assert read_envelope(headers(callmq_attempts=value))[0].attempts == count


@pytest.mark.parametrize(("value", "doubt"), [(True, True), (1, False), ("true", False), (None, False)])
def test_our_own_doubt_is_true_or_nothing(value, doubt):
    assert read_envelope(headers(callmq_doubt=value))[0].doubt is doubt


def test_all_faults_are_told_at_once_and_no_value():
    given = headers(idempotency_key="secret canary", expires_at="secret canary", campaign=5, call_id="canary")
    problem = read_envelope(given)[1]
    assert [e.path for e in problem.errors] == ["idempotency-key", "campaign", "call-id", "expires-at"]
    assert problem.detail == "Headers or properties that can't be read: call-id, campaign, expires-at, idempotency-key."
    assert "canary" not in str(problem.as_dict())


# Content


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (None, True), ("", True), ("application/json", True), ("Application/JSON ", True),
        ("application/json; charset=utf-8", True), ("text/plain", False), ("application/jsonx", False),
        ("application/problem+json", False), (17, False), (b"application/json", False),
    ],
)  # fmt: skip
def test_only_json_is_read(kind, good):
    assert (wrong_content(Properties(content_type=kind)) is None) == good


@pytest.mark.parametrize("encoding", ["gzip", "identity", 5])
def test_no_encoding_is_read(encoding):
    problem = read_envelope(headers(idempotency_key=5))[1]
    assert problem.code is ProblemCode.INVALID_HEADER
    both = headers(idempotency_key=5)._replace(content_encoding=encoding)
    assert read_envelope(both)[1].code is ProblemCode.WRONG_CONTENT_TYPE


def test_what_could_not_be_decoded_is_refused_and_never_meant_for_the_default_account():
    envelope, problem = read_envelope(Properties(routing_key="dial", content_type=UNREADABLE))
    assert (envelope.account, problem.code) == ("default", ProblemCode.INVALID_HEADER)
    assert "can't be decoded" in problem.detail


# Time


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22T12:00:00Z", "2026-11-22T13:00:00+01:00", "2026-11-22T12:00:00.000Z", "2026-11-22t12:00:00z",
        "2026-11-22 12:00:00+00:00", int(SECONDS * 1000), NOON, NOON.replace(tzinfo=None),
    ],
    ids=str,
)  # fmt: skip
def test_a_moment_is_read(value):
    assert parse_moment(value) == SECONDS


@pytest.mark.parametrize(
    "value",
    [
        None, "", "soon", "2026-11-22T12:00:00", "2026-11-22", "2026-13-01T00:00:00Z", "12:00", True, False, 1.5, b"1",
        -1, 2**63, 253_402_300_800_000, "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z", [], {},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_moment_is_none(value):
    assert parse_moment(value) is None


@given(st.text() | st.integers() | st.floats() | st.datetimes(timezones=st.none() | st.timezones()) | st.binary())
def test_no_moment_raises(value):
    found = parse_moment(value)
    assert found is None or 0 <= found <= 253_402_300_799.0


@pytest.mark.parametrize("value", ["soon", 1.5, True, ["x"], 2**62])
def test_an_unreadable_expiry_is_a_fault(value):
    assert faults(headers(expires_at=value)) == [("expires-at", "bad_format")]


@pytest.mark.parametrize(("value", "seconds"), [(60, 60.0), (0, 0.0), ("60", 60.0), (0.25, 0.25), (None, None)])
def test_the_time_to_live_is_read(value, seconds):
    assert read_envelope(Properties(expiration=value))[0].time_to_live == seconds


@pytest.mark.parametrize("value", [-1, "soon", float("nan"), float("inf"), True, [], 1e300])
def test_an_unreadable_time_to_live_is_a_fault(value):
    assert faults(Properties(expiration=value)) == [("expiration", "bad_format")]


@pytest.mark.parametrize(
    ("envelope", "end"),
    [
        (Envelope(), 1000 + 30),
        (Envelope(published_at=900.0), 900 + 30),
        (Envelope(published_at=2000.0), 1000 + 30),  # a lifetime does not begin in the future
        (Envelope(published_at=2000.0, time_to_live=5.0), 1000 + 5),
        (Envelope(expires_at=950.0), 950),
        (Envelope(expires_at=9999.0), 9999),  # longer than the default, because somebody said so
        (Envelope(time_to_live=5.0), 1000 + 5),
        (Envelope(time_to_live=5.0, published_at=900.0), 900 + 5),
        (Envelope(time_to_live=500.0), 1000 + 30),
        (Envelope(time_to_live=5.0, expires_at=9999.0), 1000 + 5),
        (Envelope(time_to_live=500.0, expires_at=1200.0), 1200),
    ],
)
def test_the_earliest_of_all_that_is_said_counts(envelope, end):
    assert envelope.deadline(1000.0, 30.0) == end


# What the broker says


@pytest.mark.parametrize(
    ("deaths", "expired"),
    [
        ([{"reason": "expired"}], True),
        ([{"reason": "delivery_limit"}, {"reason": "expired"}], False),
        ([{"reason": "expired"}, {"reason": "delivery_limit"}], True),
        ([], False),
        (None, False),
        ("expired", False),
        (["expired"], False),
        ([{}], False),
    ],
)
def test_only_the_latest_death_tells_why(deaths, expired):
    assert broker_expired(Properties(headers={"x-death": deaths})) is expired
