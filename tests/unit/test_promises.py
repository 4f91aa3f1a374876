"""The judges judged: a good journal breaks nothing, and each promise sees what would break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from journal import Copy, Journal, Receipt, Said, Sent, essence
from promises import PROMISES, breaches, judge, tally

CALL = "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"
END = 1000.0


def sent(of: str, safety: str = "unsafe", **more: Any) -> Sent:
    told = {"name": f"m-{of}", "key": of, "command": "dial", "body": b"{}", "safety": safety, "expires_at": END}
    return Sent(**{**told, **more})


def said(of: str, outcome: str = "succeeded", **more: Any) -> Said:
    problem = None if outcome == "succeeded" else {"code": more.pop("code", "refused")}
    done = outcome == "succeeded"
    document = {
        "reply_id": f"of {of}", "idempotency_key": of, "outcome": outcome, "problem": problem,
        "http_status": 200 if done else None, "response": {"id": f"x-{of}"} if done else None, "attempts": 1,
        "replayed": False, "command": "dial", "call_id": f"x-{of}" if done else None, **more,
    }  # fmt: skip
    return Said(f"m-{of}", document)


def on_call(of: str, outcome: str = "succeeded", **more: Any) -> Said:
    return said(of, outcome, **{"command": "calling.record", "call_id": CALL, **more})


def receipt(of: str, at: float = 10.0, **more: Any) -> Receipt:
    told = {"status": 200, "body": essence(b"{}"), "answer": essence({"id": f"x-{of}"})}
    return Receipt(**{"key": of, "command": "dial", "at": at, "acted": True, **told, **more})


GOOD = Journal(
    sent=[
        sent("done"),
        sent("refused"),
        sent("doubtful"),
        sent("first", "guarded", command="calling.record", call_id=CALL),
        sent("second", "guarded", command="calling.record", call_id=CALL),
        sent("keyless", "safe", key=None, command="calling.denoise", call_id=CALL),
        sent("broken", "none", key=None),
    ],
    receipts=[
        receipt("done"),
        receipt("refused", acted=False, status=400, answer=None),
        receipt("doubtful"),
        receipt("first", 11.0),
        receipt("second", 12.0),
        receipt("keyless", 13.0, key=None, command="calling.denoise", call_id=CALL),
    ],
    replies=[
        said("done"),
        said("done", replayed=True),
        said("refused", "rejected", http_status=400),
        said("doubtful", "unknown", code="outcome_unknown", http_status=None),
        on_call("first"),
        on_call("second"),
        on_call("keyless", idempotency_key=None, command="calling.denoise"),
        said("broken", "rejected", code="malformed", idempotency_key=None, command=None),
    ],
    dead=[Copy("refused", "rejected", b"{}", "m-refused"), Copy(None, "rejected", b"{}", "m-broken")],
    parked=[Copy("doubtful", "unknown", b"{}", "m-doubtful")],
    left={"callmq.dial": 0},
    ledger={
        "done": "succeeded",
        "refused": "rejected",
        "doubtful": "unknown",
        "first": "succeeded",
        "second": "succeeded",
    },
)


def but(**changes: Any) -> Journal:
    """Change the good journal: a list is added to what is there, a function takes it, anything else replaces it."""
    made = {}
    for name, change in changes.items():
        before = getattr(GOOD, name)
        made[name] = change(before) if callable(change) else [*before, *change] if isinstance(change, list) else change
    return replace(GOOD, **made)


def without(index: int):
    return lambda before: [each for number, each in enumerate(before) if number != index]


def late(before):
    return [replace(each, at=10.5) if each.key == "second" else each for each in before]


SPOILED = [
    ("every_command_is_answered", but(sent=[sent("lost")])),
    ("every_command_is_in_its_place", but(left={"callmq.dial": 1})),
    ("every_command_is_in_its_place", but(dead=without(0))),
    ("every_command_is_in_its_place", but(dead=without(1))),
    ("every_command_is_in_its_place", but(parked=without(0))),
    ("every_command_is_in_its_place", but(dead=[Copy("done", "failed", b"{}")])),
    ("every_command_is_in_its_place", but(dead=[Copy("refused", "rejected", b"cut")])),
    ("what_is_recorded_is_said", but(ledger=lambda told: {**told, "doubtful": "succeeded"})),
    ("what_is_recorded_is_said", but(ledger=lambda told: {k: v for k, v in told.items() if k != "done"})),
    ("what_is_recorded_is_said", but(
        ledger=lambda told: {**told, "done": "unknown"}, replies=[said("done", "unknown", code="outcome_unknown")],
    )),
    ("no_key_has_two_final_outcomes", but(replies=[said("done", "failed", reply_id="another")])),
    ("repeats_are_identical", but(replies=[said("done", call_id="another")])),
    ("nothing_unsafe_is_sent_twice", but(receipts=[receipt("done")])),
    ("nothing_unsafe_is_sent_twice", but(receipts=[receipt("refused", acted=False)])),
    ("no_reply_contradicts_the_endpoint", but(receipts=without(0))),
    ("no_reply_contradicts_the_endpoint", but(receipts=lambda r: [*r[:1], receipt("refused"), *r[2:]])),
    ("no_reply_contradicts_the_endpoint", but(replies=[said("first", "failed")])),
    ("no_reply_contradicts_the_endpoint", but(receipts=without(3))),
    ("no_reply_contradicts_the_endpoint", but(receipts=without(5))),
    ("no_reply_contradicts_the_endpoint", but(receipts=lambda r: [*r[:1], *r[2:]])),
    ("what_is_sent_is_what_was_published", but(receipts=[receipt("first", 14.0, body=essence(b"[]"))])),
    ("a_reply_is_about_its_command", but(replies=lambda r: [replace(r[0], to="m-second"), *r[1:]])),
    ("a_reply_is_about_its_command", but(replies=[on_call("first", call_id="another")])),
    ("a_reply_is_about_its_command", but(replies=[said("done", response=None, replayed=True)])),
    ("a_reply_is_about_its_command", but(replies=[said("done", response={"id": "x-second"}, replayed=True)])),
    ("no_reply_contradicts_the_endpoint", but(replies=[said("refused", "expired", code="expired")])),
    ("doubt_has_a_reason", but(healthy=True)),
    ("calls_keep_their_order", but(receipts=late)),
    ("nothing_is_sent_after_its_time", but(receipts=[receipt("first", END + 1)])),
    ("nothing_is_sent_after_its_time", but(
        receipts=[receipt("keyless", END + 1, key=None, command="calling.denoise", call_id=CALL)],
    )),
    ("nothing_cancelled_is_sent", but(cancelled=lambda _: {"first": 0.0})),
    ("no_reply_contradicts_the_endpoint", but(replies=[said("first", "cancelled", code="cancelled")])),
    ("no_key_gets_the_body_of_another", but(
        sent=[sent("done", name="other", body=b"[]")], replies=[replace(said("done"), to="other")],
    )),
    ("attempts_are_counted_and_bounded", but(receipts=[receipt("second", 13.0)])),
    ("attempts_are_counted_and_bounded", but(receipts=[receipt("doubtful", acted=False)] * 8)),
]  # fmt: skip


def test_a_good_journal_breaks_nothing():
    judge(GOOD)
    assert tally(GOOD) == {"succeeded": 3, "rejected": 1, "unknown": 1}


@pytest.mark.parametrize(("promise", "journal"), SPOILED)
def test_what_breaks_a_promise_is_seen(promise: str, journal: Journal):
    found = breaches(journal)
    assert any(breach.startswith(f"{promise}: ") for breach in found), found
    with pytest.raises(AssertionError, match=promise):
        judge(journal)


def test_no_promise_goes_untested():
    assert {promise for promise, _ in SPOILED} == {promise.__name__ for promise in PROMISES}


ALLOWED = {
    "what was not confirmed may be lost": but(sent=[sent("lost", confirmed=False)]),
    "asked to come later, it is sent again": but(receipts=[receipt("done", 9.0, acted=False, later=True)]),
    "a person lets it go again": but(receipts=[receipt("doubtful", 20.0)], reopened={"doubtful": 1}),
    "an answer that came late": but(
        replies=[said("doubtful", reply_id="second", attempts=1)],
        ledger=lambda told: {**told, "doubtful": "succeeded"},
    ),
    "what waited in a tier is overtaken": but(receipts=late, parted=frozenset({"first"})),
    "of an answer that came in part, the status counts": but(
        receipts=lambda r: [replace(r[0], cut=True), *r[1:]],
        replies=lambda r: [
            replace(each, document={**each.document, "response": None}) if each.to == "m-done" else each for each in r
        ],
    ),
    "in doubt, what is gone was done": but(
        receipts=lambda r: [*r[:3], replace(r[3], acted=False, status=404, answer=None), *r[4:]],
        replies=lambda r: [
            replace(each, document={**each.document, "http_status": 404, "response": None})
            if each.to == "m-first"
            else each
            for each in r
        ],
    ),
    "a conflict is not about the intention": but(
        sent=[sent("done", name="other", body=b"[]")],
        replies=[replace(said("done", "rejected", code="idempotency_conflict", reply_id="c"), to="other")],
        dead=[Copy("done", "rejected", b"[]", "other")],
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_breaks_nothing(name: str):
    judge(ALLOWED[name])
