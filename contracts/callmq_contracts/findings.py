"""What the models found, said to the producer: a path, a code of the closed list, a sentence without values."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from callmq_contracts.faults import NULL, Loc
from callmq_contracts.formats import misformed
from callmq_contracts.hints import hint
from callmq_contracts.leniency import Mended
from callmq_contracts.problem import MAX_ERRORS, FieldCode, FieldError
from callmq_contracts.unions import TAG, rivals

MAX_KEY: Final = 64
MAX_PATH: Final = 256

_TYPES: Final[Mapping[str, str]] = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_BOUNDS: Final[Mapping[str, tuple[str, str]]] = {
    "greater_than": ("gt", "must be more than {:.12g}"),
    "greater_than_equal": ("ge", "must be at least {:.12g}"),
    "less_than": ("lt", "must be less than {:.12g}"),
    "less_than_equal": ("le", "must be at most {:.12g}"),
}
_PLAIN: Final[Mapping[str, tuple[FieldCode, str]]] = {
    "missing": (FieldCode.MISSING, "is required"),
    "extra_forbidden": (FieldCode.UNKNOWN_KEY, "is not a key that is known here"),
    "string_too_short": (FieldCode.EMPTY, "must not be empty"),
    "too_short": (FieldCode.EMPTY, "must not be empty"),
    "finite_number": (FieldCode.OUT_OF_BOUNDS, "must be a finite number"),
    **{kind: (FieldCode.WRONG_TYPE, sentence) for kind, sentence in _TYPES.items()},
}
_ABSENT: Final = object()


def findings(command: str, lenient: Mended, error: ValidationError | None) -> tuple[FieldError, ...]:
    """Return the first hundred errors of a body: those of the models, then its own faults."""
    found: list[FieldError] = []
    for line in error.errors(include_url=False, include_input=False)[:MAX_ERRORS] if error else ():
        steps, value = _walk(line["loc"], lenient.body)
        code, sentence = _say(line["type"], line.get("ctx", {}), value)
        if code is FieldCode.UNKNOWN_KEY and (both := rivals(line["loc"])):
            code, sentence = FieldCode.CONFLICT, f"either {both[0]} or {both[1]}, not both"
            if value is None:
                code, sentence = FieldCode.WRONG_TYPE, NULL
        if sentence != NULL:
            sentence = hint(command, code, steps, lenient.body) or sentence
        found.append(FieldError(path_of(_as_written(steps, lenient)), code, sentence))
    found += (FieldError(path_of(fault.loc), fault.code, fault.message) for fault in lenient.faults)
    return tuple(found[:MAX_ERRORS])


def _as_written(steps: Loc, lenient: Mended) -> Loc:
    """Return where the producer wrote what a leniency moved."""
    for seen, written in lenient.moved:
        if steps[: len(seen)] == seen:
            return written + steps[len(seen) :]
    return steps


def path_of(steps: Loc) -> str:
    """Return ``params.play[2].url``. Long keys are cut, what cannot be printed is escaped."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in steps).removeprefix(".")
    return path if len(path) <= MAX_PATH else path[: MAX_PATH - 1] + "…"


def _shown(key: str) -> str:
    cut = key if len(key) <= MAX_KEY else key[: MAX_KEY - 1] + "…"
    if cut.isprintable():
        return cut
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return escaped if len(escaped) <= MAX_KEY else escaped[: MAX_KEY - 1] + "…"


def _walk(loc: Loc, document: Any) -> tuple[Loc, Any]:
    """Return the steps that the producer wrote, without the tags of unions, and what is there."""
    steps: list[str | int] = []
    value = document
    for step in loc:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else _ABSENT
        elif isinstance(value, dict) and step in value:
            value = value[step]
        elif TAG.match(step):
            continue
        else:
            value = _ABSENT
        steps.append(step)
    return tuple(steps), value


def _say(kind: str, context: Mapping[str, Any], value: Any) -> tuple[FieldCode, str]:
    """Return the code and the sentence for one of pydantic's errors, or for one of our own."""
    if "sentence" in context:
        return FieldCode(kind), context["sentence"]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _BOUNDS:
        name, sentence = _BOUNDS[kind]
        return FieldCode.OUT_OF_BOUNDS, sentence.format(context[name])
    if kind == "string_pattern_mismatch":
        return misformed(context["pattern"], value)
    if kind == "literal_error":
        expected = str(context["expected"])
        fits = isinstance(value, str) if expected.startswith("'") else _is_number(value)
        return (FieldCode.NOT_ALLOWED if fits else FieldCode.WRONG_TYPE), f"must be {expected}"
    return FieldCode.BAD_FORMAT, "is not valid"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
