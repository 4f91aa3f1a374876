"""How a delivery ends: every verdict, with and without a key, with attempts left and without."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from callmq_contracts.reply import OutcomeName, reply_id
from callmq_worker.core import settle
from callmq_worker.core.outcome import Again, Done, InDoubt, Paused, Refused
from callmq_worker.core.record import Claim, Spent
from callmq_worker.core.retry import Situation, parse_tiers
from callmq_worker.core.settle import Attempt, Concluded, Past, Postponed, Unrecorded, after, again
from commands import CALL_ID, DIAL, NAMED, accepted, properties, refused
from intents import START, intent

PROBE = 15.0
ROOM = Situation(1, 8, 3600.0, 0.0, None, budget=True, tiers=parse_tiers("1s,5s,30s"))
keyed_or_not = pytest.mark.parametrize("key", ["order-1", None], ids=["keyed", "keyless"])


def made(key: str | None = "order-1", *, used: int = 1, doubt: bool = False, body=NAMED["convergent"]) -> Attempt:
    command = accepted(body, key)
    if key is None:
        return Attempt(command, used, doubt, None)
    claim = Claim("default", key, used + 2, "w", used, doubt, START)
    return Attempt(command, used, doubt, (intent(key=key), claim))


def ends(verdict, attempt: Attempt, **situation):
    if isinstance(verdict, Again):
        return again(verdict, attempt, replace(ROOM, used=attempt.used, **situation))
    return after(verdict, attempt, PROBE)


def reply_of(settlement, sequence: int = 1) -> dict:
    """Return the reply that a settlement stands for, as JSON."""
    if isinstance(settlement, Unrecorded):
        return settlement.reply.as_dict()
    build = settle.reply_builder(settlement.accepted, settlement.outcome, START + 2)
    return orjson.loads(build(sequence))


def told(settlement) -> tuple:
    reply = reply_of(settlement)
    code = reply["problem"]["code"] if reply["problem"] else None
    return reply["outcome"], code, reply["http_status"], reply["attempts"]


# An attempt was made


@keyed_or_not
@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("used", [1, 8])
@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Done(200, {"id": "x"}), ("succeeded", None, 200)),
        (Refused(404), ("rejected", "refused", 404)),
        (InDoubt("connection reset"), ("unknown", "outcome_unknown", None)),
        (InDoubt("http 502", 502), ("unknown", "outcome_unknown", 502)),
    ],
)
def test_a_definite_verdict_ends_it_whatever_went_before(verdict, expected, used, doubt, key):
    attempt = made(key, used=used, doubt=doubt)
    settlement = ends(verdict, attempt)
    assert told(settlement) == (*expected, used)
    assert isinstance(settlement, Concluded if key else Unrecorded)
    if key:
        assert settlement.attempt == attempt.claim.attempt


@keyed_or_not
@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("used", [1, 8])
def test_a_paused_account_uses_up_nothing(used, doubt, key):
    attempt = made(key, used=used, doubt=doubt)
    settlement = ends(Paused("http 401", 401), attempt)
    assert settlement == Postponed(
        PROBE, "http 401", attempt.claim, spare=True, ordered=True, past=Past(used - 1, doubt)
    )


@keyed_or_not
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("now", [False, True])
def test_with_attempts_left_it_is_put_off(now, before, key):
    attempt = made(key, used=3, doubt=before)
    settlement = ends(Again("no", doubt=now, retry_after=4.0), attempt, retry_after=4.0)
    past = Past(3, doubt=before or now)
    assert settlement == Postponed(5.0, "no", attempt.claim, now, ordered=True, past=past)


@keyed_or_not
@pytest.mark.parametrize(("used", "left", "code"), [(8, 3600.0, "retries_exhausted"), (2, 1.0, "lifetime_exhausted")])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("now", [False, True])
def test_at_the_end_doubt_is_said_and_certainty_too(now, before, used, left, code, key):
    settlement = ends(Again("http 500", doubt=now, status=500), made(key, used=used, doubt=before), left=left)
    doubtful = ("unknown", "outcome_unknown", 500, used)
    assert told(settlement) == (doubtful if now or before else ("failed", code, 500, used))


# No attempt was made


@keyed_or_not
def test_what_was_withheld_comes_back_and_uses_up_nothing(key):
    attempt = made(key, used=3, doubt=True)
    settlement = settle.withheld(attempt, expired=False)
    assert settlement == Postponed(1.0, "withheld", attempt.claim, spare=True, ordered=True, past=Past(2, doubt=True))


@keyed_or_not
@pytest.mark.parametrize(
    ("used", "doubt", "expected"),
    [
        (1, False, ("expired", "expired", None, 0)),
        (3, False, ("failed", "lifetime_exhausted", None, 2)),
        (3, True, ("unknown", "outcome_unknown", None, 2)),
    ],
)
def test_what_was_withheld_because_its_time_is_over_ends(used, doubt, expected, key):
    assert told(settle.withheld(made(key, used=used, doubt=doubt), expired=True)) == expected


@pytest.mark.parametrize(
    ("used", "doubt", "expired", "expected"),
    [
        (0, False, True, ("expired", "expired", None, 0)),
        (2, False, True, ("failed", "lifetime_exhausted", None, 2)),
        (8, False, False, ("failed", "delivery_limit", None, 8)),
        (2, True, True, ("unknown", "outcome_unknown", None, 2)),
        (8, True, False, ("unknown", "outcome_unknown", None, 8)),
    ],
)
def test_where_no_attempt_may_be_made_any_more(used, doubt, expired, expected):
    outcome = settle.spent(Spent(11, used, doubt, expired, START))
    assert told(Concluded(accepted(), intent(), outcome, 11)) == expected


@pytest.mark.parametrize(
    ("seconds", "hold", "delay"),
    [
        (44.9, False, 1.0),
        (30.0, False, 5.0),
        (0.02, False, 5.0),
        (44.9, True, 1.0),
        (30.0, True, 5.0),
        (0.02, True, 0.1),
    ],
)
def test_a_repeat_of_one_in_progress_waits_shortly_at_first(seconds, hold, delay):
    assert settle.busy(seconds, 45.0, hold=hold) == Postponed(delay, "in progress", ordered=hold)


# The reply


def test_the_reply_says_all_that_is_known():
    command = accepted(NAMED["convergent"], "k", headers={"account": "second", "campaign": "spring"})
    settlement = Concluded(command, intent(), settle.Outcome(OutcomeName.SUCCEEDED, 2, None, 202, {"a": 1}), 5)
    assert reply_of(settlement, 3) == {
        "version": 1,
        "reply_id": reply_id("second", "k", "3"),
        "idempotency_key": "k",
        "command": "calling.denoise",
        "outcome": "succeeded",
        "call_id": CALL_ID,
        "control_id": None,
        "account": "second",
        "campaign": "spring",
        "http_status": 202,
        "response": {"a": 1},
        "problem": None,
        "leniencies": [],
        "attempts": 2,
        "replayed": False,
        "received_at": "2027-01-15T08:00:00.000Z",
        "finished_at": "2027-01-15T08:00:02.000Z",
    }


@pytest.mark.parametrize(("document", "call_id"), [({"id": "new"}, "new"), ({"id": 7}, None), ([], None), (None, None)])
def test_a_dial_gets_its_call_id_from_the_answer(document, call_id):
    settlement = ends(Done(200, document), made(body=DIAL))
    assert (reply_of(settlement)["call_id"], reply_of(settlement)["response"]) == (call_id, document)


def test_leniencies_and_the_control_id_are_told():
    body = {**NAMED["guarded"], "params": {"record": {"audio": {}}}}
    reply = reply_of(ends(Done(200), made(body=body)))
    assert reply["leniencies"] == ["control_id_derived"]
    assert reply["control_id"] == made(body=body).accepted.command.control_id


def test_a_reply_is_the_same_on_every_repetition_and_differs_by_sequence_key_and_account():
    settlement = ends(Done(200), made())
    assert reply_of(settlement) == reply_of(settlement)
    ids = {reply_of(s, n)["reply_id"] for s in (settlement, ends(Done(200), made("order-2"))) for n in (1, 2)}
    ids.add(reply_of(Concluded(accepted(headers={"account": "second"}), intent(), settlement.outcome, 1))["reply_id"])
    assert len(ids) == 5


def test_replies_without_a_key_differ_by_message():
    def name(message_id):
        attempt = replace(made(None), accepted=accepted(NAMED["convergent"], None, message_id=message_id))
        return reply_of(ends(Done(200), attempt))["reply_id"]

    assert name("m1") == name("m1") != name("m2")


def test_a_rejection_by_contract_never_looks_like_a_later_reply():
    bad = refused({"command": "dial", "params": {}}, properties("dial"))
    rejection = settle.rejection(bad).reply.as_dict()
    assert (rejection["outcome"], rejection["problem"]["code"]) == ("rejected", "invalid_params")
    assert (rejection["command"], rejection["attempts"], rejection["http_status"]) == ("dial", 0, None)
    assert rejection["reply_id"] == settle.rejection(bad).reply.reply_id
    assert rejection["reply_id"] not in {reply_id("default", "order-1", str(n)) for n in range(5)}
    other = settle.conflict(accepted(), "digest").reply.as_dict()
    assert (other["outcome"], other["problem"]["code"]) == ("rejected", "idempotency_conflict")
    assert other["reply_id"] != rejection["reply_id"]


# What may not be seen


def refusal_of(body, *entries) -> str:
    settlement = ends(Refused(422, entries), made(body=body))
    return orjson.dumps(reply_of(settlement)["problem"]).decode()


SECRET = "canary-h7d2-secret"
PAIR = {"from": "+15550100001", "to": "+15550100002", "url": "https://example.com/x"}
REFER = {"type": "sip", "params": {"to": "sip:a@example.com", "username": "u", "password": SECRET}}


@pytest.mark.parametrize(
    "body",
    [
        {"command": "dial", "params": {**PAIR, "password": SECRET}},
        {"command": "calling.refer", "id": CALL_ID, "params": {"device": REFER}},
    ],
    ids=["at the top", "deep inside"],
)
@pytest.mark.parametrize(
    "entry",
    [
        {"code": "x", "message": f"{SECRET} is too weak"},
        {"code": "x", "details": [{"given": [f"'{SECRET}'"]}]},
        {"code": "x", f"{SECRET}": 1},
    ],
    ids=["in a text", "in a list", "as a name"],
)
def test_no_credential_of_the_body_comes_back_in_an_error(entry, body):
    assert SECRET not in refusal_of(body, entry)


def test_numbers_in_errors_are_masked_and_codes_stay():
    entry = {"type": "t", "code": "invalid_state", "message": "+15550100002 can't be called", "attribute": "to"}
    problem = refusal_of(DIAL, entry)
    assert "15550100002" not in problem
    assert "***02" in problem
    assert '"code":"invalid_state"' in problem
    assert '"attribute":"to"' in problem


def test_a_hundred_errors_are_told_and_no_more():
    problem = orjson.loads(refusal_of(DIAL, *({"code": f"c{n}"} for n in range(250))))
    assert [e["code"] for e in problem["errors"]] == [f"c{n}" for n in range(100)]
