"""One line for ``callmq send``: a body, or an object around a body that says how to publish it."""

import argparse
from collections.abc import Iterator
from typing import Any, Final

import orjson

from callmq.cli.fields import message_of, moment
from callmq.errors import InvalidCommandError
from callmq.message import Message, new_id
from callmq.results import Invalid
from callmq_contracts.problem import FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.text import parse

_FIELDS: Final = ("key", "account", "campaign", "priority", "expires_at", "correlation_id", "reply_to", "call_id")
# The wire's spelling of a field is taken as well: it is the natural mistake.
_SPELLINGS: Final = {
    **{name: name for name in _FIELDS},
    **{name.replace("_", "-"): name for name in _FIELDS},
    "idempotency-key": "key",
    "idempotency_key": "key",
}
_BODY: Final = "body"


def message_of_line(args: argparse.Namespace, line: bytes) -> Message | Invalid:
    """Read one line: an object with a ``body`` and no ``command`` speaks of its command.

    Everything else is a body byte for byte. `Invalid` where it speaks of something that there is not.
    """
    document = parse(line)
    if isinstance(document, Problem) or "command" in document or _BODY not in document:
        return message_of(args, line, new_id())
    fields: dict[str, Any] = {"account": args.account, "campaign": args.campaign, "priority": args.priority}
    fields |= {"reply_to": args.reply_to, "key": new_id(), "expires_at": args.expires_at}
    fields |= {_SPELLINGS[n]: v for n, v in document.items() if n in _SPELLINGS and v is not None}
    errors = tuple(_errors(document))
    if errors:
        faults = "one error" if len(errors) == 1 else f"{len(errors)} errors"
        problem = Problem(ProblemCode.MALFORMED, f"The line around the body is not as it must be: {faults}.", errors)
        key = fields["key"] if isinstance(fields["key"], str) else None
        return Invalid(key, "", str(InvalidCommandError(problem)), problem)
    fields["expires_at"] = moment(fields["expires_at"])
    return Message(orjson.dumps(document[_BODY]), user_id=args.user_id, validate=not args.no_validate, **fields)


def _errors(document: dict[str, Any]) -> Iterator[FieldError]:
    if not isinstance(document[_BODY], dict):
        yield FieldError(_BODY, FieldCode.WRONG_TYPE, "must be an object: the body as it would be POSTed.")
    said: set[str] = set()
    for name in document:
        field = _SPELLINGS.get(name)
        if field is None and name != _BODY:
            yield FieldError(name, FieldCode.UNKNOWN_KEY, f"is not known here; known are body, {', '.join(_FIELDS)}.")
        elif field in said:
            yield FieldError(name, FieldCode.CONFLICT, f"says once more what another spelling of {field} says.")
        elif field is not None:
            said.add(field)
