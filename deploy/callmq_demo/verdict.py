"""Is what was seen what was promised? Pure: cases and evidence in, deviations out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callmq_contracts.catalog import CATALOG
from callmq_contracts.command import Order, Safety
from callmq_contracts.problem import ProblemCode
from callmq_contracts.reply import OutcomeName, routing_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callmq_demo.cases import Case, Expected
    from callmq_demo.evidence import Answer, Copy, Evidence

APP_ID = "demo"
_DEAD = (OutcomeName.REJECTED, OutcomeName.FAILED, OutcomeName.EXPIRED)
_UNKNOWN = OutcomeName.UNKNOWN.value
_DOUBTED = (Safety.UNSAFE, Safety.GUARDED)
# About the message and not about the intention: not recorded, so they contradict nothing.
_UNRECORDED = frozenset(ProblemCode) - {
    ProblemCode.REFUSED,
    ProblemCode.RETRIES_EXHAUSTED,
    ProblemCode.LIFETIME_EXHAUSTED,
    ProblemCode.EXPIRED,
    ProblemCode.CANCELLED,
    ProblemCode.OUTCOME_UNKNOWN,
    ProblemCode.DELIVERY_LIMIT,
}


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is not as it must be. ``where``: a case's name, or a place such as ``dead letters``."""

    where: str
    what: str


def verdict(cases: Sequence[Case], evidence: Evidence) -> tuple[Deviation, ...]:
    """Return every deviation; none: all is as it must be."""
    found = [Deviation(case.name, what) for case in cases for what in _of_case(case, evidence)]
    for where, whats in (
        ("replies", _of_replies(cases, evidence)),
        ("endpoint", _of_requests(cases, evidence)),
        ("order", _of_order(cases, evidence)),
        ("dead letters", _of_copies(cases, evidence, evidence.dead, "dead")),
        ("unknown", _of_copies(cases, evidence, evidence.parked, "parked")),
        ("queues", (f"{count} left in {queue}" for queue, count in evidence.left.items() if count)),
        ("worker", _of_worker(evidence)),
    ):
        found += [Deviation(where, what) for what in whats]
    return tuple(found)


def _of_case(case: Case, evidence: Evidence) -> Iterator[str]:
    sent = evidence.sent.get(case.name)
    answers = [answer for answer in evidence.answers if answer.case == case.name]
    if sent is None:
        yield "was not published, because what it waits for did not come"
        return
    if sent.result != "confirmed":
        yield f"its publish was not confirmed but {sent.result}"
    if not answers:
        yield "has no reply" + (f" ({evidence.remark})" if evidence.remark else "")
    if len(answers) > 1 and not evidence.restarts:
        yield f"has {len(answers)} replies instead of one"
    for answer in answers:
        yield from _of_answer(case, answer, evidence.restarts)


def _of_answer(case: Case, answer: Answer, restarts: int) -> Iterator[str]:
    document = answer.document
    command = case.command if case.command in CATALOG else None
    if document["idempotency_key"] != case.key:
        yield "its reply names another key"
    if document["command"] != command:
        yield f"its reply names the command {document['command']}"
    key = routing_key(APP_ID, command, answer.outcome)
    if answer.routing_key != key:
        yield f"its reply came with the routing key {answer.routing_key} instead of {key}"
    allowed = any(not _differences(other, answer, case, restarts) for other in case.otherwise)
    if not allowed and not (restarts and _doubted_by_kill(case, answer)):
        yield from _differences(case.expected, answer, case, restarts)


def _differences(expected: Expected, answer: Answer, case: Case, restarts: int) -> list[str]:
    """Compare field by field; a restart may raise attempts, and prove by a refusal that it was done before."""
    document = answer.document
    pairs = {
        "outcome": (answer.outcome, expected.outcome.value),
        "problem": (answer.code, expected.code),
        "attempts": (document["attempts"], expected.attempts),
        "HTTP status": (document["http_status"], expected.http_status),
        "replayed": (document["replayed"], expected.replayed),
    }
    if restarts:
        del pairs["replayed"]
        if expected.attempts and expected.attempts <= document["attempts"] <= expected.attempts + restarts:
            del pairs["attempts"]
        if answer.outcome == OutcomeName.SUCCEEDED and case.safety is not Safety.UNSAFE:
            del pairs["HTTP status"]
    return [f"{name} is {seen}, not {wanted}" for name, (seen, wanted) in pairs.items() if seen != wanted]


def _doubted_by_kill(case: Case, answer: Answer) -> bool:
    """Say whether this is the doubt that a killed worker leaves: what may have been sent and proves nothing."""
    doubt = answer.outcome == _UNKNOWN and answer.code == ProblemCode.OUTCOME_UNKNOWN
    return doubt and case.safety in _DOUBTED and case.expected.outcome is OutcomeName.SUCCEEDED


def _of_replies(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    names = {case.name for case in cases}
    for answer in evidence.answers:
        if answer.case not in names:
            yield f"one came that answers no publish: {answer.routing_key}"
    by_key: dict[str, set[str]] = defaultdict(set)
    by_id: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for answer in evidence.answers:
        by_id[str(answer.document["reply_id"])].add((answer.outcome, answer.code))
        if answer.code not in _UNRECORDED and answer.outcome != _UNKNOWN:
            by_key[str(answer.document["idempotency_key"])].add(answer.outcome)
    yield from (f"the key {key} has {len(seen)} final outcomes" for key, seen in by_key.items() if len(seen) > 1)
    yield from (f"the id {name} names {len(seen)} replies" for name, seen in by_id.items() if len(seen) > 1)


def _of_requests(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    if evidence.requests is None:
        return
    received = Counter(request.key for request in evidence.requests)
    acted = Counter(request.key for request in evidence.requests if request.acted)
    sharing = _by_key(cases)
    for key in received.keys() - sharing.keys():
        yield f"received {received[key]} requests with a key that nobody published: {key}"
    for key, alike in sharing.items():
        if any(case.name not in evidence.sent for case in alike):
            continue  # which is a deviation of its own
        if acted[key] > 1 and any(case.safety is Safety.UNSAFE for case in alike):
            yield f"acted {acted[key]} times on the unsafe key {key}"
        for verb, seen, wanted in (
            ("received", received[key], sum(case.expected.received for case in alike)),
            ("carried out", acted[key], sum(case.expected.acted for case in alike)),
        ):
            if seen not in _allowed(wanted, alike, evidence):
                yield f"{verb} {seen} requests with the key {key}, not {wanted}"


def _allowed(wanted: int, alike: Sequence[Case], evidence: Evidence) -> range:
    """Return how many requests there may be: after a restart fewer where doubt is said, more where none is unsafe."""
    names = {case.name: case for case in alike}
    doubted = any(
        each.outcome == _UNKNOWN or _doubted_by_kill(names[each.case], each)
        for each in evidence.answers
        if each.case in names
    )
    repeatable = all(case.safety is not Safety.UNSAFE for case in alike)
    least = 0 if evidence.restarts and doubted else wanted
    return range(least, wanted + (evidence.restarts if repeatable else 0) + 1)


def _of_order(cases: Sequence[Case], evidence: Evidence) -> Iterator[str]:
    """Look whether the commands of a call acted in the order in which they were published."""
    keys = {case.name: case.key for case in cases if _ordered(case)}
    for call_id in {sent.call_id for sent in evidence.sent.values()} - {None}:
        acted = [each.key for each in evidence.requests or () if each.call_id == call_id and each.acted]
        published = [keys[name] for name, sent in evidence.sent.items() if sent.call_id == call_id and name in keys]
        first = [key for key in dict.fromkeys(acted) if key in published]
        if first != [key for key in published if key in acted]:
            yield "the commands of a call acted in another order than they were published"


def _ordered(case: Case) -> bool:
    return case.command in CATALOG and CATALOG[case.command].order is Order.CALL


def _of_copies(cases: Sequence[Case], evidence: Evidence, kept: Sequence[Copy], where: str) -> Iterator[str]:
    """Compare the copies in one queue with the replies that ask for one; a repeat of a reply asks for none."""
    known = {case.name: case for case in cases}
    wanted = {
        (known[answer.case].key, place)
        for answer in evidence.answers
        if answer.case in known and (place := _place(answer)) and (place == _UNKNOWN) is (where == "parked")
    }
    seen: Counter[tuple[str, str]] = Counter()
    for copy in kept:
        if copy.case not in known:
            yield f"a {where} copy belongs to no publish"
            continue
        place = _UNKNOWN if where == "parked" else copy.routing_key
        seen[known[copy.case].key, place] += 1
        if copy.case in evidence.sent and copy.body != evidence.sent[copy.case].body:
            yield f"the {where} copy of {copy.case} differs from what was published"
        if copy.code != (ProblemCode.OUTCOME_UNKNOWN.value if where == "parked" else place.partition(".")[2]):
            yield f"the {where} copy of {copy.case} names the problem {copy.code or 'of none'}"
    yield from (f"no {where} copy of the key {key} as {place}" for key, place in sorted(wanted - seen.keys()))
    yield from (
        f"a {where} copy of the key {key} as {place}, which no reply says"
        for key, place in sorted(seen.keys() - wanted)
    )
    for (key, place), count in seen.items():
        if count > 1 and not evidence.restarts:
            yield f"{count} {where} copies of the key {key} as {place}"


def _place(answer: Answer) -> str | None:
    if answer.outcome == _UNKNOWN:
        return _UNKNOWN
    return f"{answer.outcome}.{answer.code}" if answer.outcome in _DEAD else None


def _of_worker(evidence: Evidence) -> Iterator[str]:
    if evidence.worker_exit is None:
        yield "did not end in time after SIGTERM"
    elif evidence.worker_exit != 0:
        yield f"ended with exit code {evidence.worker_exit} after SIGTERM, so something was not settled"


def _by_key(cases: Sequence[Case]) -> dict[str, list[Case]]:
    by_key: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_key[case.key].append(case)
    return by_key
