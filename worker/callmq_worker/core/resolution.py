"""How an unknown outcome becomes a final one by a person's word: the second reply, made from the first."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from callmq_contracts.envelope import Envelope, Properties
from callmq_contracts.problem import Problem, ProblemCode
from callmq_contracts.reply import OutcomeName, iso_time, reply_id
from callmq_worker.core.copies import Copy
from callmq_worker.core.publications import Message, Publication
from callmq_worker.core.record import Record
from callmq_worker.core.redact import mask_text

RESOLVABLE: Final = (OutcomeName.SUCCEEDED, OutcomeName.FAILED)
MAX_NOTE: Final = 1000
_CALL_ID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_SECOND: Final = "2"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a person found out. ``at`` in seconds since the epoch; ``note`` is for ``failed`` only."""

    outcome: OutcomeName
    at: float
    call_id: str | None = None
    note: str | None = None


def final_reply(record: Record, sequence: int, resolution: Resolution) -> bytes:
    """Return the JSON of the reply that follows the provisional one of a record."""
    return _resolved(_first(record), reply_id(record.account, record.key, str(sequence)), resolution)


def final_reply_without_record(copy: Copy, resolution: Resolution) -> bytes:
    """Return the JSON of the reply that follows the provisional one of a command without a key."""
    envelope = copy.envelope
    document: dict[str, Any] = {
        "version": 1,
        "idempotency_key": None,
        "command": copy.original.routing_key,
        "control_id": None,
        "call_id": envelope.call_id,
        "account": envelope.account,
        "campaign": envelope.campaign,
        "leniencies": [],
        "attempts": max(envelope.attempts, 1),
        "received_at": iso_time(copy.received_at if copy.received_at is not None else resolution.at),
    }
    return _resolved(document, reply_id(envelope.account, "", copy.id, _SECOND), resolution)


def _resolved(document: Mapping[str, Any], name: str, resolution: Resolution) -> bytes:
    problem = None
    if resolution.outcome is OutcomeName.FAILED:
        note = f": {mask_text(resolution.note)[:MAX_NOTE]}" if resolution.note else "."
        problem = Problem(ProblemCode.OUTCOME_UNKNOWN, f"Found out later not to have been done{note}").as_dict()
    final = {
        "reply_id": name,
        "outcome": resolution.outcome.value,
        "call_id": resolution.call_id or document.get("call_id"),
        "http_status": None,  # what came back with the doubt says nothing about the end
        "response": None,
        "problem": problem,
        "replayed": False,
        "finished_at": iso_time(resolution.at),
    }
    return orjson.dumps({**document, **final})


def outcome_of(record: Record) -> str:
    """Return the outcome that a record's last reply says, ``-`` where there is none."""
    return str(_first(record).get("outcome", "-"))


def is_result_of(record: Record, word: Resolution) -> bool:
    """Say whether a record was closed by a person's word like this one, and not by an answer that came late."""
    document = _first(record)
    problem = document.get("problem") or {"code": ProblemCode.OUTCOME_UNKNOWN}
    by_word = document.get("http_status") is None and problem.get("code") == ProblemCode.OUTCOME_UNKNOWN
    return by_word and document.get("outcome") == word.outcome


def reply_id_of(record: Record) -> str | None:
    """Return the id of a record's last reply."""
    name = _first(record).get("reply_id")
    return name if isinstance(name, str) else None


def is_call_id(text: str) -> bool:
    """Say whether this is a call id."""
    return _CALL_ID.match(text) is not None


def message_of(record: Record, copy: Copy | None) -> Message:
    """Return the message that a record is about, as far as it is known: without its copy, only its name."""
    if copy is not None:
        return copy.message()
    envelope = Envelope(routing_key=record.command, key=record.key, account=record.account)
    return Message(b"", Properties(routing_key=record.command), envelope, record.received_at)


def address_of(reply: Publication) -> bytes:
    """Return where a reply is owed, as the ledger keeps it."""
    return orjson.dumps({"routing_key": reply.routing_key, "correlation_id": reply.correlation_id})


def row(record: Record) -> dict[str, Any]:
    """Return what a list shows of a record whose outcome is unknown, with phone numbers masked."""
    document = _first(record)
    problem = document.get("problem") or {}
    attempts = document.get("attempts")
    return {
        "id": reply_id_of(record),
        "key": mask_text(record.key),
        "account": mask_text(record.account),
        "command": record.command,
        "campaign": mask_text(str(document["campaign"])) if document.get("campaign") else None,
        "since": iso_time(record.updated_at),
        "attempts": attempts if attempts is not None else record.attempt - record.spared,
        "reason": mask_text(str(problem.get("detail", ""))),
    }


def _first(record: Record) -> dict[str, Any]:
    document = orjson.loads(record.reply) if record.reply else {}
    return document if isinstance(document, dict) else {}
