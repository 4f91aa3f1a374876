"""The promises, as functions over what was seen from outside: publishes, receipts, replies, what lies on the broker.

Each takes a journal and returns a sentence for each breach. They know nothing of how the journal was made, so that a
simulated world and a campaign with real processes are judged by the same words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

DEAD = ("rejected", "failed", "expired")
# About the message and not about the intention: never recorded.
UNRECORDED = frozenset(
    {
        "malformed", "too_large", "wrong_content_type", "unknown_command", "invalid_params",
        "missing_idempotency_key", "invalid_header", "routing_key_mismatch", "call_id_mismatch", "unknown_account",
        "account_forbidden", "policy_denied", "idempotency_conflict",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sent:
    """One publish. ``name``: its correlation id. ``expires_at`` in seconds since the epoch."""

    name: str
    key: str | None
    command: str
    body: bytes
    safety: str
    expires_at: float
    call_id: str | None = None
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request that reached the endpoint. ``later``: its answer said that it was not done, and to come again.

    ``spared``: the endpoint failed all, so that the attempt does not count.
    """

    key: str | None
    command: str
    at: float
    acted: bool
    later: bool = False
    call_id: str | None = None
    spared: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the reply exchange. ``to``: its correlation id."""

    to: str | None
    document: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.document["outcome"])

    @property
    def code(self) -> str | None:
        return self.document["problem"]["code"] if self.document["problem"] else None

    @property
    def recorded(self) -> bool:
        return self.document["idempotency_key"] is not None and self.code not in UNRECORDED


@dataclass(frozen=True, slots=True)
class Copy:
    """A dead or a parked copy of a message."""

    key: str | None
    outcome: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Journal:
    """All that was seen of one world, in order; to be judged when nothing moves any more.

    ``left``: messages in lanes and tiers. ``ledger``: the outcome that it has of each key. ``reopened``: how often a
    person let a key be dispatched again. ``cancelled``: keys and calls, and from when on every worker that still sends
    must have heard of it. ``parted``: keys of which a copy waited in a tier, or that came while their lane's queue was
    gone: a call's order ends there. ``healthy``: nothing was disturbed. ``max_attempts``: what the workers were set to.
    """

    sent: Sequence[Sent]
    receipts: Sequence[Receipt]
    replies: Sequence[Said]
    dead: Sequence[Copy] = ()
    parked: Sequence[Copy] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    ledger: Mapping[str, str] = field(default_factory=dict)
    reopened: Mapping[str, int] = field(default_factory=dict)
    parted: frozenset[str] = frozenset()
    healthy: bool = False
    max_attempts: int = 8
    cancelled: Mapping[str, float] = field(default_factory=dict)

    def recorded(self) -> dict[str, list[Said]]:
        """Return the replies of each key that are about the intention."""
        found: dict[str, list[Said]] = defaultdict(list)
        for said in self.replies:
            if said.recorded:
                found[str(said.document["idempotency_key"])].append(said)
        return found

    def of_key(self) -> dict[str, list[Receipt]]:
        found: dict[str, list[Receipt]] = defaultdict(list)
        for receipt in self.receipts:
            if receipt.key is not None:
                found[receipt.key].append(receipt)
        return found

    def safety(self, key: str) -> set[str]:
        return {s.safety for s in self.sent if s.key == key}


def every_command_is_answered(journal: Journal) -> Iterable[str]:
    answered = {said.to for said in journal.replies}
    for sent in journal.sent:
        if sent.confirmed and sent.name not in answered:
            yield f"{sent.name} ({sent.key}) was confirmed and never answered"


def every_command_is_in_its_place(journal: Journal) -> Iterable[str]:
    yield from (f"{count} left in {queue}" for queue, count in journal.left.items() if count)
    bodies = {(s.key, s.body) for s in journal.sent}
    for copy in (*journal.dead, *journal.parked):
        if (copy.key, copy.body) not in bodies:
            yield f"a copy of {copy.key} is not what was published"
    dead = {(c.key, c.outcome) for c in journal.dead}
    parked = {c.key for c in journal.parked}
    told = {(s.document["idempotency_key"], s.outcome) for s in journal.replies}
    for key, outcome in told:
        if outcome in DEAD and (key, outcome) not in dead and key not in parked:
            yield f"{key} is {outcome} and has no dead copy"
    for key, replies in journal.recorded().items():
        if {r.outcome for r in replies} == {"unknown"} and key not in parked and not journal.reopened.get(key):
            yield f"{key} is unknown and not parked"
    yield from (f"{key} has a dead copy, and {outcome} was never said" for key, outcome in dead - told if key)


def what_is_recorded_is_said(journal: Journal) -> Iterable[str]:
    said = {(s.document["idempotency_key"], s.outcome) for s in journal.replies if s.recorded}
    for key, outcome in journal.ledger.items():
        if (key, outcome) not in said:
            yield f"{key} is recorded as {outcome}, which was never said"


def no_key_has_two_final_outcomes(journal: Journal) -> Iterable[str]:
    for key, replies in journal.recorded().items():
        final = {(r.document["reply_id"], r.outcome) for r in replies if r.outcome != "unknown"}
        if len(final) > 1:
            yield f"{key} has {len(final)} final outcomes: {sorted(outcome for _, outcome in final)}"


def repeats_are_identical(journal: Journal) -> Iterable[str]:
    first: dict[str, Mapping[str, Any]] = {}
    for said in journal.replies:
        if said.recorded:
            document = {**said.document, "replayed": False}
            if first.setdefault(document["reply_id"], document) != document:
                yield f"{document['idempotency_key']} was answered in two ways under one reply_id"


def nothing_unsafe_is_sent_twice(journal: Journal) -> Iterable[str]:
    for key, receipts in journal.of_key().items():
        if "unsafe" in journal.safety(key):
            allowed = 1 + journal.reopened.get(key, 0)
            if sum(r.acted for r in receipts) > allowed:
                yield f"{key} acted {sum(r.acted for r in receipts)} times"
            elif sum(not r.later for r in receipts) > allowed:
                yield f"{key} was sent again although the first may have been done"


def no_reply_contradicts_the_endpoint(journal: Journal) -> Iterable[str]:
    receipts = journal.of_key()
    for key, replies in journal.recorded().items():
        acted = sum(r.acted for r in receipts[key])
        unsafe = journal.safety(key) == {"unsafe"}
        for said in replies:
            outcome, status = said.outcome, said.document["http_status"]
            if outcome == "succeeded" and not acted and (unsafe or journal.healthy):
                yield f"{key} is told as succeeded and never acted"
            # A refusal after a lost act is about the repeat, except where it may be our own doing: another state.
            denied = outcome in DEAD and (unsafe or outcome != "rejected" or status in (404, 422))
            if denied and acted and "safe" not in journal.safety(key) and not journal.reopened.get(key):
                yield f"{key} is told as {outcome} and acted"
            if outcome == "expired" and any(not r.later for r in receipts[key]):
                yield f"{key} is told as expired and was sent"
            if outcome == "cancelled" and acted:
                yield f"{key} is told as cancelled and acted"


def doubt_has_a_reason(journal: Journal) -> Iterable[str]:
    if journal.healthy:
        yield from (f"{s.to} is unknown in a healthy world" for s in journal.replies if s.outcome == "unknown")


def calls_keep_their_order(journal: Journal) -> Iterable[str]:
    acts: dict[str, list[float]] = defaultdict(list)
    for receipt in journal.receipts:
        if receipt.acted and receipt.key is not None:
            acts[receipt.key].append(receipt.at)
    calls: dict[str, list[str]] = defaultdict(list)
    for sent in journal.sent:
        loose = sent.command == "calling.end" or sent.key in journal.parted or sent.key in journal.reopened
        if sent.call_id and sent.key and not loose:
            line = calls[sent.call_id]
            line += [] if sent.key in line else [sent.key]
    for line in calls.values():
        acted = [key for key in line if acts[key]]
        for earlier, later in pairwise(acted):
            if max(acts[earlier]) > min(acts[later]):
                yield f"{later} took effect before {earlier}"


def nothing_is_sent_after_its_time(journal: Journal) -> Iterable[str]:
    ends: dict[str, float] = defaultdict(float)
    for sent in journal.sent:
        if sent.key is not None:
            ends[sent.key] = max(ends[sent.key], sent.expires_at)
    for receipt in journal.receipts:
        end = ends.get(receipt.key or "")
        if end is not None and receipt.at > end and not journal.reopened.get(receipt.key or ""):
            yield f"{receipt.key} was sent {receipt.at - end:.1f} s after its time"


def nothing_cancelled_is_sent(journal: Journal) -> Iterable[str]:
    for receipt in journal.receipts:
        for name in {receipt.key, receipt.call_id} & journal.cancelled.keys():
            late = receipt.at - journal.cancelled[name]
            if late > 0 and not journal.reopened.get(receipt.key or ""):
                yield f"{receipt.key} was sent {late:.1f} s after all had heard that it is cancelled"


def no_key_gets_the_body_of_another(journal: Journal) -> Iterable[str]:
    bodies = defaultdict(set)
    for sent in journal.sent:
        if sent.key is not None:
            bodies[sent.key].add(sent.body)
    for key in (key for key, several in bodies.items() if len(several) > 1):
        ways = {s.name: s.body for s in journal.sent if s.key == key}
        recorded = {ways[s.to] for s in journal.replies if s.to in ways and s.recorded}
        if len(recorded) > 1:
            yield f"{key} answered two bodies with one outcome"


def attempts_are_counted_and_bounded(journal: Journal) -> Iterable[str]:
    last = {key: replies[-1] for key, replies in journal.recorded().items()}
    for key, receipts in journal.of_key().items():
        counted = sum(not (r.later or r.spared) for r in receipts)
        if counted > journal.max_attempts + journal.reopened.get(key, 0):
            yield f"{key} was sent {counted} times, more than {journal.max_attempts}"
        elif key in last and counted > last[key].document["attempts"] and not journal.reopened.get(key):
            yield f"{key} was sent {counted} times and says {last[key].document['attempts']}"


PROMISES: tuple[Callable[[Journal], Iterable[str]], ...] = (
    every_command_is_answered,
    every_command_is_in_its_place,
    what_is_recorded_is_said,
    no_key_has_two_final_outcomes,
    repeats_are_identical,
    nothing_unsafe_is_sent_twice,
    no_reply_contradicts_the_endpoint,
    doubt_has_a_reason,
    calls_keep_their_order,
    nothing_is_sent_after_its_time,
    nothing_cancelled_is_sent,
    no_key_gets_the_body_of_another,
    attempts_are_counted_and_bounded,
)


def breaches(journal: Journal) -> list[str]:
    """Return what of all promises is broken, each with the promise's name."""
    return [f"{promise.__name__}: {breach}" for promise in PROMISES for breach in promise(journal)]


def judge(journal: Journal) -> None:
    """Raise where a promise is broken."""
    found = breaches(journal)
    assert not found, "\n".join(found)


def tally(journal: Journal) -> Counter[str]:
    """Count the outcomes of keys, the last word of each."""
    return Counter(replies[-1].outcome for replies in journal.recorded().values())
