"""What is published for a settlement: derived from the reply alone, so that every repetition derives the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from callmq_contracts import envelope as wire
from callmq_contracts.envelope import Envelope, Properties
from callmq_contracts.names import Names
from callmq_contracts.reply import REPLY_TYPE, OutcomeName, routing_key
from callmq_worker.core.retry import Tier
from callmq_worker.core.seal import SEAL, seal
from callmq_worker.core.settle import Past

LATEST: Final = 253_402_300_799.0  # what can be read back
MAX_COPY_BYTES: Final = 262_144
PUBLISHED_HEADERS: Final = (*wire.PUBLISHED, *wire.TRACE_HEADERS)
_DEAD: Final = (OutcomeName.REJECTED, OutcomeName.FAILED, OutcomeName.EXPIRED)
_MAX_HEADER: Final = 1024


class Publication(NamedTuple):
    """One message to publish, persistent and confirmed. ``exchange`` "" addresses a queue by its name.

    ``apart``: what holds up others on their way to this queue may not hold up those to another.
    """

    exchange: str
    routing_key: str
    body: bytes
    headers: Mapping[str, Any] = wire.NOTHING
    mandatory: bool = True
    content_type: str | None = wire.CONTENT_TYPE
    correlation_id: str | None = None
    type: str | None = None
    app_id: str | None = None
    reply_to: str | None = None
    timestamp: float | None = None
    user_id: str | None = None
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """The message that is being settled, as far as copies of it need it."""

    body: bytes
    properties: Properties
    envelope: Envelope
    received_at: float
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """The publications of one outcome: the reply, its direct copy, and the message's copy where it must be kept.

    ``document`` is the reply as a mapping.
    """

    document: Mapping[str, Any]
    reply: Publication
    direct: Publication | None
    kept: Publication | None


def answers(names: Names, message: Message, reply: bytes) -> Answers:
    """Return all publications that a reply's JSON stands for."""
    document = orjson.loads(reply)
    envelope = message.envelope
    key = routing_key(envelope.app_id, document["command"], document["outcome"])
    correlation_id = envelope.correlation_id or envelope.key
    public = owed(names, reply, {"routing_key": key, "correlation_id": correlation_id})
    direct = None
    if envelope.reply_to:
        direct = Publication("", envelope.reply_to, reply, correlation_id=correlation_id, type=REPLY_TYPE)
    return Answers(document, public, direct, _kept(names, message, document))


def owed(names: Names, reply: bytes, address: Mapping[str, Any]) -> Publication:
    """Return the publication of a reply that is owed."""
    key, correlation_id = str(address["routing_key"]), address.get("correlation_id")
    return Publication(names.replies, key, reply, mandatory=False, correlation_id=correlation_id, type=REPLY_TYPE)


def debt(names: Names, reply: bytes, address: bytes) -> Publication:
    """Return the publication of a reply at an address that the ledger kept, perhaps for the provisional one before."""
    told = orjson.loads(address)
    whose, _, _ = str(told["routing_key"]).rpartition(".")
    return owed(names, reply, {**told, "routing_key": f"{whose}.{orjson.loads(reply)['outcome']}"})


def _kept(names: Names, message: Message, document: Mapping[str, Any]) -> Publication | None:
    outcome = document["outcome"]
    if outcome == OutcomeName.SUCCEEDED:
        return None
    problem = document["problem"] or {}
    code = str(problem.get("code", "none"))
    reason = {
        "callmq-outcome": outcome,
        "callmq-code": code,
        "callmq-detail": str(problem.get("detail", "")),
        "callmq-reply-id": document["reply_id"],
    }
    if outcome in _DEAD:
        return _copy(message, names.dead, f"{outcome}.{code}", reason)
    if outcome == OutcomeName.UNKNOWN:
        return _copy(message, "", names.unknown, reason)
    return None


def postponed(
    names: Names, message: Message, tier: Tier, not_before: float, past: Past, *, secret: bytes
) -> Publication:
    """Return the copy that waits in a delay tier. What was counted from its first receipt goes with it, sealed."""
    return _waiting(message, names.retry(tier.name), message.properties.routing_key, not_before, past, secret=secret)


def back(names: Names, body: bytes, properties: Properties) -> Publication:
    """Return a waiting copy as it is, seal and all, on its way back into its lane before its time."""
    kind, correlation_id, app_id, reply_to = (
        value if isinstance(value, str) else None
        for value in (properties.content_type, properties.correlation_id, properties.app_id, properties.reply_to)
    )
    return Publication(
        names.commands,
        properties.routing_key,
        body,
        {name: value for name, value in properties.headers.items() if not name.startswith("x-")},
        content_type=kind,
        correlation_id=correlation_id,
        app_id=app_id,
        reply_to=reply_to,
        timestamp=properties.timestamp,
    )


def sorted_into(queue: str, message: Message, past: Past, *, secret: bytes) -> Publication:
    """Return the copy of a dial that waits for its turn in a queue of its account, sealed as those in the tiers are."""
    copy = _waiting(message, "", queue, message.envelope.not_before, past, secret=secret)
    return copy._replace(apart=True)


def _waiting(
    message: Message, exchange: str, key: str, not_before: float | None, past: Past, *, secret: bytes
) -> Publication:
    own: dict[str, Any] = {}
    if not_before is not None:
        own[wire.NOT_BEFORE] = int(not_before * 1000)
    if past.attempts or past.doubt:
        own |= {wire.ATTEMPTS: past.attempts, wire.DOUBT: past.doubt}
    if (
        message.expires_at is not None
    ):  # the broker takes `expiration` away, and a lifetime counts from the first receipt
        own[wire.EXPIRES_AT] = int(1000 * min(message.expires_at, LATEST))
    copy = _copy(message, exchange, key, own)
    sealed = seal(copy.headers, message.properties.routing_key, copy.body, secret)
    return copy._replace(headers={**copy.headers, SEAL: sealed})


def _copy(message: Message, exchange: str, key: str, own: Mapping[str, Any]) -> Publication:
    """Copy body and known headers; broker-made headers (``x-death`` and friends) never travel on."""
    envelope, properties = message.envelope, message.properties
    headers = {n: v for n in PUBLISHED_HEADERS if _portable(v := properties.headers.get(n))}
    if envelope.expires_at is not None:  # an AMQP timestamp is read as well, and a copy may not forget its time
        headers.setdefault(wire.EXPIRES_AT, int(envelope.expires_at * 1000))
    headers |= {wire.RECEIVED_AT: int(message.received_at * 1000), "callmq-routing-key": properties.routing_key}
    if envelope.user_id is not None:
        headers[wire.USER_ID] = envelope.user_id
    headers |= own
    body = message.body
    if len(body) > MAX_COPY_BYTES:
        headers[wire.TRUNCATED_FROM] = len(body)
        body = body[:MAX_COPY_BYTES]
    kind = properties.content_type
    return Publication(
        exchange,
        key,
        body,
        headers,
        content_type=kind if isinstance(kind, str) else None,
        correlation_id=envelope.correlation_id,
        app_id=envelope.app_id,
        reply_to=envelope.reply_to,
        timestamp=envelope.published_at,
    )


def _portable(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_HEADER
    return isinstance(value, bool | int)
