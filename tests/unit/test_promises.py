"""The judges judged: a good journal breaks nothing, and each promise sees what would break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from promises import PROMISES, Copy, Journal, Receipt, Said, Sent, breaches, judge, tally

CALL = "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"
END = 1000.0


def sent(key: str, safety: str = "unsafe", **more: Any) -> Sent:
    told = {"name": f"m-{key}", "key": key, "command": "dial", "body": b"{}", "safety": safety, "expires_at": END}
    return Sent(**{**told, **more})


def said(key: str, outcome: str = "succeeded", **more: Any) -> Said:
    problem = None if outcome == "succeeded" else {"code": more.pop("code", "refused")}
    document = {
        "reply_id": f"of {key}", "idempotency_key": key, "outcome": outcome, "problem": problem, "http_status": 200,
        "attempts": 1, "replayed": False, **more,
    }  # fmt: skip
    return Said(f"m-{key}", document)


def receipt(key: str, at: float = 10.0, **more: Any) -> Receipt:
    return Receipt(**{"key": key, "command": "dial", "at": at, "acted": True, **more})


GOOD = Journal(
    sent=[
        sent("done"),
        sent("refused"),
        sent("doubtful"),
        sent("first", "guarded", command="calling.record", call_id=CALL),
        sent("second", "guarded", command="calling.record", call_id=CALL),
    ],
    receipts=[
        receipt("done"),
        receipt("refused", acted=False),
        receipt("doubtful"),
        receipt("first", 11.0),
        receipt("second", 12.0),
    ],
    replies=[
        said("done"),
        said("done", replayed=True),
        said("refused", "rejected", http_status=400),
        said("doubtful", "unknown", code="outcome_unknown", http_status=None),
        said("first"),
        said("second"),
    ],
    dead=[Copy("refused", "rejected", b"{}")],
    parked=[Copy("doubtful", "unknown", b"{}")],
    left={"callmq.dial": 0},
    ledger={"done": "succeeded", "refused": "rejected", "doubtful": "unknown"},
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
    ("every_command_is_in_its_place", but(parked=without(0))),
    ("every_command_is_in_its_place", but(dead=[Copy("done", "failed", b"{}")])),
    ("every_command_is_in_its_place", but(dead=[Copy("refused", "rejected", b"cut")])),
    ("what_is_recorded_is_said", but(ledger={"doubtful": "succeeded"})),
    ("no_key_has_two_final_outcomes", but(replies=[said("done", "failed", reply_id="another")])),
    ("repeats_are_identical", but(replies=[said("done", call_id="another")])),
    ("nothing_unsafe_is_sent_twice", but(receipts=[receipt("done")])),
    ("nothing_unsafe_is_sent_twice", but(receipts=[receipt("refused", acted=False)])),
    ("no_reply_contradicts_the_endpoint", but(receipts=without(0))),
    ("no_reply_contradicts_the_endpoint", but(receipts=lambda r: [*r[:1], receipt("refused"), *r[2:]])),
    ("no_reply_contradicts_the_endpoint", but(replies=[said("first", "failed")])),
    ("no_reply_contradicts_the_endpoint", but(replies=[said("refused", "expired", code="expired")])),
    ("doubt_has_a_reason", but(healthy=True)),
    ("calls_keep_their_order", but(receipts=late)),
    ("nothing_is_sent_after_its_time", but(receipts=[receipt("first", END + 1)])),
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
        replies=[said("doubtful", reply_id="second", attempts=1)], ledger={"doubtful": "succeeded"}
    ),
    "what waited in a tier is overtaken": but(receipts=late, parted=frozenset({"first"})),
    "a conflict is not about the intention": but(
        sent=[sent("done", name="other", body=b"[]")],
        replies=[replace(said("done", "rejected", code="idempotency_conflict", reply_id="c"), to="other")],
        dead=[Copy("done", "rejected", b"[]")],
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_breaks_nothing(name: str):
    judge(ALLOWED[name])
