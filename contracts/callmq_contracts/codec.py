"""Bytes to a command, or to a rejection that says all that is wrong. Never raises."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from pydantic import ValidationError

from callmq_contracts.catalog import CATALOG, Entry
from callmq_contracts.command import Command, Rejected
from callmq_contracts.extra import NO_EXTRA, ExtraCommands
from callmq_contracts.findings import findings
from callmq_contracts.formats import is_call_id
from callmq_contracts.leniency import ALL_LENIENCIES, Mended, mended
from callmq_contracts.problem import MAX_ERRORS, FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.shapes import declared_keys
from callmq_contracts.text import MAX_BODY_BYTES, parse

__all__ = ["MAX_BODY_BYTES", "decode", "judge"]

_WIDE: Final = 3 * MAX_ERRORS
_CONTAINERS: Final = (dict, list)
_DECLARED: Final = declared_keys()


def decode(
    body: bytes,
    *,
    key: str | None = None,
    leniencies: frozenset[str] = ALL_LENIENCIES,
    extra: ExtraCommands = NO_EXTRA,
) -> Command | Rejected:
    """Return the command that ``body`` is, or why it is none.

    ``key`` is the idempotency key, from which a missing control id is derived. ``leniencies`` are those switched on,
    ``extra`` the commands that are let through besides the catalogue's.
    """
    document = parse(body)
    if isinstance(document, Problem):
        return Rejected(document)
    return judge(
        document, key=key, leniencies=leniencies, extra=extra, wide=len(body) > _WIDE and body.count(b":") > _WIDE
    )


def judge(
    document: dict[str, Any],
    *,
    key: str | None = None,
    leniencies: frozenset[str] = ALL_LENIENCIES,
    extra: ExtraCommands = NO_EXTRA,
    wide: bool = True,
) -> Command | Rejected:
    """Return the command that a parsed JSON object is, or why it is none. The object is not changed.

    ``wide`` says whether it may have hundreds of keys: then the work is bounded first.
    """
    name = document.get("command")
    if not isinstance(name, str):
        return Rejected(_without_name(document))
    entry = CATALOG.get(name) or extra.get(name)
    if entry is None:
        return Rejected(Problem(ProblemCode.UNKNOWN_COMMAND, "There is no command of that name."))
    lenient = mended(name, document, key, leniencies)
    try:
        if wide:  # each unknown key is an error, and 20,000 take longer to make than a hundred to tell
            entry.validate(_cut(lenient.body), by_alias=True, by_name=False)
        entry.validate(lenient.body, by_alias=True, by_name=False)
    except ValidationError as error:
        return _rejected(entry, lenient, error)
    return _rejected(entry, lenient, None) if lenient.faults else _command(entry, lenient)


def _command(entry: Entry, lenient: Mended) -> Command:
    params = lenient.body["params"]
    safety, lifetime = entry.classify(params)
    control_id = params.get("control_id")
    call_id = params.get("id") if entry.name == "update" else lenient.body.get("id")  # judged: a call id, or absent
    return Command(
        entry.name,
        lenient.body,
        call_id.lower() if call_id else None,
        control_id if isinstance(control_id, str) else None,  # an extra command's may be anything
        safety,
        lifetime,
        entry.order,
        lenient.applied,
    )


def _rejected(entry: Entry, lenient: Mended, error: ValidationError | None) -> Rejected:
    errors = findings(entry.name, lenient, error)
    problem = Problem(ProblemCode.INVALID_PARAMS, _detail(entry.name, len(errors)), errors)
    return Rejected(problem, entry.name, _call_id(lenient.body))


def _detail(name: str, count: int) -> str:
    match count:
        case 1:
            return f"The body is not a valid {name}: one error."
        case _ if count < MAX_ERRORS:
            return f"The body is not a valid {name}: {count} errors."
        case _:
            return f"The body is not a valid {name}: the first {MAX_ERRORS} errors are listed."


def _without_name(document: Mapping[str, Any]) -> Problem:
    if "command" in document:
        error = FieldError("command", FieldCode.WRONG_TYPE, "must be text")
    else:
        error = FieldError("command", FieldCode.MISSING, "is required")
    return Problem(ProblemCode.INVALID_PARAMS, "The body names no command.", (error,))


def _call_id(body: Mapping[str, Any]) -> str | None:
    """Return the call id in lower case, where it is one."""
    params = body.get("params")
    found = params.get("id") if body["command"] == "update" and isinstance(params, dict) else body.get("id")
    return found.lower() if isinstance(found, str) and is_call_id(found) else None


def _cut(value: Any) -> Any:
    """Return a copy in which a wide object keeps every key that any model knows, and a hundred others."""
    if type(value) is list:
        return [_cut(item) if type(item) in _CONTAINERS else item for item in value]
    kept = value
    if len(value) > _WIDE:
        strangers = set(islice((name for name in value if name not in _DECLARED), MAX_ERRORS))
        kept = {name: item for name, item in value.items() if name in _DECLARED or name in strangers}
    return {name: _cut(item) if type(item) in _CONTAINERS else item for name, item in kept.items()}
