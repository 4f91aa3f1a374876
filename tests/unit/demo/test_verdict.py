"""Each kind of deviation is found, and good evidence has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callmq_demo.cases import sandbox_cases
from callmq_demo.evidence import Request
from callmq_demo.verdict import verdict
from performed import answer, answers_but, copy, good, in_doubt, named, saying, sent

CASES = sandbox_cases(kill=False)
GOOD = good(CASES)
KEYS = [request.key for request in GOOD.requests]


def found(evidence, cases=CASES) -> list[str]:
    return [f"{each.where}: {each.what}" for each in verdict(cases, evidence)]


def without_requests(key: str) -> tuple[Request, ...]:
    return tuple(request for request in GOOD.requests if request.key != key)


def again(key: str) -> tuple[Request, ...]:
    return (*GOOD.requests, *(request for request in GOOD.requests if request.key == key))


def swapped(first: str, second: str) -> tuple[Request, ...]:
    order = {first: KEYS.index(second), second: KEYS.index(first)}
    return tuple(sorted(GOOD.requests, key=lambda request: order.get(request.key, KEYS.index(request.key))))


def without(name: str) -> dict:
    return {key: value for key, value in GOOD.sent.items() if key != name}


@pytest.mark.parametrize("kill", [False, True])
def test_good_evidence_has_no_deviation(kill) -> None:
    cases = sandbox_cases(kill=kill)
    assert found(good(cases, restarts=int(kill)), cases) == []


SPOILT = {
    "unpublished": (replace(GOOD, sent=without("dial")), "dial: was not published"),
    "unconfirmed": (
        replace(GOOD, sent={**GOOD.sent, "dial": replace(GOOD.sent["dial"], result="nacked")}),
        "dial: its publish was not confirmed but nacked",
    ),
    "unanswered": (answers_but(GOOD, "lost", lambda _: []), "lost: has no reply"),
    "answered twice": (answers_but(GOOD, "busy", lambda a: [a, a]), "busy: has 2 replies"),
    "another outcome": (saying(GOOD, "calling.tap", outcome="failed"), "calling.tap: outcome is failed"),
    "another code": (saying(GOOD, "gone", problem={"code": "expired"}), "gone: problem is expired, not refused"),
    "another attempt": (saying(GOOD, "busy", attempts=1), "busy: attempts is 1, not 2"),
    "another status": (saying(GOOD, "dial", http_status=201), "dial: HTTP status is 201"),
    "not a replay": (saying(GOOD, "repeat", replayed=False), "repeat: replayed is False"),
    "another key": (saying(GOOD, "dial", idempotency_key="x"), "dial: its reply names another key"),
    "another command": (saying(GOOD, "dial", command="update"), "dial: its reply names the command update"),
    "another routing key": (
        answers_but(GOOD, "dial", lambda a: [replace(a, routing_key="demo.dial.failed")]),
        "dial: its reply came with the routing key",
    ),
    "a stranger's reply": (
        replace(GOOD, answers=(*GOOD.answers, replace(GOOD.answers[0], case="who"))),
        "replies: one came that answers no publish",
    ),
    "contradicting replies": (
        answers_but(GOOD, "dial", lambda a: [a, answer(named(CASES, "dial"), outcome="failed", reply_id="2")]),
        "replies: the key dial has 2 final outcomes",
    ),
    "one id, two replies": (saying(GOOD, "repeat", outcome="rejected"), "replies: the id of original names 2 replies"),
    "acted twice": (replace(GOOD, requests=again("dial")), "endpoint: acted 2 times on the unsafe key dial"),
    "received twice": (replace(GOOD, requests=again("gone")), "endpoint: received 2 requests with the key gone"),
    "never sent": (
        replace(GOOD, requests=without_requests("calling.denoise")),
        "endpoint: carried out 0 requests with the key calling.denoise",
    ),
    "sent though expired": (
        replace(GOOD, requests=(*GOOD.requests, Request("expired", "dial", None, acted=True))),
        "endpoint: received 1 requests with the key expired, not 0",
    ),
    "sent by nobody": (
        replace(GOOD, requests=(*GOOD.requests, Request("x", "dial", None, acted=True))),
        "endpoint: received 1 requests with a key that nobody published",
    ),
    "out of order": (
        replace(GOOD, requests=swapped("calling.play.pause", "calling.play.volume")),
        "order: the commands of a call acted in another order",
    ),
    "no dead copy": (replace(GOOD, dead=GOOD.dead[1:]), "dead letters: no dead copy"),
    "dead elsewhere": (
        replace(GOOD, dead=(replace(GOOD.dead[0], routing_key="failed.refused"), *GOOD.dead[1:])),
        "which no reply says",
    ),
    "dead twice": (replace(GOOD, dead=(*GOOD.dead, GOOD.dead[0])), "dead letters: 2 dead copies"),
    "dead and done": (replace(GOOD, dead=(*GOOD.dead, copy(named(CASES, "dial")))), "which no reply says"),
    "dead, other bytes": (
        replace(GOOD, dead=(replace(GOOD.dead[0], body=b"{}"), *GOOD.dead[1:])),
        "differs from what was published",
    ),
    "dead, other problem": (
        replace(GOOD, dead=(replace(GOOD.dead[0], code="refused"), *GOOD.dead[1:])),
        "names the problem refused",
    ),
    "dead, a stranger": (replace(GOOD, dead=(*GOOD.dead, replace(GOOD.dead[0], case="x"))), "belongs to no publish"),
    "not parked": (replace(GOOD, parked=()), "unknown: no parked copy of the key lost"),
    "parked and done": (
        replace(GOOD, parked=(*GOOD.parked, replace(GOOD.parked[0], case="dial"))),
        "unknown: a parked copy of the key dial",
    ),
    "left behind": (replace(GOOD, left={"callmq.dial": 1}), "queues: 1 left in callmq.dial"),
    "unsettled": (replace(GOOD, worker_exit=1), "worker: ended with exit code 1"),
    "never ended": (replace(GOOD, worker_exit=None), "worker: did not end"),
}


@pytest.mark.parametrize(("evidence", "expected"), SPOILT.values(), ids=SPOILT)
def test_a_deviation_is_found(evidence, expected) -> None:
    assert any(expected in each for each in found(evidence)), found(evidence)


DOUBTED = named(CASES, "original")


def doubted(**changes):
    """Spoil the evidence as a kill -9 does: the third call's dial was being sent."""
    evidence = answers_but(GOOD, "original", lambda _: [in_doubt(DOUBTED)])
    evidence = answers_but(evidence, "repeat", lambda _: [replace(in_doubt(named(CASES, "repeat")), case="repeat")])
    parked = replace(copy(DOUBTED), routing_key="callmq.unknown", code="outcome_unknown")
    return replace(evidence, **{"restarts": 1, "parked": (*GOOD.parked, parked), **changes})


@pytest.mark.parametrize("arrived", [True, False])
def test_after_a_kill_an_unsafe_command_may_be_in_doubt(arrived) -> None:
    requests = GOOD.requests if arrived else without_requests("original")
    assert found(doubted(requests=requests)) == []


def test_without_a_kill_it_may_not() -> None:
    assert "original: outcome is unknown, not succeeded" in found(doubted(restarts=0))


def test_after_a_kill_what_is_in_doubt_is_parked_nevertheless() -> None:
    assert found(doubted(parked=GOOD.parked)) == ["unknown: no parked copy of the key original as unknown"]


def test_after_a_kill_a_convergent_command_may_act_again_and_be_answered_again() -> None:
    name = "calling.play.stop"
    evidence = saying(GOOD, name, attempts=2, http_status=422, replayed=True)
    evidence = answers_but(evidence, name, lambda a: [a, a])
    assert found(replace(evidence, restarts=1, requests=again(name))) == []
    assert len(found(replace(evidence, requests=again(name)))) > 1


@pytest.mark.parametrize("change", [{"outcome": "unknown"}, {"attempts": 3}, {"outcome": "failed"}])
def test_after_a_kill_nothing_else_may_differ(change) -> None:
    assert found(replace(saying(GOOD, "calling.play.stop", **change), restarts=1)) != []


def test_after_a_kill_nobody_is_dialled_twice_and_nothing_that_succeeded_was_lost() -> None:
    assert found(replace(GOOD, restarts=1, requests=again("original"))) != []
    assert found(replace(GOOD, restarts=1, requests=without_requests("original"))) != []
    assert found(doubted(requests=again("original"))) != []


def test_what_was_killed_before_it_arrived_is_in_doubt_and_that_is_allowed() -> None:
    assert found(replace(GOOD, restarts=1, requests=without_requests("lost"))) == []
    assert found(replace(GOOD, requests=without_requests("lost"))) != []


def test_an_endpoint_without_a_journal_is_not_judged() -> None:
    assert found(replace(GOOD, requests=None)) == []


def test_a_case_may_have_another_right_outcome() -> None:
    end = named(CASES, "calling.end")
    other = replace(end, otherwise=(named(CASES, "gone").expected,))
    cases = tuple(other if case is end else case for case in CASES)
    evidence = saying(GOOD, "calling.end", outcome="rejected", problem={"code": "refused"}, http_status=422)
    assert "calling.end: outcome is rejected, not succeeded" in found(evidence)
    assert not any("outcome" in each for each in found(evidence, cases))


def test_the_bytes_that_were_sent_are_those_of_the_case() -> None:
    assert sent(named(CASES, "expired")).body == GOOD.sent["expired"].body
