"""The answers with which the endpoint says no."""

from dataclasses import dataclass
from typing import Any, Final

from callmq_contracts.problem import FieldError

_EXPLAINED_AT: Final = "https://docs.example.com/callmq/sandbox/errors"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200. ``headers`` go beside the JSON ``document``."""

    status: int
    document: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()


BAD_REQUEST: Final = Refusal(400, {"error": "Bad Request"})
UNAUTHORIZED: Final = Refusal(401, {"error": "Unauthorized"}, (("www-authenticate", 'Basic realm="sandbox"'),))
NOT_FOUND: Final = Refusal(404, {"error": "Not Found"})
CONFLICT: Final = Refusal(409, {"error": "Conflict"})


def unprocessable(code: str, message: str, attribute: str | None = None) -> Refusal:
    """Return a 422 with one entry about the state of things."""
    return Refusal(422, {"errors": [_entry("invalid_request_error", code, message, attribute)]})


def invalid(errors: tuple[FieldError, ...]) -> Refusal:
    """Return a 422 with one entry for each fault of the body."""
    return Refusal(
        422,
        {"errors": [_entry("validation_error", e.code.value, e.message, e.path or None) for e in errors]},
    )


def too_many(seconds: int) -> Refusal:
    """Return a 429 that says when to come back."""
    entries = [_entry("rate_limit_error", "rate_limit_exceeded", "Too many requests.", None)]
    return Refusal(429, {"errors": entries}, (("retry-after", str(seconds)),))


def _entry(kind: str, code: str, message: str, attribute: str | None) -> dict[str, Any]:
    return {
        "type": kind,
        "code": code,
        "message": message,
        "attribute": attribute,
        "url": f"{_EXPLAINED_AT}#{code}",
    }
