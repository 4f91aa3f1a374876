"""Dead and parked copies: what they say of themselves, and the message that they are copies of."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson

from callmq_contracts import envelope as wire
from callmq_contracts.codec import MAX_BODY_BYTES
from callmq_contracts.envelope import Envelope, Properties, read_envelope
from callmq_contracts.reply import iso_time
from callmq_worker.core.publications import PUBLISHED_HEADERS, Message
from callmq_worker.core.redact import mask_text, redact

REPLY_ID: Final = "callmq-reply-id"
OUTCOME: Final = "callmq-outcome"
CODE: Final = "callmq-code"
DETAIL: Final = "callmq-detail"
ROUTING_KEY: Final = "callmq-routing-key"
_ID_DIGITS: Final = 32


@dataclass(frozen=True, slots=True)
class Copy:
    """One message of the dead letters or of the parked ones.

    ``position`` counts from 1 at the head of the queue; ``id`` is the reply's id, or a digest where the broker itself
    moved the message; ``original`` are its properties as they were published; ``received_at`` in seconds since the
    epoch; ``truncated_from`` in bytes.
    """

    position: int
    id: str
    body: bytes
    properties: Properties
    original: Properties
    envelope: Envelope
    outcome: str
    code: str
    detail: str
    answered: bool
    received_at: float | None
    truncated_from: int | None

    @property
    def reason(self) -> str:
        """Return ``<outcome>.<code>``."""
        return f"{self.outcome}.{self.code}"

    def message(self) -> Message:
        """Return the message as it was when it was first received."""
        return Message(self.body, self.original, self.envelope, self.received_at or 0.0)


def read_copy(position: int, body: bytes, properties: Properties) -> Copy:
    """Read one copy. What is absent or of a wrong type is empty: a stranger may have published it."""
    headers = properties.headers
    outcome, _, code = properties.routing_key.partition(".")
    own = {n: headers[n] for n in PUBLISHED_HEADERS if n in headers}
    if wire.RECEIVED_AT in headers:
        own[wire.RECEIVED_AT] = headers[wire.RECEIVED_AT]
    original = properties._replace(
        routing_key=_text(headers.get(ROUTING_KEY)) or _command_of(body),
        headers=own,
        user_id=headers.get(wire.USER_ID, properties.user_id),
    )
    envelope, _problem = read_envelope(original)
    reply_id = _text(headers.get(REPLY_ID))
    size = headers.get(wire.TRUNCATED_FROM)
    first = envelope.first_received_at
    return Copy(
        position=position,
        id=reply_id or hashlib.sha256(body + str(properties.message_id).encode()).hexdigest()[:_ID_DIGITS],
        body=body,
        properties=properties,
        original=original,
        envelope=envelope,
        outcome=_text(headers.get(OUTCOME)) or outcome or "-",
        code=_text(headers.get(CODE)) or code or "-",
        detail=_text(headers.get(DETAIL)),
        answered=bool(reply_id),
        received_at=first if first is not None else envelope.published_at,
        truncated_from=size if isinstance(size, int) else None,
    )


def row(copy: Copy) -> dict[str, Any]:
    """Return what a list shows of a copy: never its body, no phone number unmasked."""
    envelope = copy.envelope
    return {
        "id": copy.id,
        "position": copy.position,
        "routing_key": copy.reason,
        "key": masked(envelope.key),
        "command": masked(copy.original.routing_key),
        "account": masked(envelope.account),
        "campaign": masked(envelope.campaign),
        "when": iso_time(copy.received_at) if copy.received_at is not None else None,
        "detail": masked(copy.detail),
        "size": len(copy.body),
        "truncated_from": copy.truncated_from,
    }


def page(copy: Copy, *, body: bool) -> dict[str, Any]:
    """Return all that is known of a copy. ``body``: for a trusted reader, with the body and nothing masked."""
    properties = copy.properties
    headers: dict[str, Any] = {name: _plain(value) for name, value in properties.headers.items()}
    about = {
        "content_type": _plain(properties.content_type),
        "message_id": _plain(properties.message_id),
        "correlation_id": _plain(properties.correlation_id),
        "reply_to": _plain(properties.reply_to),
        "app_id": _plain(properties.app_id),
    }
    shown: dict[str, Any] = {**row(copy), "properties": about, "headers": headers}
    if not body:
        return {**shown, "properties": redact(about), "headers": redact(headers)}
    shown |= {"key": copy.envelope.key, "campaign": copy.envelope.campaign, "command": copy.original.routing_key}
    return {**shown, "detail": copy.detail, "body": copy.body.decode("utf-8", "backslashreplace")}


def masked(value: str | None) -> str | None:
    """Return text fit for a list: no phone number, no credential."""
    return None if value is None else mask_text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _command_of(body: bytes) -> str:
    """Return the command that a body names: what the broker moved by itself carries no header of ours."""
    if len(body) > MAX_BODY_BYTES:
        return ""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    return _text(document.get("command")) if isinstance(document, dict) else ""
