"""The reply: one for each command, the same on every repetition."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import orjson

from callmq_contracts.problem import Problem

REPLY_TYPE: Final = "callmq.reply.v1"
MAX_APP_ID_BYTES: Final = 64


class OutcomeName(StrEnum):
    """How a command ended. All are final but ``unknown``, which a second reply may follow."""

    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


def reply_id(*parts: str) -> str:
    """Derive an id from account, key and sequence (or message hash): the same on every repetition of a reply."""
    joined = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(joined).hexdigest()[:32]


def iso_time(seconds: float) -> str:
    """Return seconds since the epoch as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def routing_key(app_id: str | None, command: str | None, outcome: str) -> str:
    """Return ``<app_id>.<command>.<outcome>``; ``-`` for what is absent, dots of the ``app_id`` as ``_``."""
    word = (app_id or "-").replace(".", "_").encode()[:MAX_APP_ID_BYTES].decode("utf-8", "ignore") or "-"
    return f"{word}.{command or '-'}.{outcome}"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. Times are seconds since the epoch here and RFC 3339 in the JSON."""

    reply_id: str
    idempotency_key: str | None
    command: str | None
    outcome: OutcomeName
    received_at: float
    finished_at: float
    call_id: str | None = None
    control_id: str | None = None
    account: str = "default"
    campaign: str | None = None
    http_status: int | None = None
    response: Any = None
    problem: Problem | None = None
    leniencies: tuple[str, ...] = ()
    attempts: int = 0
    replayed: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "version": 1,
            "reply_id": self.reply_id,
            "idempotency_key": self.idempotency_key,
            "command": self.command,
            "outcome": self.outcome.value,
            "call_id": self.call_id,
            "control_id": self.control_id,
            "account": self.account,
            "campaign": self.campaign,
            "http_status": self.http_status,
            "response": self.response,
            "problem": self.problem.as_dict() if self.problem else None,
            "leniencies": list(self.leniencies),
            "attempts": self.attempts,
            "replayed": self.replayed,
            "received_at": iso_time(self.received_at),
            "finished_at": iso_time(self.finished_at),
        }

    def dump(self) -> bytes:
        """Return the JSON bytes that are published, and kept in the ledger."""
        return orjson.dumps(self.as_dict())

    def again(self) -> "Reply":
        """Return the same reply, marked as replayed."""
        return replace(self, replayed=True)


def mark_replayed(stored: bytes) -> bytes:
    """Return a stored reply's bytes with ``replayed`` set."""
    document = orjson.loads(stored)
    document["replayed"] = True
    return orjson.dumps(document)
