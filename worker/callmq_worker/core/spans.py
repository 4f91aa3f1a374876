"""Names and attributes of spans, by the OpenTelemetry semantic conventions 1.44 (messaging, RabbitMQ, HTTP, database).

Never the idempotency key, a body or a phone number. Two departures: a ledger's span is called ``ledger <operation>``
because its statements differ from store to store, and a name shows a template where a routing key is free text.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, assert_never
from urllib.parse import urlsplit

from callmq_contracts.catalog import CATALOG
from callmq_contracts.envelope import Envelope
from callmq_contracts.reply import REPLY_TYPE
from callmq_worker.core.outcome import Answer, Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.publications import Publication
from callmq_worker.core.redact import mask_url

Attributes: TypeAlias = Mapping[str, str | int | float | bool]

DEFAULT_DESTINATION: Final = "amq.default"
_ERRORS_FROM: Final = 400
_PORTS: Final = {"http": 80, "https": 443}
_REPLY_KEY: Final = "{app_id}.{command}.{outcome}"
_BROKER_NAMED: Final = "amq."


def destination(exchange: str, routing_key: str, queue: str = "") -> str:
    """Return ``messaging.destination.name`` in RabbitMQ's form ``exchange:routing key:queue``, empty parts left out."""
    parts = [exchange, routing_key, "" if queue == routing_key else queue]
    return ":".join(part for part in parts if part) or DEFAULT_DESTINATION


def delivery(
    exchange: str,
    queue: str,
    envelope: Envelope,
    size: int,
    *,
    redelivered: bool = False,
    delivery_tag: int | None = None,
) -> tuple[str, Attributes]:
    """Return name and attributes of the consumer span of one delivery; ``size`` of the body in bytes."""
    key = envelope.routing_key
    template = None if key in CATALOG or not key else destination(exchange, "*", queue)
    attributes = _message("process", destination(exchange, key, queue), template, key)
    attributes["messaging.message.body.size"] = size
    attributes["callmq.account"] = envelope.account
    attributes["callmq.redelivered"] = redelivered
    if envelope.message_id:
        attributes["messaging.message.id"] = envelope.message_id
    if envelope.correlation_id:
        attributes["messaging.message.conversation_id"] = envelope.correlation_id
    if delivery_tag is not None:
        attributes["messaging.rabbitmq.message.delivery_tag"] = delivery_tag
    return f"process {template or destination(exchange, key, queue)}", attributes


def publication(message: Publication) -> tuple[str, Attributes]:
    """Return name and attributes of the producer span of one publication."""
    exchange, key = message.exchange, message.routing_key
    template = None
    if message.type == REPLY_TYPE:
        template = destination(exchange, _REPLY_KEY) if exchange else "{reply_to}"
    attributes = _message("send", destination(exchange, key), template, key)
    attributes["messaging.message.body.size"] = len(message.body)
    if message.correlation_id and message.type != REPLY_TYPE:  # a reply without one is correlated by its key
        attributes["messaging.message.conversation_id"] = message.correlation_id
    if not exchange and key.startswith(_BROKER_NAMED):
        attributes["messaging.destination.anonymous"] = True
        attributes["messaging.destination.temporary"] = True
    return f"send {template or destination(exchange, key)}", attributes


def _message(operation: str, name: str, template: str | None, routing_key: str) -> dict[str, str | int | float | bool]:
    attributes: dict[str, str | int | float | bool] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": name,
    }
    if template:
        attributes["messaging.destination.template"] = template
    if routing_key:
        attributes["messaging.rabbitmq.destination.routing_key"] = routing_key
    return attributes


def request(url: str, resend: int = 0) -> tuple[str, Attributes]:
    """Return name and attributes of the client span of one POST; ``resend`` counts the attempts before it."""
    parts = urlsplit(url)
    attributes: dict[str, str | int | float | bool] = {
        "http.request.method": "POST",
        "url.full": mask_url(url),
        "server.address": parts.hostname or "",
        "server.port": parts.port or _PORTS.get(parts.scheme, 0),
    }
    if resend > 0:
        attributes["http.request.resend_count"] = resend
    return "POST", attributes


def answer(came_back: Answer) -> tuple[Attributes, str | None]:
    """Return what an answer adds to its client span, and the ``error.type`` where it is an error.

    Errors: ``not_sent``, ``no_answer``, and the status of 4xx and 5xx as text. A withheld request is none.
    """
    match came_back:
        case Answered(status):
            error = str(status) if status >= _ERRORS_FROM else None
            return {"http.response.status_code": status}, error
        case NotSent():
            return {}, "not_sent"
        case NoAnswer():
            return {}, "no_answer"
        case Withheld():
            return {"callmq.withheld": True}, None
        case _:
            assert_never(came_back)


def ledger(operation: str, system: str) -> tuple[str, Attributes]:
    """Return name and attributes of a ledger's span; ``system`` as the conventions name it (``sqlite``...)."""
    return f"ledger {operation}", {"db.operation.name": operation, "db.system.name": system}
