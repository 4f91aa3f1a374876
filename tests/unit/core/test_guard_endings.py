"""The guard after an attempt: release, outcome, a person's word, debts."""

from __future__ import annotations

from typing import Any

import pytest

from callmq_worker.core import guard
from callmq_worker.core.record import Fenced, Intent, Record, Spent, State, Step, Stored
from intents import LEASE, LIFETIME, START, conclusion, intent, reply
from records import held_by, record, run, weigh

END = START + LIFETIME


# Release


@pytest.mark.parametrize("state", [State.HELD, State.SENDING])
@pytest.mark.parametrize(("spare", "used"), [(False, 2), (True, 1)])
def test_a_release_frees_and_may_spare_the_attempt(state: State, spare: bool, used: int):
    after, done = run(guard.release(held_by(), doubt=False, spare=spare), record(state), START + 3)
    assert done
    assert (after.state, after.owner, after.lease_until, after.doubt) == (State.FREE, None, 0.0, False)
    found = weigh(after, START + 3)[1]
    assert (found.attempt, found.used) == (2, used)


@pytest.mark.parametrize("late", [0, 10 * LEASE], ids=["in time", "after the lease"])
def test_a_release_is_accepted_from_whoever_still_holds_it(late: float):
    assert run(guard.release(held_by(), doubt=False, spare=False), record(State.SENDING), START + late)[1]


@pytest.mark.parametrize(
    ("before", "added", "after"), [(False, True, True), (True, False, True), (False, False, False)]
)
def test_doubt_is_never_taken_away_by_a_release(before: bool, added: bool, after: bool):
    freed = run(guard.release(held_by(), doubt=added, spare=False), record(State.SENDING, doubt=before))[0]
    assert freed.doubt is after


@pytest.mark.parametrize(
    "before",
    [
        None,
        record(State.HELD, attempt=2),
        record(State.SENDING, owner="worker-2"),
        record(State.FREE),
        record(State.CLOSED),
        record(State.UNKNOWN),
    ],
    ids=["purged", "taken over", "another's", "released", "closed", "unknown"],
)
def test_a_fenced_worker_frees_nothing(before: Record | None):
    assert run(guard.release(held_by(), doubt=True, spare=True), before) == (before, False)


# Conclusion


def conclude(before: Record | None, outcome: str = "succeeded", attempt: int = 1, **changes: Any) -> Any:
    unknown = outcome == "unknown"
    return run(guard.conclude(conclusion(intent(**changes), attempt, outcome, unknown=unknown)), before, START + 5)


@pytest.mark.parametrize("state", [State.FREE, State.HELD, State.SENDING])
@pytest.mark.parametrize("outcome", ["succeeded", "unknown"])
def test_an_outcome_is_recorded(state: State, outcome: str):
    after, found = conclude(record(state, doubt=True, spared=1), outcome)
    assert found == Stored(reply(outcome), unknown=outcome == "unknown", fresh=True)
    kept = State.UNKNOWN if outcome == "unknown" else State.CLOSED
    assert after == record(kept, reply=reply(outcome), updated_at=START + 5, spared=1)


def test_an_outcome_without_any_claim_is_recorded():
    after, found = conclude(None, "expired", attempt=0)
    assert found == Stored(reply("expired"), unknown=False, fresh=True)
    assert (after.state, after.attempt, after.received_at) == (State.CLOSED, 0, START - 1)


def test_the_first_of_two_outcomes_without_a_claim_stands():
    after, _ = conclude(None, "expired", attempt=0)
    assert conclude(after, "cancelled", attempt=0) == (after, Stored(reply("expired"), unknown=False))


@pytest.mark.parametrize("state", [State.FREE, State.HELD, State.SENDING])
@pytest.mark.parametrize("attempt", [0, 1, 3])
def test_a_worker_that_was_overtaken_closes_nothing(state: State, attempt: int):
    before = record(state, attempt=2, owner="worker-2")
    assert conclude(before, attempt=attempt) == (before, Fenced())


@pytest.mark.parametrize("state", [State.CLOSED, State.UNKNOWN])
@pytest.mark.parametrize("attempt", [0, 1, 3])
def test_a_worker_that_was_overtaken_finds_the_outcome(state: State, attempt: int):
    before = record(state, attempt=2)
    assert conclude(before, attempt=attempt) == (before, Stored(reply(state.value), unknown=state is State.UNKNOWN))


@pytest.mark.parametrize("state", State)
def test_another_body_never_gets_this_ones_outcome(state: State):
    before = record(state)
    assert conclude(before, fingerprint=b"another") == (before, Fenced())


@pytest.mark.parametrize("outcome", ["failed", "unknown"])
def test_a_final_outcome_stands(outcome: str):
    before = record(State.CLOSED)
    assert conclude(before, outcome) == (before, Stored(reply("closed"), unknown=False))


def test_a_late_definite_answer_closes_an_unknown():
    after, found = conclude(record(State.UNKNOWN), "succeeded")
    assert found == Stored(reply("succeeded", 2), unknown=False, fresh=True)
    assert (after.state, after.sequence, after.doubt) == (State.CLOSED, 2, False)


def test_a_second_doubt_adds_nothing():
    before = record(State.UNKNOWN, reply=reply("first"))
    assert conclude(before, "unknown") == (before, Stored(reply("first"), unknown=True))


@pytest.mark.parametrize("outcome", ["succeeded", "unknown"])
def test_the_same_conclusion_run_again_is_as_fresh_as_before(outcome: str):
    after, first = conclude(record(State.SENDING), outcome)
    assert conclude(after, outcome) == (after, first)


def test_the_same_late_answer_run_again_is_as_fresh_as_before():
    after, first = conclude(record(State.UNKNOWN), "succeeded")
    assert conclude(after, "succeeded") == (after, first)


# A person's word


def settled(_record: Record, sequence: int) -> bytes:
    return reply("settled", sequence)


@pytest.mark.parametrize(("due", "owed"), [(None, b"one"), (b"two", b"one\ntwo"), (b"one", b"one")])
def test_an_unknown_is_resolved_and_its_final_reply_owed(due: bytes | None, owed: bytes):
    after, found = run(guard.resolve(settled, due), record(State.UNKNOWN, due=b"one"), START + 9)
    assert found == Stored(reply("settled", 2), unknown=False, fresh=True)
    assert after == record(State.CLOSED, sequence=2, reply=reply("settled", 2), due=owed, updated_at=START + 9)


@pytest.mark.parametrize("before", [None, *(record(s) for s in State if s is not State.UNKNOWN)])
def test_only_an_unknown_is_resolved_or_reopened(before: Record | None):
    assert run(guard.resolve(settled), before) == (before, None)
    assert run(guard.reopen(), before) == (before, False)


def test_a_late_answer_does_not_change_what_was_resolved():
    after, _ = run(guard.resolve(settled), record(State.UNKNOWN))
    assert conclude(after, "failed") == (after, Stored(reply("settled", 2), unknown=False))


def test_a_reopened_unknown_has_all_its_attempts_again_and_keeps_its_doubt():
    after, done = run(guard.reopen(), record(State.UNKNOWN, attempt=8, spared=1), START + 9)
    assert done
    assert (after.state, after.doubt) == (State.FREE, True)
    found = weigh(after, START + 9)[1]
    assert (found.attempt, found.used, found.doubt) == (9, 1, True)
    assert weigh(after, END)[1] == Spent(8, 0, doubt=True, expired=True, received_at=START - 1)


def test_the_reply_after_a_reopening_is_another_one():
    after, _ = run(guard.reopen(), record(State.UNKNOWN))
    held, found = weigh(after)
    assert conclude(held, attempt=found.attempt)[1] == Stored(reply("succeeded", 2), unknown=False, fresh=True)


# Debts


def test_a_debt_is_noted_and_paid():
    before = record(State.CLOSED)
    owing, noted = run(guard.owe(b"to"), before, START + 7)
    assert noted
    assert owing == before._replace(due=b"to", updated_at=START + 7)
    assert run(guard.paid(reply("closed"), b"to"), owing, START + 99) == (owing._replace(due=None), True)


def test_every_repeat_is_owed_its_own_reply():
    owing, _ = run(guard.owe(b"one"), record(State.CLOSED))
    owing, _ = run(guard.owe(b"two"), owing)
    owing, _ = run(guard.owe(b"one"), owing)
    assert guard.addresses(owing.due) == (b"one", b"two")
    owing, noted = run(guard.paid(reply("closed"), b"one"), owing)
    assert noted
    assert guard.addresses(owing.due) == (b"two",)
    assert run(guard.paid(reply("closed"), b"two"), owing)[0].due is None


@pytest.mark.parametrize("before", [None, record(State.HELD)])
def test_only_a_reply_that_is_kept_can_be_owed(before: Record | None):
    assert run(guard.owe(b"to"), before) == (before, False)


@pytest.mark.parametrize(
    "before", [None, record(State.CLOSED), record(State.CLOSED, reply=reply("another"), due=b"to")]
)
def test_only_what_is_owed_can_be_paid(before: Record | None):
    assert run(guard.paid(reply("closed"), b"to"), before) == (before, False)


def test_whoever_was_not_told_what_was_provisional_is_owed_what_is_final():
    assert conclude(record(State.UNKNOWN, due=b"to"))[0].due == b"to"


@pytest.mark.parametrize("command", ["dial", None])
def test_a_reply_without_a_record_is_owed_under_a_key_that_no_message_can_have(command: str | None):
    document = {"account": "default", "reply_id": "c1f7", "command": command}
    owing, noted = run(guard.owe_alone(document, b"reply", b"to"), None)
    assert noted
    assert (owing.state, owing.reply, owing.due) == (State.CLOSED, b"reply", b"to")
    assert guard.debt_key(document).key == owing.key
    assert " " in owing.key  # the envelope takes only visible characters
    again, noted = run(guard.owe_alone(document, b"reply", b"elsewhere"), owing, START + 1)
    assert noted
    assert again == owing._replace(due=b"to\nelsewhere", updated_at=START + 1)


# Every step


@pytest.mark.parametrize("before", [None, *(record(state) for state in State)])
def test_every_step_can_be_run_twice_on_what_it_saw(before: Record | None):
    wish: Intent = intent()
    steps: list[Step[Any]] = [
        guard.claim(wish),
        guard.mark_sending(held_by(), LEASE, END),
        guard.release(held_by(), doubt=True, spare=True),
        guard.conclude(conclusion(wish, 1, "succeeded")),
        guard.resolve(settled, b"to"),
        guard.reopen(),
        guard.owe(b"to"),
        guard.paid(reply("closed"), b"to"),
    ]
    for step in steps:
        assert step(before, START) == step(before, START)
