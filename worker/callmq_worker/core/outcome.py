"""What came back, and what it means. All of it is a table in this file.

Sources: the endpoint's documented answers; `docs/design.md` says why each row stands where it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias, assert_never

from callmq_contracts.command import Safety


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the request left, for certain: DNS, refused, connect time-out, TLS, no free connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The request was stopped before its first byte: the lease or the lifetime had ended."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Bytes left and no whole answer head came back: it may have been done."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer's head came back.

    ``document`` is its JSON, if any; ``retry_after`` in seconds from now; ``whole``: the body came to its end;
    ``used_up_for``: the seconds for which its limit headers say that nothing more is taken.
    """

    status: int
    document: Any = None
    retry_after: float | None = None
    whole: bool = True
    used_up_for: float | None = None


Answer: TypeAlias = NotSent | Withheld | NoAnswer | Answered


@dataclass(frozen=True, slots=True)
class Done:
    """It was carried out, now or by an earlier attempt."""

    status: int
    document: Any = None


@dataclass(frozen=True, slots=True)
class Refused:
    """It was not carried out and never will be."""

    status: int
    errors: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """Try later. ``doubt``: this attempt may have been done. ``pressed``: the endpoint asked for less."""

    reason: str
    doubt: bool = False
    pressed: bool = False
    retry_after: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may have been done, and a repeat could do it twice or proves nothing."""

    reason: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Paused:
    """The account cannot work at present: its commands wait, and nothing is used up."""

    reason: str
    status: int


Verdict: TypeAlias = Done | Refused | Again | InDoubt | Paused


class Kind(StrEnum):
    """The row of the table that an answer belongs to."""

    ACCEPTED = "accepted"
    PRESSURE = "pressure"  # not done, later, slower
    STATE = "state"  # the call is in another state
    TAKEN = "taken"  # the control_id is in use
    ACCOUNT = "account"
    WRONG = "wrong"
    DOUBTFUL = "doubtful"


PRESSURE_CODES: Final = frozenset(
    {
        "max_queued_calls_exceeded",
        "rate_limit_exceeded",
        "call_update_failed",
        "cannot_process",
        "out_of_sync",
    },
)
STATE_CODES: Final = frozenset(
    {
        "invalid_state",
        "cannot_cancel_in_progress",
        "cannot_redirect_not_in_progress",
        "cannot_update_completed",
        "does_not_exist",
    },
)
ACCOUNT_CODES: Final = frozenset(
    {
        "insufficient_balance",
        "auto_top_up_deactivated",
        "account_limit_exceeded",
        "sending_restricted_to_verified",
        "feature_not_available",
    },
)
_STATUS: Final[Mapping[int, Kind]] = {
    401: Kind.ACCOUNT,
    403: Kind.ACCOUNT,
    404: Kind.STATE,
    408: Kind.DOUBTFUL,
    409: Kind.STATE,
    429: Kind.PRESSURE,
}
_UNPROCESSABLE: Final = 422
_UNAVAILABLE: Final = 503


def entries(document: Any) -> tuple[dict[str, Any], ...]:
    """Return the ``errors`` of an answer, whichever of the platform's two forms they have."""
    errors = document.get("errors") if isinstance(document, dict) else None
    return tuple(e for e in errors if isinstance(e, dict)) if isinstance(errors, list) else ()


def told(document: Any) -> tuple[dict[str, Any], ...]:
    """Return what an answer says of a refusal: its entries, or its one sentence as an entry."""
    error = document.get("error") if isinstance(document, dict) else None
    return entries(document) or (({"detail": error},) if isinstance(error, str) else ())


def kind_of(answer: Answered) -> Kind:
    """Return the row of the table for an answer's status, header and error codes."""
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004 - the status classes are their own names
        return Kind.ACCEPTED
    if status < 200:  # noqa: PLR2004
        return Kind.DOUBTFUL  # no final answer: as good as none
    if status < 400:  # noqa: PLR2004
        return Kind.ACCOUNT  # 3xx is never followed: configuration trouble
    if status == _UNPROCESSABLE or (status == 409 and entries(answer.document)):  # noqa: PLR2004
        # A 422 was not processed, whatever its codes; without them it can't be told from back-pressure.
        return _by_codes(entries(answer.document), status) if answer.whole else Kind.PRESSURE
    if status == _UNAVAILABLE and answer.retry_after is not None:
        return Kind.PRESSURE
    return _STATUS.get(status, Kind.WRONG if status < 500 else Kind.DOUBTFUL)  # noqa: PLR2004


def _by_codes(errors: tuple[dict[str, Any], ...], status: int) -> Kind:
    codes = {str(e.get("code")) for e in errors}
    if codes & ACCOUNT_CODES:
        return Kind.ACCOUNT
    if codes and codes <= PRESSURE_CODES:
        return Kind.PRESSURE
    if codes and codes <= STATE_CODES | PRESSURE_CODES:
        return Kind.STATE
    if any(e.get("attribute") in ("control_id", "params.control_id") for e in errors):
        return Kind.TAKEN
    if status == 409:  # noqa: PLR2004
        return Kind.STATE
    return Kind.WRONG


def judge(answer: Answer, safety: Safety, *, doubt: bool) -> Verdict:
    """Return what an answer means. ``doubt``: an earlier attempt of this command may have been done."""
    match answer:
        case NotSent(reason):
            return Again(reason)
        case Withheld():
            return Again("withheld")
        case NoAnswer(reason):
            return _in_doubt(reason, None, safety)
        case Answered():
            return _judge_answer(answer, safety, doubt=doubt)
        case _:
            assert_never(answer)


def _judge_answer(answer: Answered, safety: Safety, *, doubt: bool) -> Verdict:
    status, errors = answer.status, entries(answer.document)
    kind = kind_of(answer)
    match kind:
        case Kind.ACCEPTED:
            return Done(status, answer.document)
        case Kind.PRESSURE:
            return Again(f"http {status}", pressed=True, retry_after=answer.retry_after, status=status)
        case Kind.ACCOUNT:
            return Paused(_why(status, errors), status)
        case Kind.DOUBTFUL:
            return _in_doubt(f"http {status}", status, safety)
        case Kind.TAKEN | Kind.STATE | Kind.WRONG:
            return _judge_repeat(kind, answer, safety) if doubt else Refused(status, told(answer.document))
        case _:
            assert_never(kind)


def _judge_repeat(kind: Kind, answer: Answered, safety: Safety) -> Verdict:
    """Return what a refusal means after an attempt that may have been done."""
    status = answer.status
    refused = Refused(status, told(answer.document))
    match safety:
        case Safety.CONVERGENT:
            return Done(status, answer.document) if kind is Kind.STATE else refused
        case Safety.GUARDED:
            if kind is Kind.TAKEN:
                return Done(status, answer.document)
            proves_nothing = kind is Kind.STATE or status == _UNPROCESSABLE
            return (
                InDoubt(f"http {status} after an attempt that may have been done", status)
                if proves_nothing
                else refused
            )
        case Safety.SAFE:
            return refused
        case Safety.UNSAFE:
            return InDoubt(f"http {status} after an attempt that may have been done", status)
        case _:
            assert_never(safety)


def _in_doubt(reason: str, status: int | None, safety: Safety) -> Verdict:
    if safety is Safety.UNSAFE:
        return InDoubt(reason, status)
    return Again(reason, doubt=True, status=status)


def _why(status: int, errors: tuple[dict[str, Any], ...]) -> str:
    codes = sorted({str(e.get("code")) for e in errors} & ACCOUNT_CODES)
    return f"http {status}" + (f" ({', '.join(codes)})" if codes else "")
