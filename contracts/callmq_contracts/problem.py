"""Why a command was not done: a closed list of codes, for machines and for people."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

MAX_ERRORS: Final = 100


class ProblemCode(StrEnum):
    """Every code that ``problem.code`` of a reply can have."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    UNKNOWN_COMMAND = "unknown_command"
    INVALID_PARAMS = "invalid_params"
    MISSING_IDEMPOTENCY_KEY = "missing_idempotency_key"
    INVALID_HEADER = "invalid_header"
    ROUTING_KEY_MISMATCH = "routing_key_mismatch"
    CALL_ID_MISMATCH = "call_id_mismatch"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_FORBIDDEN = "account_forbidden"
    POLICY_DENIED = "policy_denied"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    REFUSED = "refused"
    RETRIES_EXHAUSTED = "retries_exhausted"
    LIFETIME_EXHAUSTED = "lifetime_exhausted"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown"
    DELIVERY_LIMIT = "delivery_limit"


class FieldCode(StrEnum):
    """Every code that an entry of ``problem.errors`` about the contract can have."""

    MISSING = "missing"
    UNKNOWN_KEY = "unknown_key"
    WRONG_TYPE = "wrong_type"
    NOT_ALLOWED = "not_allowed"
    OUT_OF_BOUNDS = "out_of_bounds"
    BAD_FORMAT = "bad_format"
    EMPTY = "empty"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of a body: where (``params.play[0].params.text``), which, and a sentence without the value."""

    path: str
    code: FieldCode
    message: str

    def as_dict(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"path": self.path, "code": self.code.value, "message": self.message}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a command was not done.

    ``errors`` are the contract's field errors, or for an answer 422 the endpoint's own entries
    (redacted: see the HTTP adapter).
    """

    code: ProblemCode
    detail: str
    errors: tuple[FieldError | dict[str, Any], ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form that a reply carries, at most 100 errors."""
        return {
            "code": self.code.value,
            "detail": self.detail,
            "errors": [e.as_dict() if isinstance(e, FieldError) else e for e in self.errors[:MAX_ERRORS]],
        }
