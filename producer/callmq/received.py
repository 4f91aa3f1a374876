"""A reply as its consumer sees it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson

from callmq.errors import InvalidReplyError
from callmq_contracts.reply import OutcomeName


@dataclass(frozen=True, slots=True)
class ReceivedProblem:
    """Why a command was not done. ``code`` is text, since later versions may have more codes than this one knows."""

    code: str
    detail: str
    errors: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ReceivedReply:
    """One reply. ``document`` is its whole JSON, with what this version has no field for."""

    reply_id: str
    outcome: OutcomeName
    idempotency_key: str | None
    command: str | None
    call_id: str | None
    control_id: str | None
    account: str
    campaign: str | None
    http_status: int | None
    response: Any
    problem: ReceivedProblem | None
    leniencies: tuple[str, ...]
    attempts: int
    replayed: bool
    received_at: datetime | None
    finished_at: datetime | None
    document: dict[str, Any] = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether the endpoint accepted the command."""
        return self.outcome is OutcomeName.SUCCEEDED

    @property
    def final(self) -> bool:
        """Whether no other outcome can follow: an ``unknown`` is provisional."""
        return self.outcome is not OutcomeName.UNKNOWN


def parse_reply(body: bytes) -> ReceivedReply:
    """Read a reply's JSON; fields that this version does not know are kept in ``document``.

    Raises `InvalidReplyError` where ``reply_id`` or a known ``outcome`` is missing.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidReplyError("The message is not JSON, so it is no reply.") from error
    if not isinstance(document, dict) or not isinstance(document.get("reply_id"), str):
        raise InvalidReplyError("The message has no 'reply_id', so it is no reply.")
    try:
        outcome = OutcomeName(_text(document, "outcome") or "")
    except ValueError as error:
        raise InvalidReplyError("The reply has no 'outcome' that this version knows: update callmq.") from error
    return ReceivedReply(
        reply_id=document["reply_id"],
        outcome=outcome,
        idempotency_key=_text(document, "idempotency_key"),
        command=_text(document, "command"),
        call_id=_text(document, "call_id"),
        control_id=_text(document, "control_id"),
        account=_text(document, "account") or "default",
        campaign=_text(document, "campaign"),
        http_status=_number(document, "http_status"),
        response=document.get("response"),
        problem=_problem(document.get("problem")),
        leniencies=tuple(each for each in _list(document, "leniencies") if isinstance(each, str)),
        attempts=_number(document, "attempts") or 0,
        replayed=document.get("replayed") is True,
        received_at=_moment(document, "received_at"),
        finished_at=_moment(document, "finished_at"),
        document=document,
    )


def _problem(value: Any) -> ReceivedProblem | None:
    if not isinstance(value, dict):
        return None
    errors = tuple(each for each in _list(value, "errors") if isinstance(each, dict))
    return ReceivedProblem(_text(value, "code") or "", _text(value, "detail") or "", errors)


def _text(document: dict[str, Any], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) else None


def _number(document: dict[str, Any], name: str) -> int | None:
    value = document.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(document: dict[str, Any], name: str) -> list[Any]:
    value = document.get(name)
    return value if isinstance(value, list) else []


def _moment(document: dict[str, Any], name: str) -> datetime | None:
    try:
        return datetime.fromisoformat(_text(document, name) or "")
    except ValueError:
        return None
