"""From what a caller says to what is published: body, routing key and headers, checked before anything is sent."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypedDict

import orjson
from pamqp import encode

from callmq.errors import InvalidCommandError
from callmq_contracts import envelope
from callmq_contracts.codec import decode
from callmq_contracts.command import Rejected, Safety
from callmq_contracts.envelope import Priority
from callmq_contracts.extra import NO_EXTRA, ExtraCommands
from callmq_contracts.finite import is_finite, is_utf8
from callmq_contracts.formats import is_call_id
from callmq_contracts.problem import FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.reply import iso_time
from callmq_contracts.shapes import Body
from callmq_contracts.text import parse

_MAX_ROUTING_KEY: Final = 255
_MAX_HEADER_NAME: Final = 128
_SHORTSTR: Final = 255
_WORKERS: Final = "callmq-"
_OPTIONS: Final = {
    envelope.IDEMPOTENCY_KEY: "key",
    envelope.EXPIRES_AT: "expires_at",
    envelope.ACCOUNT: "account",
    envelope.CAMPAIGN: "campaign",
    envelope.PRIORITY: "priority",
    envelope.CALL_ID: "call_id",
}

HeaderValue: TypeAlias = str | int | bool
AnyBody: TypeAlias = Mapping[str, Any] | bytes | Body


class Options(TypedDict, total=False):
    """What may be said about one command besides its body and key.

    ``expires_at``: an aware datetime, RFC 3339 text or integer milliseconds since the epoch. ``account``: the name
    of a configured account. ``priority``: which dials go first, high, normal (the default) or bulk. ``call_id``:
    taken from the body where absent. ``reply_to``: a queue that gets the reply too. ``user_id``: the client's own user
    at the broker, which refuses any other; needed where an account lists its producers. ``headers``: further AMQP
    headers. ``validate``: check the body here first; the default is True but for bytes.
    """

    expires_at: datetime | str | int | None
    account: str | None
    campaign: str | None
    priority: Priority | Literal["high", "normal", "bulk"] | None
    call_id: str | None
    reply_to: str | None
    correlation_id: str | None
    user_id: str | None
    headers: Mapping[str, HeaderValue] | None
    validate: bool | None


@dataclass(frozen=True, slots=True)
class Message:
    """One command to publish, for ``send_many``: a body (dict, model, or bytes that go out as they are) and its key.

    The fields are those of `Options`.
    """

    body: AnyBody
    key: str | None = None
    expires_at: datetime | str | int | None = None
    account: str | None = None
    campaign: str | None = None
    priority: Priority | Literal["high", "normal", "bulk"] | None = None
    call_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None
    user_id: str | None = None
    headers: Mapping[str, HeaderValue] | None = None
    validate: bool | None = None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is ready: what is published, and nothing that still has to be decided. ``timestamp`` in s."""

    body: bytes = field(repr=False)
    routing_key: str
    headers: Mapping[str, Any] = field(repr=False)
    key: str | None = field(repr=False)
    timestamp: float
    app_id: str | None = None
    correlation_id: str | None = None
    reply_to: str | None = None
    call_id: str | None = None
    user_id: str | None = None


def new_id() -> str:
    """Return a fresh random id (UUID version 4)."""
    return str(uuid.uuid4())


def prepare(message: Message, app_id: str | None, extra: ExtraCommands = NO_EXTRA) -> Outgoing:
    """Check a message and return what to publish; raises `InvalidCommandError`. The body's bytes are not changed.

    ``extra``: the commands that are let through besides the catalogue's.
    """
    body = _bytes_of(message.body)
    validated = message.validate if message.validate is not None else not isinstance(message.body, bytes)
    command, call_id = _validated(body, message.key, extra) if validated else _routing(body)
    headers = _headers(message, call_id)
    outgoing = Outgoing(
        body=body,
        routing_key=command,
        headers=headers,
        key=message.key,
        timestamp=time.time(),
        app_id=app_id,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        call_id=call_id,
        user_id=message.user_id,
    )
    _check_envelope(outgoing)
    return outgoing


def _bytes_of(body: AnyBody) -> bytes:
    if isinstance(body, bytes):
        return body
    if not isinstance(body, (Mapping, Body)):
        raise _invalid(ProblemCode.MALFORMED, "The body must be a dict, a model of a command, or bytes.")
    try:
        document = body.body() if isinstance(body, Body) else dict(body)
        content = orjson.dumps(document)
    except (TypeError, ValueError) as error:
        raise _invalid(ProblemCode.MALFORMED, "The body holds something that JSON has no form for.") from error
    # orjson writes null for them.
    if b"null" in content and not is_finite(document):
        raise _invalid(ProblemCode.MALFORMED, "The body holds NaN or infinity, for which JSON has no form.")
    return content


def _validated(body: bytes, key: str | None, extra: ExtraCommands) -> tuple[str, str | None]:
    decoded = decode(body, key=key, extra=extra)
    if isinstance(decoded, Rejected):
        raise InvalidCommandError(decoded.problem)
    if key is None and decoded.safety in {Safety.UNSAFE, Safety.GUARDED}:
        detail = f"'{decoded.name}' needs an idempotency key: the name of your intention, so that it acts only once."
        raise _invalid(ProblemCode.MISSING_IDEMPOTENCY_KEY, f"{detail} Client.new_key() makes one.")
    return decoded.name, decoded.call_id


def _routing(body: bytes) -> tuple[str, str | None]:
    """Return the name and the call id of a body that is not validated: the name is needed, the rest may be wrong."""
    document = parse(body)
    if isinstance(document, Problem):
        raise InvalidCommandError(document)
    command = document.get("command")
    if not isinstance(command, str) or not 0 < len(command.encode()) <= _MAX_ROUTING_KEY:
        raise _invalid(ProblemCode.MALFORMED, "The body must be an object with a 'command' of 1 to 255 bytes.")
    holder = document.get("params") if command == "update" else document
    call_id = holder.get("id") if isinstance(holder, dict) else None
    return command, call_id.lower() if isinstance(call_id, str) and is_call_id(call_id) else None


def _headers(message: Message, call_id: str | None) -> dict[str, Any]:
    further: Any = message.headers or {}  # whatever a caller without a type checker said
    if not isinstance(further, Mapping) or not _has_form(headers := dict(further)):
        raise _invalid(ProblemCode.INVALID_HEADER, "A header's name or value has no form in AMQP.")
    _refuse_own(headers)
    own = {
        envelope.IDEMPOTENCY_KEY: message.key,
        envelope.EXPIRES_AT: _moment(message.expires_at),
        envelope.ACCOUNT: message.account,
        envelope.CAMPAIGN: message.campaign,
        envelope.PRIORITY: _priority(message.priority),
        envelope.CALL_ID: message.call_id,
    }
    headers.update((name, value) for name, value in own.items() if value is not None)
    stated = headers.get(envelope.CALL_ID)
    if isinstance(stated, str) and call_id is not None and stated.lower() != call_id:
        raise _invalid(ProblemCode.CALL_ID_MISMATCH, "call_id differs from the call id of the body.")
    if stated is None and call_id is not None:
        headers[envelope.CALL_ID] = call_id
    return headers


def _priority(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        return Priority(value).value
    except ValueError:
        rule = f"priority must be one of {', '.join(p.value for p in Priority)}."
        raise _invalid(ProblemCode.INVALID_HEADER, rule) from None


def _has_form(headers: dict[str, Any]) -> bool:
    """Whether AMQP can carry the headers as they are: a name over 128 bytes would be cut."""
    try:
        encode.field_table(headers)
        return all(0 < len(name.encode()) <= _MAX_HEADER_NAME for name in headers)
    except (AttributeError, TypeError, ValueError):
        return False


def _refuse_own(headers: dict[str, Any]) -> None:
    """Raise for further headers that would say what fields say, or what only a worker may say."""
    lower = {name.lower() for name in headers}
    own = sorted(lower & _OPTIONS.keys())
    errors = [
        FieldError(name, FieldCode.NOT_ALLOWED, f"'{name}' is not allowed in headers: use {_OPTIONS[name]}.")
        for name in own
    ]
    if any(name.startswith(_WORKERS) for name in lower):
        rule = f"Headers that begin with '{_WORKERS}' are the worker's own."
        errors.append(FieldError(f"{_WORKERS}*", FieldCode.NOT_ALLOWED, rule))
    if errors:
        detail = "The further headers hold names that have a meaning of their own."
        raise _invalid(ProblemCode.INVALID_HEADER, detail, tuple(errors))


def _moment(value: datetime | str | int | None) -> str | int | None:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise _fault(envelope.EXPIRES_AT, "must be a time with a zone.")
    try:
        return iso_time(value.timestamp())
    except (OverflowError, ValueError) as error:
        raise _fault(envelope.EXPIRES_AT, "must be a time from 1970 to 9999.") from error


def _check_envelope(outgoing: Outgoing) -> None:
    """Read the headers as the worker will."""
    _, problem = envelope.read_envelope(
        envelope.Properties(
            routing_key=outgoing.routing_key,
            reply_to=outgoing.reply_to,
            headers=outgoing.headers,
        )
    )
    if problem is not None:
        raise InvalidCommandError(problem)
    for name in ("correlation_id", "reply_to", "user_id"):
        value = getattr(outgoing, name)
        if value is not None and not _is_short(value):
            raise _fault(name, "must be text of 1 to 255 bytes in UTF-8.")
    if not _has_form(dict(outgoing.headers)):  # a lone surrogate
        raise _fault(envelope.CAMPAIGN, "must be text that UTF-8 has a form for.")


def _is_short(value: Any) -> bool:
    """Whether AMQP can carry it as a property."""
    return isinstance(value, str) and is_utf8(value) and 0 < len(value.encode()) <= _SHORTSTR


def _invalid(code: ProblemCode, detail: str, errors: tuple[FieldError, ...] = ()) -> InvalidCommandError:
    return InvalidCommandError(Problem(code, detail, errors))


def _fault(name: str, rule: str) -> InvalidCommandError:
    error = FieldError(name, FieldCode.BAD_FORMAT, f"'{name}' {rule}")
    return _invalid(ProblemCode.INVALID_HEADER, f"Headers or properties that can't be read: {name}.", (error,))
