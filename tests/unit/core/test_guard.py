"""The guard before the first byte: what is found on a claim, and what may leave."""

from __future__ import annotations

import pytest

from callmq_contracts.command import Safety
from callmq_worker.core import guard
from callmq_worker.core.record import Busy, Claim, Conflict, Record, Spent, State, Stored
from intents import LEASE, LIFETIME, START, reply
from records import held_by, record, run, weigh

END = START + LIFETIME
DOUBTABLE = [Safety.SAFE, Safety.CONVERGENT, Safety.GUARDED]


# What is found on a claim


@pytest.mark.parametrize("safety", Safety)
def test_a_new_key_is_claimed(safety: Safety):
    after, found = weigh(None, safety=safety)
    assert found == Claim("default", "order-1", 1, "worker-1", used=1, doubt=False, received_at=START - 1)
    assert after == record(State.HELD)


@pytest.mark.parametrize("now", [END, END + 1])
def test_a_new_key_that_is_expired_leaves_no_record(now: float):
    assert weigh(None, now) == (None, Spent(0, 0, doubt=False, expired=True, received_at=START - 1))


@pytest.mark.parametrize("now", [START, END + 1], ids=["in time", "expired"])
@pytest.mark.parametrize("state", [State.CLOSED, State.UNKNOWN])
def test_an_outcome_is_replayed_whatever_the_time(state: State, now: float):
    before = record(state)
    assert weigh(before, now) == (before, Stored(reply(state.value), unknown=state is State.UNKNOWN))


@pytest.mark.parametrize("now", [START, END + 1], ids=["in time", "expired"])
@pytest.mark.parametrize("state", State)
def test_another_fingerprint_is_a_conflict(state: State, now: float):
    before = record(state)
    assert weigh(before, now, fingerprint=b"another") == (before, Conflict())


@pytest.mark.parametrize("state", [State.HELD, State.SENDING])
@pytest.mark.parametrize("safety", Safety)
def test_a_live_lease_is_waited_for(state: State, safety: Safety):
    before = record(state)
    assert weigh(before, START + LEASE - 0.25, safety=safety, owner="worker-2") == (before, Busy(0.25))


def test_its_own_lease_is_waited_for_as_well():
    assert weigh(record(State.HELD))[1] == Busy(LEASE)


def test_an_expired_command_in_work_is_waited_for():
    before = record(State.SENDING, lease_until=END + 10)
    assert weigh(before, END + 1) == (before, Busy(9))


@pytest.mark.parametrize("safety", Safety)
def test_a_held_record_whose_lease_ended_is_taken_over(safety: Safety):
    after, found = weigh(record(State.HELD), START + LEASE, safety=safety, owner="worker-2")
    assert (found.attempt, found.used, found.owner) == (2, 2, "worker-2")
    # Only an unsafe command is marked before it leaves, so only there `held` says that it did not.
    assert found.doubt is (safety is not Safety.UNSAFE)
    assert (after.state, after.owner, after.lease_until) == (State.HELD, "worker-2", START + 2 * LEASE)


def test_an_unsafe_command_that_was_being_sent_is_in_doubt_for_good():
    before = record(State.SENDING)
    for now in (START + LEASE, END + 1):
        expected = Spent(1, 1, doubt=True, expired=False, received_at=START - 1)
        assert weigh(before, now, owner="worker-2") == (before, expected)


@pytest.mark.parametrize("safety", DOUBTABLE)
def test_another_command_that_was_being_sent_is_taken_over_in_doubt(safety: Safety):
    after, found = weigh(record(State.SENDING), START + LEASE, safety=safety)
    assert isinstance(found, Claim)
    assert found.doubt
    assert after.doubt


@pytest.mark.parametrize("doubt", [False, True])
def test_a_released_record_is_claimed_and_keeps_its_doubt(doubt: bool):
    after, found = weigh(record(State.FREE, doubt=doubt), safety=Safety.CONVERGENT)
    assert isinstance(found, Claim)
    assert (found.attempt, found.doubt, after.doubt) == (2, doubt, doubt)


@pytest.mark.parametrize(
    ("before", "safety", "doubt"),
    [
        (record(State.FREE), Safety.UNSAFE, False),
        (record(State.FREE, doubt=True), Safety.CONVERGENT, True),
        (record(State.HELD), Safety.UNSAFE, False),
        (record(State.HELD), Safety.CONVERGENT, True),
        (record(State.SENDING), Safety.GUARDED, True),
    ],
)
def test_an_expired_command_is_not_claimed_and_its_doubt_is_told(before: Record, safety: Safety, doubt: bool):
    expected = Spent(1, 1, doubt=doubt, expired=True, received_at=START - 1)
    assert weigh(before, END, safety=safety) == (before, expected)


@pytest.mark.parametrize("state", [State.FREE, State.HELD])
def test_attempts_are_counted_at_the_claim_and_bounded(state: State):
    before = record(state, attempt=10, spared=2)
    now = START + LEASE
    assert weigh(before, now) == (before, Spent(10, 8, doubt=False, expired=False, received_at=START - 1))
    found = weigh(before, now, max_attempts=9)[1]
    assert (found.attempt, found.used) == (11, 9)


def test_the_first_receipt_stays_the_first():
    after, found = weigh(record(State.FREE), received_at=START + 50)
    assert found.received_at == after.received_at == START - 1


# Before the first byte


def test_sending_is_marked_and_the_lease_renewed():
    after, may = run(guard.mark_sending(held_by(), 60, END), record(State.HELD), START + 10)
    assert may
    assert after == record(State.SENDING, lease_until=START + 70, updated_at=START + 10)


def test_a_mark_can_be_repeated_by_its_holder():
    marked = record(State.SENDING)
    assert run(guard.mark_sending(held_by(), 60, END), marked, START + 10)[1]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, START),
        (record(State.HELD), START + LEASE),
        (record(State.HELD, lease_until=END + 99), END),
        (record(State.HELD, attempt=2), START),
        (record(State.HELD, owner="worker-2"), START),
        (record(State.FREE), START),
        (record(State.CLOSED), START),
        (record(State.UNKNOWN), START),
    ],
    ids=["purged", "lease ended", "expired", "taken over", "another's", "released", "closed", "unknown"],
)
def test_nothing_leaves(before: Record | None, now: float):
    assert run(guard.mark_sending(held_by(), LEASE, END), before, now) == (before, False)
