"""Evidence of a demo in which all went as it must, for tests to spoil."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from callmq_contracts.catalog import CATALOG
from callmq_contracts.reply import routing_key
from callmq_demo.cases import FIRST_CALL, SECOND_CALL, THIRD_CALL, on_call
from callmq_demo.evidence import Answer, Copy, Evidence, Request, Sent
from callmq_demo.verdict import APP_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callmq_demo.cases import Case

CALL_IDS = {
    FIRST_CALL: "00000000-0000-4000-8000-000000000001",
    SECOND_CALL: "00000000-0000-4000-8000-000000000002",
    THIRD_CALL: "00000000-0000-4000-8000-000000000003",
}


def good(cases: Sequence[Case], **changes: Any) -> Evidence:
    dead = [case for case in cases if case.expected.outcome in {"rejected", "failed", "expired"}]
    parked = [case for case in cases if case.expected.outcome == "unknown"]
    seen: dict[str, Any] = {
        "sent": {case.name: sent(case) for case in cases},
        "answers": tuple(answer(case) for case in cases),
        "requests": tuple(request for case in cases for request in requests(case)),
        "dead": tuple(copy(case) for case in dead),
        "parked": tuple(copy(case) for case in parked),
        "left": {"callmq.dial": 0, "callmq.control": 0},
    }
    return Evidence(**{**seen, **changes})


def sent(case: Case) -> Sent:
    call_id = CALL_IDS.get(case.call or "")
    return Sent("confirmed", orjson.dumps(on_call(case.body, call_id) if call_id else case.body), call_id)


def answer(case: Case, **changes: Any) -> Answer:
    expected = case.expected
    command = case.command if case.command in CATALOG else None
    recorded = expected.received or expected.replayed or expected.outcome == "expired"
    document = {
        "reply_id": f"of {case.key}" if recorded else f"of the message {case.name}",
        "idempotency_key": case.key,
        "command": command,
        "outcome": expected.outcome.value,
        "call_id": CALL_IDS.get(case.opens or case.call or ""),
        "http_status": expected.http_status,
        "problem": {"code": expected.code, "detail": "", "errors": []} if expected.code else None,
        "attempts": expected.attempts,
        "replayed": expected.replayed,
        **changes,
    }
    return Answer(case.name, routing_key(APP_ID, command, document["outcome"]), document, 12.0)


def in_doubt(case: Case) -> Answer:
    problem = {"code": "outcome_unknown", "detail": "", "errors": []}
    return answer(case, outcome="unknown", problem=problem, http_status=None)


def requests(case: Case) -> list[Request]:
    expected = case.expected
    idle = expected.received - expected.acted
    call_id = CALL_IDS.get(case.call or "")
    return [Request(case.key, case.command, call_id, acted=number >= idle) for number in range(expected.received)]


def copy(case: Case) -> Copy:
    code = case.expected.code or ""
    return Copy(case.name, f"{case.expected.outcome.value}.{code}", sent(case).body, code)


def named(cases: Sequence[Case], name: str) -> Case:
    return next(case for case in cases if case.name == name)


def answers_but(evidence: Evidence, name: str, change: Callable[[Answer], list[Answer]]) -> Evidence:
    """Replace the answers of one case."""
    kept = [each for answer in evidence.answers for each in (change(answer) if answer.case == name else [answer])]
    return replace(evidence, answers=tuple(kept))


def saying(evidence: Evidence, name: str, **changes: Any) -> Evidence:
    """Change fields of one case's reply."""
    return answers_but(evidence, name, lambda a: [replace(a, document={**a.document, **changes})])
