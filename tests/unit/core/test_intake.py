"""From message to command: first what surrounds the body, then the body, then both together."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.envelope import Properties
from callmq_contracts.problem import ProblemCode
from callmq_worker.core.intake import Accepted, Refusal, digest, read
from callmq_worker.core.seal import SEAL, seal
from commands import CALL_ID, DIAL, NAMED, RULES, SECRET, accepted, judged, properties, refused
from intents import START

GOOD = orjson.dumps(DIAL)
RECORD = orjson.dumps(NAMED["guarded"])
# Every fault of a message, in the order in which they are looked for; each case has all that follow it as well.
FAULTS: list[tuple[str, dict]] = [
    ("wrong_content_type", {"content_type": "text/xml"}),
    ("invalid_header", {"headers": {"expires-at": "soon", "account": "nobody"}}),
    ("malformed", {"body": b"{"}),
    ("invalid_params", {"body": b'{"command":"dial","params":{}}'}),
    ("missing_idempotency_key", {"headers": {"account": "nobody"}}),
    ("routing_key_mismatch", {"routing_key": "calling.play"}),
    ("call_id_mismatch", {"headers": {"call-id": CALL_ID}}),
    ("unknown_account", {"headers": {"account": "nobody"}}),
]


def code(body, given: Properties, **more) -> str:
    return refused(body, given, **more).rejected.problem.code.value


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[name for name, _ in FAULTS])
def test_the_first_fault_in_this_order_is_told(first):
    body, told, key = GOOD, {"headers": {}}, "order-1"
    for name, fault in FAULTS[first:]:
        rest = {"body": GOOD, "headers": {}, **fault}
        named = rest.pop("body")
        body = named if body is GOOD else body
        key = None if name == "missing_idempotency_key" else key
        told["headers"] = {**rest.pop("headers"), **told["headers"]}
        told.update(rest)
    assert code(body, properties("dial", key, **told)) == FAULTS[first][0]


def test_a_good_message_is_a_command():
    found = judged(DIAL, properties("dial"))
    assert isinstance(found, Accepted)
    assert (found.command.name, found.envelope.key, found.received_at) == ("dial", "order-1", START)
    assert found.expires_at == START - 1 + 3600


@pytest.mark.parametrize("safety", ["unsafe", "guarded"])
def test_what_could_act_twice_needs_a_key(safety):
    body = NAMED[safety]
    assert code(body, properties(body["command"], None)) == "missing_idempotency_key"


@pytest.mark.parametrize("safety", ["safe", "convergent"])
def test_what_could_not_may_go_without(safety):
    assert accepted(NAMED[safety], None).envelope.key is None


@pytest.mark.parametrize("account", ["default", "second"])
def test_known_accounts_pass(account):
    assert accepted(headers={"account": account}).envelope.account == account


@pytest.mark.parametrize(
    ("header", "fits"),
    [(CALL_ID, True), (CALL_ID.upper(), True), ("3fa85f64-5717-4562-b3fc-2c963f66afa7", False)],
)
def test_the_call_id_header_is_the_bodys(header, fits):
    found = judged(RECORD, properties("calling.record", headers={"call-id": header}))
    assert isinstance(found, Accepted) == fits
    if not fits:
        assert found.rejected.problem.code is ProblemCode.CALL_ID_MISMATCH


def test_a_call_id_header_on_a_dial_would_break_order():
    assert code(DIAL, properties("dial", headers={"call-id": CALL_ID})) == "call_id_mismatch"


@pytest.mark.parametrize(
    ("body", "routing_key", "name", "call_id"),
    [
        (b'{"command":"dial","params":{}}', "dial", "dial", None),
        (b'{"command":"calling.fly"}', "calling.fly", None, None),
        (b"{", "dial", None, None),
        (orjson.dumps({**NAMED["guarded"], "params": {}}), "calling.record", "calling.record", CALL_ID),
        (RECORD, "calling.play", "calling.record", CALL_ID),
    ],
)
@pytest.mark.parametrize("fault", [{}, {"headers": {"campaign": 5}}], ids=["body", "header too"])
def test_a_refusal_names_what_could_be_read(fault, body, routing_key, name, call_id):
    refusal = refused(body, properties(routing_key, **fault))
    assert (refusal.rejected.command, refusal.rejected.call_id) == (name, call_id)
    assert refusal.envelope.key == "order-1"


def test_after_a_wrong_content_type_the_body_is_not_looked_at():
    refusal = refused(GOOD, properties("dial", content_encoding="gzip"))
    assert (refusal.rejected.problem.code.value, refusal.rejected.command) == ("wrong_content_type", None)


# Time


def test_the_first_receipt_counts_and_not_this_one():
    headers = sealed(
        {"callmq-received-at": int(START * 1000) - 60_000, "idempotency-key": "order-1"}, orjson.dumps(DIAL)
    )
    found = judged(DIAL, properties("dial", timestamp=None, headers=headers))
    assert (found.received_at, found.expires_at) == (START - 60, START - 60 + 3600)
    broken = sealed({"callmq-received-at": int(START * 1000) - 60_000, "idempotency-key": "order-1"}, b"{")
    assert refused(b"{", properties("dial", headers=broken)).received_at == START - 60


def sealed(headers, body):
    return {**headers, SEAL: seal(headers, "dial", body, SECRET)}


@pytest.mark.parametrize("name", ["callmq-received-at", "callmq-not-before", "callmq-attempts", "callmq-doubt"])
@pytest.mark.parametrize("given", [None, "", "0" * 64, 5, "\u00e9"])
def test_what_only_a_worker_may_say_is_believed_from_nobody_else(name, given):
    forged = {"idempotency-key": "order-1", name: True if name == "callmq-doubt" else 7, SEAL: given}
    found = judged(DIAL, properties("dial", headers=forged))
    assert found.received_at == START
    assert (found.envelope.not_before, found.envelope.attempts, found.envelope.doubt) == (None, 0, False)


@pytest.mark.parametrize("change", ["callmq-attempts", "callmq-doubt", "expires-at", "idempotency-key", "body", "key"])
def test_a_seal_holds_for_its_message_and_for_nothing_else(change):
    own = {"callmq-attempts": 2, "callmq-doubt": True, "idempotency-key": "order-1", "expires-at": int(START * 2000)}
    headers = sealed(own, orjson.dumps(DIAL))
    assert judged(DIAL, properties("dial", headers=headers)).envelope.attempts == 2
    body = {**DIAL, "params": {**DIAL["params"], "timeout": 5}} if change == "body" else DIAL
    routing_key = "update" if change == "key" else "dial"
    values = {"callmq-attempts": 1, "callmq-doubt": False, "expires-at": int(START * 2000) + 1, "idempotency-key": "x"}
    changed = {**headers, change: values[change]} if change in values else headers
    assert judged(body, properties(routing_key, headers=changed)).envelope.attempts == 0


@pytest.mark.parametrize("timestamp", [START - 1, START + 1e9])
def test_no_command_outlives_the_memory_of_its_key(timestamp):
    given = properties("dial", timestamp=timestamp, headers={"expires-at": "9999-12-31T23:59:59Z"})
    rules = replace(RULES, longest_life=100.0)
    found = read(GOOD, given, START, rules, secret=SECRET)
    assert isinstance(found, Accepted)
    assert found.expires_at == min(timestamp, START) + 100


def test_what_the_broker_took_out_for_its_age_is_over():
    assert judged(DIAL, properties("dial"), broker_expired=True).expires_at == START
    over = properties("dial", headers={"expires-at": int(START * 1000) - 5000})
    assert judged(DIAL, over, broker_expired=True).expires_at == START - 5


# The digest names this very message


@pytest.mark.parametrize(
    "change",
    [{"routing_key": "dial2"}, {"correlation_id": "c"}, {"message_id": "m"}],
    ids=lambda c: next(iter(c)),
)
def test_the_digest_is_of_this_very_message(change):
    given = properties("dial")
    assert digest(GOOD, given) == digest(GOOD, given)
    assert digest(GOOD, given) != digest(GOOD, given._replace(**change))
    assert digest(GOOD, given) != digest(GOOD + b" ", given)


# Whatever comes


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.binary() | st.datetimes(),
    lambda s: st.lists(s, max_size=3) | st.dictionaries(st.text(max_size=5), s, max_size=3),
    max_leaves=5,
)
NAMES = [
    "idempotency-key", "expires-at", "account", "campaign", "call-id", "priority", "traceparent", "CC", "x-death",
    "callmq-doubt", "callmq-not-before", "callmq-attempts", "callmq-received-at",
]  # fmt: skip
anything = st.builds(
    Properties,
    routing_key=st.sampled_from(["dial", "calling.record", ""]),
    content_type=values,
    content_encoding=st.none() | values,
    message_id=values,
    correlation_id=values,
    reply_to=values,
    app_id=values,
    user_id=values,
    expiration=values,
    timestamp=st.none() | st.floats(0, 1e11),
    headers=st.dictionaries(st.sampled_from(NAMES), values, max_size=8),
)


@given(st.sampled_from([GOOD, RECORD, b"", b"[]", b'{"command":5}']) | st.binary(max_size=50), anything)
def test_no_message_raises(body, given):
    found = read(body, given, START, RULES, secret=SECRET)
    assert isinstance(found, Accepted | Refusal)
    digest(body, given)
