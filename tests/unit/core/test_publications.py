"""What is published for a settlement: keys, copies byte for byte, nothing of the broker's own travelling on."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import orjson
import pytest

from callmq_contracts.envelope import Properties, read_envelope
from callmq_contracts.names import Names
from callmq_contracts.problem import Problem, ProblemCode
from callmq_contracts.reply import REPLY_TYPE, OutcomeName, Reply, mark_replayed
from callmq_worker.core.publications import Message, answers, owed, postponed
from callmq_worker.core.retry import Tier
from callmq_worker.core.seal import seal
from callmq_worker.core.settle import Past
from commands import DIAL, SECRET, judged, properties
from intents import START

NAMES = Names("shop")
BODY = b' { "command" : "dial",\n "params": {"to": "caf\xc3\xa9", "password": "p"} } '
TIER = Tier("5s", 5)
FIRST = Past()
HEADERS = {
    "idempotency-key": "order-1",
    "expires-at": "2027-01-15T09:00:00Z",
    "account": "second",
    "campaign": "spring",
    "call-id": "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21",
    "priority": "bulk",
    "traceparent": "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01",
    "tracestate": "a=b",
    "baggage": "c=d",
}
BROKERS = {
    "x-death": [{"queue": "shop.dial", "reason": "rejected", "count": 3}],
    "x-first-death-queue": "shop.dial",
    "x-last-death-reason": "expired",
    "x-delivery-count": 7,
    "x-acquired-count": 7,
    "something-else": "of the producer",
}


def message(body: bytes = BODY, received_at: float = START, **changes) -> Message:
    given = properties("dial", None, headers={**HEADERS, **BROKERS, **changes.pop("headers", {})}, **changes)
    return Message(body, given, read_envelope(given)[0], received_at)


def reply(outcome: OutcomeName = OutcomeName.SUCCEEDED, code: ProblemCode | None = None, **changes) -> bytes:
    problem = Problem(code, "Why.") if code else None
    return Reply("r-1", "order-1", "dial", outcome, START, START + 1, problem=problem, **changes).dump()


REFUSED = reply(OutcomeName.REJECTED, ProblemCode.REFUSED)


# The reply


@pytest.mark.parametrize(
    ("app_id", "word"),
    [
        ("billing", "billing"),
        ("billing.eu.1", "billing_eu_1"),
        (".", "_"),
        (None, "-"),
        ("", "-"),
        ("x" * 200, "x" * 64),
        ("é" * 40, "é" * 32),
        ("x" + "é" * 40, "x" + "é" * 31),
        ("x" * 63 + "é", "x" * 63),
        ("😀" * 60, "😀" * 16),
        (17, "-"),
        ("#", "#"),
    ],
)
def test_the_first_word_of_the_key_is_the_producing_service(app_id, word):
    key = answers(NAMES, message(app_id=app_id), reply()).reply.routing_key
    assert key == f"{word}.dial.succeeded"
    assert len(key.encode()) < 256


@pytest.mark.parametrize(("command", "word"), [(None, "-"), ("calling.play.stop", "calling.play.stop")])
def test_the_key_names_command_and_outcome(command, word):
    published = answers(NAMES, message(app_id="a"), Reply("r", None, command, OutcomeName.UNKNOWN, 0, 0).dump())
    assert published.reply.routing_key == f"a.{word}.unknown"


def test_the_reply_goes_to_the_exchange_and_nobody_bound_counts_as_published():
    published = answers(NAMES, message(correlation_id="c-1"), reply()).reply
    assert (published.exchange, published.mandatory, published.type) == ("shop.replies", False, REPLY_TYPE)
    assert (published.correlation_id, published.content_type) == ("c-1", "application/json")
    assert published.body == reply()


@pytest.mark.parametrize(("given", "expected"), [("c-1", "c-1"), (None, "order-1"), ("", "order-1")])
def test_the_correlation_id_is_the_commands_or_its_key(given, expected):
    assert answers(NAMES, message(correlation_id=given), reply()).reply.correlation_id == expected


def test_reply_to_gets_the_same_directly_and_must_exist():
    published = answers(NAMES, message(reply_to="mine", correlation_id="c-1"), reply())
    direct = published.direct
    assert (direct.exchange, direct.routing_key, direct.mandatory) == ("", "mine", True)
    assert (direct.body, direct.correlation_id, direct.type) == (reply(), "c-1", REPLY_TYPE)
    assert answers(NAMES, message(), reply()).direct is None


def test_what_is_owed_is_published_as_it_would_have_been():
    public = answers(NAMES, message(correlation_id="c"), reply()).reply
    address = orjson.loads(orjson.dumps({"routing_key": public.routing_key, "correlation_id": public.correlation_id}))
    assert owed(NAMES, reply(), address) == public


def test_a_repetition_is_marked_and_keeps_the_same_copy():
    first, again = (answers(NAMES, message(), r) for r in (REFUSED, mark_replayed(REFUSED)))
    assert again.document == {**first.document, "replayed": True}
    assert (again.kept, again.reply.routing_key) == (first.kept, first.reply.routing_key)


# Dead and parked copies


@pytest.mark.parametrize(
    ("outcome", "code", "place"),
    [
        (OutcomeName.SUCCEEDED, None, None),
        (OutcomeName.CANCELLED, ProblemCode.CANCELLED, None),
        (OutcomeName.REJECTED, ProblemCode.REFUSED, ("shop.dead", "rejected.refused")),
        (OutcomeName.FAILED, ProblemCode.RETRIES_EXHAUSTED, ("shop.dead", "failed.retries_exhausted")),
        (OutcomeName.EXPIRED, ProblemCode.EXPIRED, ("shop.dead", "expired.expired")),
        (OutcomeName.UNKNOWN, ProblemCode.OUTCOME_UNKNOWN, ("", "shop.unknown")),
    ],
)
def test_each_outcome_has_its_place(outcome, code, place):
    kept = answers(NAMES, message(), reply(outcome, code)).kept
    assert (kept and (kept.exchange, kept.routing_key)) == place
    assert kept is None or kept.mandatory


@pytest.mark.parametrize("body", [BODY, b"", b"\xff\xfe{", bytes(range(256)), b"x" * 262_144])
def test_a_copy_keeps_the_body_byte_for_byte(body):
    kept = answers(NAMES, message(body), REFUSED).kept
    assert kept.body == body
    assert "truncated-from" not in kept.headers


def test_a_copy_of_what_is_too_large_says_so():
    kept = answers(NAMES, message(b"x" * 262_145), REFUSED).kept
    assert kept.body == b"x" * 262_144
    assert kept.headers["truncated-from"] == 262_145


def test_a_copy_carries_what_the_producer_said_and_why_it_is_here():
    given = message(correlation_id="c", app_id="billing", reply_to="mine")
    kept = answers(NAMES, given, REFUSED).kept
    assert kept.headers == {
        **HEADERS,
        "callmq-received-at": int(START * 1000),
        "callmq-routing-key": "dial",
        "callmq-outcome": "rejected",
        "callmq-code": "refused",
        "callmq-detail": "Why.",
        "callmq-reply-id": "r-1",
    }
    assert (kept.correlation_id, kept.app_id, kept.reply_to) == ("c", "billing", "mine")
    assert (kept.timestamp, kept.content_type) == (START - 1, "application/json")


@pytest.mark.parametrize("publication", ["kept", "tier"])
def test_nothing_of_the_brokers_own_travels_on(publication):
    copy = answers(NAMES, message(), REFUSED).kept if publication == "kept" else put_off(message())
    assert not copy.headers.keys() & BROKERS.keys()


@pytest.mark.parametrize(
    "odd", [{"table": [1]}, ["list"], b"bytes", 1.5, None, "x" * 1025], ids=lambda v: type(v).__name__
)
def test_headers_that_no_copy_can_carry_are_left_out(odd):
    kept = answers(NAMES, message(headers={"campaign": odd}), REFUSED).kept
    assert "campaign" not in kept.headers


def test_a_content_type_that_is_no_text_is_left_out():
    given = message()
    odd = replace(given, properties=given.properties._replace(content_type=17))
    assert answers(NAMES, odd, REFUSED).kept.content_type is None


# Tier copies


def put_off(given: Message, past: Past = FIRST, not_before: float = START + 5):
    return postponed(NAMES, given, TIER, not_before, past, secret=SECRET)


def deadline(given: Properties, received_at: float) -> float:
    found = judged(DIAL, given, received_at)
    return found.expires_at


def returned(copy, received_at: float) -> float:
    """Return when the copy of a message expires, as the next worker reads it."""
    given = Properties(
        routing_key=copy.routing_key, headers=copy.headers, timestamp=copy.timestamp, content_type=copy.content_type
    )
    return deadline(given, received_at)


def test_a_tier_copy_is_the_same_command_again():
    copy = put_off(message(correlation_id="c", app_id="a", reply_to="mine"))
    assert (copy.exchange, copy.routing_key, copy.body, copy.mandatory) == ("shop.retry.5s", "dial", BODY, True)
    assert (copy.correlation_id, copy.app_id, copy.reply_to, copy.timestamp) == ("c", "a", "mine", START - 1)
    assert copy.headers == {
        **HEADERS,
        "callmq-received-at": int(START * 1000),
        "callmq-routing-key": "dial",
        "callmq-not-before": int(START * 1000) + 5000,
        "callmq-seal": seal(copy.headers, "dial", BODY, SECRET),
    }


@pytest.mark.parametrize("past", [Past(2), Past(0, doubt=True), Past(3, doubt=True)])
def test_the_past_of_a_command_without_a_key_goes_with_it(past):
    copy = put_off(message(headers={"idempotency-key": None}), past)
    envelope, problem = read_envelope(Properties(routing_key="dial", headers=copy.headers))
    assert problem is None
    assert (envelope.attempts, envelope.doubt) == (past.attempts, past.doubt)
    assert envelope.not_before == START + 5


SAID = dt.datetime.fromtimestamp(START + 60, dt.UTC)


@pytest.mark.parametrize(
    "given",
    [
        {"timestamp": START - 100},
        {"timestamp": None},
        {"headers": {"expires-at": SAID.isoformat()}},
        {"headers": {"expires-at": int(START * 1000) + 60_000}},
        {"headers": {"expires-at": SAID}},
        {"expiration": 30.0},
        {"expiration": 30.0, "timestamp": None},
        {"expiration": 90.0, "headers": {"expires-at": SAID}},
        {"expiration": 10.0, "headers": {"expires-at": SAID.isoformat()}},
    ],
    ids=str,
)
def test_no_hop_through_a_tier_changes_when_it_expires(given):
    first = properties("dial", **given)
    end = deadline(first, START)
    hop, envelope = Message(orjson.dumps(DIAL), first, read_envelope(first)[0], START, end), None
    for n in range(1, 4):
        copy = put_off(hop)
        assert returned(copy, START + 20 * n) == pytest.approx(end, abs=0.001), n
        again = Properties(routing_key="dial", headers=copy.headers, timestamp=copy.timestamp)
        envelope = read_envelope(again)[0]
        hop = Message(copy.body, again, envelope, envelope.first_received_at, deadline(again, START + 20 * n))
    assert envelope.first_received_at == START
