"""The JSON Schema of the reply. It is open: whoever reads replies leaves keys alone that he does not know."""

from typing import Any, Final

from callmq_contracts.problem import MAX_ERRORS, FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.reply import OutcomeName, Reply, reply_id
from callmq_contracts.sample import EXAMPLE_CALL_ID, OUR_NUMBER, THEIR_NUMBER
from callmq_contracts.schema_walk import Schema
from callmq_contracts.schema_wire import WIRE_VERSION

_MAYBE_TEXT: Final = ["string", "null"]
_MOMENT: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"
_BEGIN: Final = 1795341600.123


def reply_schema() -> Schema:
    """Return the schema of a reply's body, with one example for each outcome."""
    properties: Schema = {
        "version": {"const": WIRE_VERSION, "description": "Of this form."},
        "reply_id": {"type": "string", "description": "The same on every repetition of a reply: drop repeats by it."},
        "idempotency_key": {"type": _MAYBE_TEXT, "description": "The command's key; null where it had none."},
        "command": {"type": _MAYBE_TEXT, "description": "Null where it could not be read or is not known."},
        "outcome": {
            "enum": [each.value for each in OutcomeName],
            "description": "How the command ended. Final, apart from `unknown`, which a second reply may resolve.",
        },
        "call_id": {"type": _MAYBE_TEXT, "description": "The call; for a `dial` that succeeded, the new one."},
        "control_id": {"type": _MAYBE_TEXT, "description": "The body's, or the one that was derived."},
        "account": {"type": "string", "description": "Which account it was for."},
        "campaign": {"type": _MAYBE_TEXT, "description": "Copied from the command."},
        "http_status": {"type": ["integer", "null"], "description": "Of the endpoint's last answer; null without one."},
        "response": {"description": "The body of the endpoint's answer, as it came; null without one."},
        "problem": {"description": "Why it was not done; null where it was.", "oneOf": [_problem(), {"type": "null"}]},
        "leniencies": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of the leniencies that were applied to the body.",
        },
        "attempts": {"type": "integer", "minimum": 0, "description": "How often it was dispatched."},
        "replayed": {"type": "boolean", "description": "Whether a stored reply is published again."},
        "received_at": _moment("When the command was first received."),
        "finished_at": _moment("When its outcome was known."),
    }
    return {
        "title": "Reply",
        "description": "One for each command. Leave keys alone that you do not know: later versions may add some.",
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "examples": [reply.as_dict() for reply in REPLIES],
    }


def _moment(description: str) -> Schema:
    return {"type": "string", "format": "date-time", "pattern": _MOMENT, "description": description}


def _problem() -> Schema:
    return {
        "type": "object",
        "required": ["code", "detail", "errors"],
        "properties": {
            "code": {"enum": [each.value for each in ProblemCode], "description": "For machines: a closed list."},
            "detail": {"type": "string", "description": "For people: one sentence, without any value of the body."},
            "errors": {
                "type": "array",
                "maxItems": MAX_ERRORS,
                "description": "The faults of the body, or the endpoint's own entries for an answer 422.",
                "items": {"anyOf": [_field_error(), {"type": "object", "description": "An entry of the endpoint's."}]},
            },
        },
    }


def _field_error() -> Schema:
    return {
        "type": "object",
        "required": ["path", "code", "message"],
        "properties": {
            "path": {"type": "string", "description": "Where, as the producer wrote it; empty for the whole body."},
            "code": {"enum": [each.value for each in FieldCode], "description": "Which fault: a closed list."},
            "message": {"type": "string", "description": "One sentence, without the value."},
        },
    }


def _example(outcome: OutcomeName, *problem: Any, **more: Any) -> Reply:
    key = "order-17-dial-1"
    return Reply(
        reply_id=reply_id("default", key, outcome.value),
        idempotency_key=key,
        command="dial",
        outcome=outcome,
        received_at=_BEGIN,
        finished_at=_BEGIN + 0.198,
        campaign="spring",
        problem=Problem(*problem) if problem else None,
        **more,
    )


_DIALLED: Final[dict[str, Any]] = {
    "id": EXAMPLE_CALL_ID,
    "from": OUR_NUMBER,
    "to": THEIR_NUMBER,
    "direction": "outbound-api",
    "status": "queued",
}
_NO_TO: Final = FieldError("params.to", FieldCode.MISSING, "is required, unless to_script is given")

REPLIES: Final = (
    _example(OutcomeName.SUCCEEDED, call_id=EXAMPLE_CALL_ID, http_status=200, response=_DIALLED, attempts=1),
    _example(OutcomeName.REJECTED, ProblemCode.INVALID_PARAMS, "The body is not a valid dial: one error.", (_NO_TO,)),
    _example(
        OutcomeName.FAILED,
        ProblemCode.RETRIES_EXHAUSTED,
        "Not done: each attempt was refused for the time being.",
        http_status=429,
        attempts=8,
    ),
    _example(OutcomeName.EXPIRED, ProblemCode.EXPIRED, "Its time passed before any attempt."),
    _example(OutcomeName.CANCELLED, ProblemCode.CANCELLED, "Cancelled before it was dispatched."),
    _example(
        OutcomeName.UNKNOWN,
        ProblemCode.OUTCOME_UNKNOWN,
        "It may have been done: the answer was lost after the request had been sent.",
        attempts=1,
    ),
)
"""One reply of each outcome."""
