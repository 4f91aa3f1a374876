"""The promises, as functions over what was seen from outside.

Each takes a journal and returns a sentence for each breach. They know nothing of how the journal was made, so that a
simulated world and a campaign with real processes are judged by the same words.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any

from journal import Intent, Journal, essence

DEAD = ("rejected", "failed", "expired")
DONE = 200
REPEATED = (404, 422)  # what answers a repeat of what was done: it is gone, or taken


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
    dead, named = {(c.key, c.outcome) for c in journal.dead}, {(c.name, c.outcome) for c in journal.dead}
    parked = {c.key for c in journal.parked}
    told = {(s.document["idempotency_key"], s.outcome) for s in journal.replies}
    for said in journal.replies:
        key, outcome = said.document["idempotency_key"], said.outcome
        kept = (key, outcome) in dead or key in parked if said.recorded else (said.to, outcome) in named
        if outcome in DEAD and not kept:
            yield f"{said.to} ({key}) is {outcome} and has no dead copy"
    for key, replies in journal.recorded().items():
        if {r.outcome for r in replies} == {"unknown"} and key not in parked and not journal.reopened.get(key):
            yield f"{key} is unknown and not parked"
    yield from (f"{key} has a dead copy, and {outcome} was never said" for key, outcome in dead - told if key)


def what_is_recorded_is_said(journal: Journal) -> Iterable[str]:
    said = {(s.document["idempotency_key"], s.outcome) for s in journal.replies if s.recorded}
    for key, outcome in journal.ledger.items():
        if (key, outcome) not in said:
            yield f"{key} is recorded as {outcome}, which was never said"
    for key, replies in journal.recorded().items():
        outcomes = {reply.outcome for reply in replies}
        lasting = outcomes - {"unknown"} or outcomes
        if journal.ledger.get(key) not in lasting and not journal.reopened.get(key):
            yield f"{key} was said to be {', '.join(sorted(lasting))}, and is recorded as {journal.ledger.get(key)}"


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
    safety = journal.safety()
    for key, receipts in journal.by_intent().items():
        if "unsafe" in safety[key]:
            allowed = 1 + journal.reopened.get(str(key), 0)
            if sum(r.acted for r in receipts) > allowed:
                yield f"{key} acted {sum(r.acted for r in receipts)} times"
            elif sum(not r.later for r in receipts) > allowed:
                yield f"{key} was sent again although the first may have been done"


def no_reply_contradicts_the_endpoint(journal: Journal) -> Iterable[str]:
    receipts, safety = journal.by_intent(), journal.safety()
    for sent, said in journal.answered():
        key, outcome, status = sent.intent, said.outcome, said.document["http_status"]
        tries, classes = receipts[key], safety[key]
        acted, unsafe = sum(r.acted for r in tries), classes == {"unsafe"}
        # In doubt about an attempt that never left, a command that may be repeated takes this answer for its own doing.
        found_done = not (unsafe or journal.healthy) and any(r.status in REPEATED for r in tries)
        if outcome == "succeeded" and not (acted or found_done):
            yield f"{key} is told as succeeded and never acted"
        # A refusal after a lost act is about the repeat, except where it may be our own doing: another state.
        denied = outcome in DEAD and (unsafe or outcome != "rejected" or status in REPEATED)
        if denied and acted and sent.key and "safe" not in classes and not journal.reopened.get(sent.key):
            yield f"{key} is told as {outcome} and acted"
        if outcome == "expired" and sent.key and any(not r.later for r in tries):
            yield f"{key} is told as expired and was sent"
        if outcome == "cancelled" and sent.key and acted:
            yield f"{key} is told as cancelled and acted"
        if status is not None and status not in {r.status for r in tries}:
            yield f"{key} is told as answered with {status}, which it never was"


def what_is_sent_is_what_was_published(journal: Journal) -> Iterable[str]:
    bodies = {(sent.intent, essence(sent.body)) for sent in journal.sent}
    for receipt in journal.receipts:
        if receipt.body is not None and (receipt.intent, receipt.body) not in bodies:
            yield f"{receipt.intent} was sent with a body that was not published for it"


def a_reply_is_about_its_command(journal: Journal) -> Iterable[str]:
    receipts = journal.by_intent()
    for sent, said in journal.answered():
        told = said.document
        if (told["idempotency_key"], told["command"]) != (sent.key, sent.command):
            yield f"the reply to {sent.name} ({sent.intent}) is about {told['idempotency_key']} ({told['command']})"
        if sent.call_id is not None and told["call_id"] != sent.call_id:
            yield f"the reply to {sent.name} ({sent.intent}) is about another call"
        tries = [receipt for receipt in receipts[sent.intent] if receipt.status == told["http_status"]]
        given = {receipt.answer for receipt in tries} | {None for receipt in tries if receipt.cut}
        if told["http_status"] == DONE and essence(told["response"]) not in given:
            yield f"the reply to {sent.name} ({sent.intent}) tells an answer that the endpoint did not give"


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
    ends: dict[Intent, float] = defaultdict(float)
    for sent in journal.sent:
        ends[sent.intent] = max(ends[sent.intent], sent.expires_at)
    for receipt in journal.receipts:
        end = ends.get(receipt.intent)
        if end is not None and receipt.at > end and not journal.reopened.get(receipt.key or ""):
            yield f"{receipt.intent} was sent {receipt.at - end:.1f} s after its time"


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
    for key, receipts in journal.by_intent().items():
        if not isinstance(key, str):
            continue
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
    what_is_sent_is_what_was_published,
    a_reply_is_about_its_command,
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
