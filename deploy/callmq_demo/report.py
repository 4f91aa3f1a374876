"""The end of the demo in words, and as one JSON document. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from callmq_demo.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callmq_demo.cases import Case
    from callmq_demo.evidence import Evidence


def in_words(cases: Sequence[Case], evidence: Evidence, seconds: float) -> list[str]:
    """Return the totals and every deviation, a line each."""
    deviations = verdict(cases, evidence)
    told = totals(cases, evidence)
    outcomes = ", ".join(f"{count} {name}" for name, count in told["outcomes"].items()) or "none"
    lines = [
        f"{told['published']} of {told['cases']} cases published, {told['answered']} answered: {outcomes}.",
        f"On the broker lie {_several(told['dead'], 'dead letter')} and {told['parked']} parked as unknown.",
    ]
    if evidence.requests is not None:
        twice = f"{told['dialled_twice']} DIALLED TWICE" if told["dialled_twice"] else "nobody was dialled twice"
        received, acted = told["received"], told["acted"]
        lines.append(f"The endpoint received {received} requests and carried out {acted}; {twice}.")
    if evidence.restarts:
        lines.append(f"The worker died {_several(evidence.restarts, 'time')} and was started again.")
    if deviations:
        lines += ["", f"NOT as promised, in {_several(len(deviations), 'point')} ({seconds:.1f} s):"]
        lines += [f"  {each.where}: {each.what}" for each in deviations]
    else:
        lines.append(f"Each got exactly the outcome that was promised. ({seconds:.1f} s)")
    return lines


def as_document(cases: Sequence[Case], evidence: Evidence, seconds: float) -> dict[str, Any]:
    """Return all of it for a program."""
    deviations = verdict(cases, evidence)
    answers = {answer.case: answer for answer in reversed(evidence.answers)}
    return {
        "ok": not deviations,
        "seconds": round(seconds, 3),
        "totals": totals(cases, evidence),
        "cases": [_case(case, answers.get(case.name)) for case in cases],
        "deviations": [{"where": each.where, "what": each.what} for each in deviations],
    }


def totals(cases: Sequence[Case], evidence: Evidence) -> dict[str, Any]:
    """Return the counts. ``outcomes`` counts each case once, by its first reply."""
    first = {answer.case: answer.outcome for answer in reversed(evidence.answers)}
    acted = [request for request in evidence.requests or () if request.acted]
    dialled = Counter(request.key for request in acted if request.command == "dial")
    return {
        "cases": len(cases),
        "published": len(evidence.sent),
        "answered": len(first),
        "outcomes": dict(sorted(Counter(first.values()).items(), key=lambda each: (-each[1], each[0]))),
        "dead": len(evidence.dead),
        "parked": len(evidence.parked),
        "received": len(evidence.requests or ()),
        "acted": len(acted),
        "dialled_twice": sum(count > 1 for count in dialled.values()),
        "restarts": evidence.restarts,
    }


def _case(case: Case, answer: Any) -> dict[str, Any]:
    seen = None
    if answer is not None:
        document = answer.document
        seen = {
            "outcome": answer.outcome,
            "code": answer.code,
            "attempts": document["attempts"],
            "replayed": document["replayed"],
            "http_status": document["http_status"],
            "ms": round(answer.ms, 1),
        }
    return {"case": case.name, "command": case.command, "label": case.label, "key": case.key, "reply": seen}


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
