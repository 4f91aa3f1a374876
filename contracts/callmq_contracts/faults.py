"""A rule's finding, and how it joins what the field checks found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from callmq_contracts.problem import FieldCode

Loc = tuple[str | int, ...]
NULL: Final = "leave it out: an absent key is not null"


@dataclass(frozen=True, slots=True)
class Fault:
    """One broken rule: where, counted from the object that has the rule, which, and a sentence without the value."""

    loc: Loc
    code: FieldCode
    message: str


def refusal(title: str, faults: Sequence[Fault], error: ValidationError | None = None) -> ValidationError:
    """Return one error with the field errors of ``error`` first and ``faults`` after them."""
    lines: list[InitErrorDetails] = []
    if error is not None:
        lines += copied(error)
    lines += [InitErrorDetails(type=own_error(f.code, f.message), loc=f.loc, input=None) for f in faults]
    return ValidationError.from_exception_data(title, lines, hide_input=True)


def copied(error: ValidationError) -> list[InitErrorDetails]:
    """Return the lines of ``error`` in the form that a new error is made from, without any input."""
    return [_line(line, line["loc"]) for line in error.errors(include_url=False, include_input=False)]


def shifted(error: ValidationError, by: int) -> list[InitErrorDetails]:
    """Return the lines of a list part's error with its indexes moved ``by`` places."""
    return [
        _line(line, (int(line["loc"][0]) + by, *line["loc"][1:]))
        for line in error.errors(include_url=False, include_input=False)
    ]


def own_error(code: FieldCode, sentence: str) -> PydanticCustomError:
    """Return an error of ours in pydantic's form. Its sentence stands in the context: that marks it as ours."""
    return PydanticCustomError(code.value, "{sentence}", {"sentence": sentence})


def _line(line: ErrorDetails, loc: Loc) -> InitErrorDetails:
    custom = PydanticCustomError(line["type"], line["msg"], line.get("ctx"))
    return InitErrorDetails(type=custom, loc=loc, input=None)
