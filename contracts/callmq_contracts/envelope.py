"""What stands around a body: AMQP properties and headers, read once and checked."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_contracts.problem import FieldCode, FieldError, Problem, ProblemCode

IDEMPOTENCY_KEY: Final = "idempotency-key"
EXPIRES_AT: Final = "expires-at"
ACCOUNT: Final = "account"
CAMPAIGN: Final = "campaign"
CALL_ID: Final = "call-id"
PRIORITY: Final = "priority"
PUBLISHED: Final = (IDEMPOTENCY_KEY, EXPIRES_AT, ACCOUNT, CAMPAIGN, PRIORITY, CALL_ID)
TRACE_HEADERS: Final = ("traceparent", "tracestate", "baggage")
# Set by the worker on copies that wait in a delay tier or lie in the dead letters.
RECEIVED_AT: Final = "callmq-received-at"
NOT_BEFORE: Final = "callmq-not-before"
ATTEMPTS: Final = "callmq-attempts"
DOUBT: Final = "callmq-doubt"
USER_ID: Final = "callmq-user-id"  # the property itself is the worker's own on its copies, and the broker checks it
TRUNCATED_FROM: Final = "truncated-from"

CONTENT_TYPE: Final = "application/json"
# Stands for the content type where the properties can't be decoded. Copies keep it, so no replay takes them for others.
UNREADABLE: Final = "application/vnd.callmq.unreadable"
_LATEST: Final = 253_402_300_799.0  # the year 9999 ends
_KEY: Final = re.compile(r"^[\x21-\x7e]{1,255}\Z")
ACCOUNT_PATTERN: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}\Z")
_TEXT: Final = re.compile(r"^[^\x00-\x1f\x7f]{1,255}\Z")
_CALL_ID: Final = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_SHORTSTR: Final = 255


NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Priority(StrEnum):
    """Which dials of an account go first."""

    HIGH = "high"
    NORMAL = "normal"
    BULK = "bulk"


class Properties(NamedTuple):
    """AMQP properties and headers of one message, as the broker handed them over. ``timestamp`` in seconds."""

    routing_key: str = ""
    content_type: Any = None
    content_encoding: Any = None
    message_id: Any = None
    correlation_id: Any = None
    reply_to: Any = None
    app_id: Any = None
    user_id: Any = None
    expiration: Any = None
    timestamp: float | None = None
    headers: Mapping[str, Any] = NOTHING


class Envelope(NamedTuple):
    """The checked properties. What could not be read is absent here and named in the problem beside it."""

    routing_key: str = ""
    key: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    app_id: str | None = None
    user_id: str | None = None
    account: str = DEFAULT_ACCOUNT
    campaign: str | None = None
    call_id: str | None = None
    priority: Priority = Priority.NORMAL
    published_at: float | None = None
    expires_at: float | None = None
    time_to_live: float | None = None
    first_received_at: float | None = None
    not_before: float | None = None
    attempts: int = 0
    doubt: bool = False
    trace: Mapping[str, str] = NOTHING

    def begins(self, received_at: float) -> float:
        """Return from when on its lifetime counts: its timestamp, or its first receipt if that was before."""
        return received_at if self.published_at is None else min(self.published_at, received_at)

    def deadline(self, received_at: float, lifetime: float) -> float:
        """Return when the command expires, in seconds since the epoch: the earliest of all that is said about it."""
        start = self.begins(received_at)
        end = self.expires_at if self.expires_at is not None else start + lifetime
        if self.time_to_live is not None:
            end = min(end, start + self.time_to_live)
        return end


_PRIORITIES: Final = tuple(p.value for p in Priority)


class _Reading:
    """One pass over the headers that collects every fault."""

    def __init__(self, properties: Properties) -> None:
        self.properties = properties
        self.errors: list[FieldError] = []

    def fault(self, name: str, code: FieldCode, message: str) -> None:
        self.errors.append(FieldError(name, code, message))

    def text(self, name: str, value: Any, pattern: re.Pattern[str], rule: str) -> str | None:
        if value is None:
            return None
        if not isinstance(value, str):
            self.fault(name, FieldCode.WRONG_TYPE, f"'{name}' must be text: {rule}.")
            return None
        if not pattern.match(value):
            self.fault(name, FieldCode.BAD_FORMAT if value else FieldCode.EMPTY, f"'{name}' must be {rule}.")
            return None
        return value

    def header(self, name: str, pattern: re.Pattern[str], rule: str) -> str | None:
        value = self.properties.headers.get(name)
        return None if value is None else self.text(name, value, pattern, rule)

    def priority(self) -> Priority:
        value = self.properties.headers.get(PRIORITY)
        if value is None:
            return Priority.NORMAL
        if value not in _PRIORITIES:
            self.fault(PRIORITY, FieldCode.BAD_FORMAT, f"'{PRIORITY}' must be one of {', '.join(_PRIORITIES)}.")
            return Priority.NORMAL
        return Priority(value)

    def moment(self, name: str) -> float | None:
        value = self.properties.headers.get(name)
        if value is None:
            return None
        seconds = parse_moment(value)
        if seconds is None:
            rule = "an RFC 3339 time with a zone, or whole milliseconds since the epoch, up to the year 9999"
            self.fault(name, FieldCode.BAD_FORMAT, f"'{name}' must be {rule}.")
        return seconds

    def time_to_live(self) -> float | None:
        value = self.properties.expiration
        if value is None:
            return None
        try:
            seconds = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            seconds = math.nan
        if not 0 <= seconds <= _LATEST:
            self.fault("expiration", FieldCode.BAD_FORMAT, "'expiration' must be milliseconds as AMQP has them.")
            return None
        return seconds

    def own_count(self) -> int:
        value = self.properties.headers.get(ATTEMPTS)
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def parse_moment(value: Any) -> float | None:
    """Return seconds since the epoch for an RFC 3339 text, a datetime or integer milliseconds; ``None`` if neither."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value / 1000 if 0 <= value <= _LATEST * 1000 else None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.upper())  # RFC 3339 allows a small t and z
        except ValueError:
            return None
        if value.tzinfo is None:
            return None
    elif not isinstance(value, datetime):
        return None
    try:
        seconds = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
    return seconds if 0 <= seconds <= _LATEST else None


def read_envelope(properties: Properties) -> tuple[Envelope, Problem | None]:
    """Return what could be read and, where something is wrong, one problem that names every fault.

    Source of the rules: the wire description's table of properties and headers.
    """
    r = _Reading(properties)
    headers = properties.headers
    if "CC" in headers or "BCC" in headers:
        r.fault("CC", FieldCode.NOT_ALLOWED, "'CC' is not allowed: a copy would be a second command.")
    envelope = Envelope(
        routing_key=properties.routing_key,
        key=r.header(IDEMPOTENCY_KEY, _KEY, "1 to 255 visible ASCII characters"),
        message_id=_own_text(properties.message_id),
        correlation_id=_own_text(properties.correlation_id),
        reply_to=r.text("reply_to", properties.reply_to, _TEXT, "a queue name of 1 to 255 characters"),
        app_id=_own_text(properties.app_id),
        user_id=_own_text(properties.user_id),
        account=r.header(ACCOUNT, ACCOUNT_PATTERN, "1 to 64 letters, digits, '.', '_' or '-'") or DEFAULT_ACCOUNT,
        campaign=r.header(CAMPAIGN, _TEXT, "1 to 255 printable characters"),
        call_id=r.header(CALL_ID, _CALL_ID, "a call id (8-4-4-4-12 hexadecimal digits)"),
        priority=r.priority(),
        published_at=properties.timestamp,
        expires_at=r.moment(EXPIRES_AT),
        time_to_live=r.time_to_live(),
        first_received_at=parse_moment(headers.get(RECEIVED_AT)),
        not_before=parse_moment(headers.get(NOT_BEFORE)),
        attempts=r.own_count(),
        doubt=headers.get(DOUBT) is True,
        trace={n: v for n in TRACE_HEADERS if isinstance(v := headers.get(n), str)},
    )
    if envelope.call_id:
        envelope = envelope._replace(call_id=envelope.call_id.lower())
    problem = wrong_content(properties)
    if problem is None and r.errors:
        names = ", ".join(sorted({e.path for e in r.errors}))
        detail = f"Headers or properties that can't be read: {names}."
        problem = Problem(ProblemCode.INVALID_HEADER, detail, tuple(r.errors))
    return envelope, problem


def wrong_content(properties: Properties) -> Problem | None:
    """Return the problem of a message that is not plain JSON by its own word; absent counts as JSON."""
    kind = properties.content_type
    if kind == UNREADABLE:
        detail = "Headers or properties that can't be decoded: texts must be UTF-8, and headers of RabbitMQ's types."
        return Problem(ProblemCode.INVALID_HEADER, detail)
    if kind and (not isinstance(kind, str) or kind.split(";", 1)[0].strip().lower() != CONTENT_TYPE):
        return Problem(ProblemCode.WRONG_CONTENT_TYPE, f"content_type must be {CONTENT_TYPE}.")
    if properties.content_encoding:
        return Problem(ProblemCode.WRONG_CONTENT_TYPE, "content_encoding is not supported: publish plain JSON.")
    return None


def _own_text(value: Any) -> str | None:
    """Return short text as it is, and anything else as absent: these properties are only copied, never judged."""
    return value if isinstance(value, str) and 0 < len(value.encode("utf-8", "replace")) <= _SHORTSTR else None


def broker_expired(properties: Properties) -> bool:
    """Say whether the broker dead-lettered a message because its time was over.

    It takes the `expiration` property away when it does, so only its own `x-death` header still tells.
    """
    deaths = properties.headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths else None
    return isinstance(latest, Mapping) and latest.get("reason") == "expired"
