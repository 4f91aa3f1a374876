"""The AsyncAPI 3.0 document: what a producer sends, and what it may receive."""

from typing import Any, Final

from callmq_contracts import envelope as wire
from callmq_contracts.asyncapi_channels import CHANNELS_OF_COPIES, channels, operations, reference
from callmq_contracts.catalog import CATALOG, Entry
from callmq_contracts.examples import EXAMPLES
from callmq_contracts.names import Names
from callmq_contracts.reply import REPLY_TYPE, OutcomeName
from callmq_contracts.schema import VERSION, always_needs_key, body_schema, kinds, leniencies
from callmq_contracts.schema_reply import REPLIES, reply_schema
from callmq_contracts.schema_walk import Schema, referring_to
from callmq_contracts.schema_wire import (
    DEAD,
    WIRE_VERSION,
    command_headers,
    command_properties,
    copy_headers,
    reply_headers,
    reply_properties,
)
from callmq_contracts.text import MAX_BODY_BYTES, MAX_NESTING

_SCHEMAS: Final = "#/components/schemas/"
_CORRELATED: Final = {
    "location": "$message.header#/correlation_id",
    "description": "The AMQP property `correlation_id`, which is no header: AsyncAPI has no expression for properties.",
}
_ABOUT: Final = f"""\
Call commands through RabbitMQ. What you would POST to the endpoint is what you publish; everything about delivery
stands in AMQP properties and headers. Any AMQP 0-9-1 client in any language is a producer.

This document is written from the producer's side. Publish persistent and mandatory, with publisher confirms, to the
exchange of the channel `commands`; the routing key is the command's name. Each command gets one reply. A body has at
most {MAX_BODY_BYTES} bytes of UTF-8 JSON, nested at most {MAX_NESTING} levels deep, with no `content_encoding`.

`x-amqp-properties` at a message describes its AMQP properties. `x-callmq` at a command says its class (what a second
sending would do), its default lifetime in seconds, its order among the commands of its call, its leniencies,
and the class of each example.\
"""


def asyncapi(names: Names | None = None) -> dict[str, Any]:
    """Return the document for the exchanges and queues under ``names``; the default prefix without."""
    names = names or Names()
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:callmq:v{WIRE_VERSION}",
        "info": {
            "title": "callmq",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": wire.CONTENT_TYPE,
        "servers": {"broker": _broker()},
        "channels": channels(names),
        "operations": operations(),
        "components": {
            "schemas": _schemas(),
            "messages": {**{name: _command(name) for name in CATALOG}, **_answers()},
            "securitySchemes": {
                "user": {"type": "userPassword", "description": "A user of the broker; with TLS also a certificate."}
            },
        },
    }


def _broker() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "amqp",
        "protocolVersion": "0-9-1",
        "description": "Your RabbitMQ, 3.10 or newer; `amqps` with TLS.",
        "variables": {"host": {"default": "localhost:5672", "description": "Host and port."}},
        "security": [reference("components", "securitySchemes", "user")],
    }


def _schemas() -> dict[str, Schema]:
    """Return all models of all bodies in one room: a model of one name is the same wherever it occurs."""
    found: dict[str, Schema] = {
        "CommandHeaders": command_headers(key_required=False),
        "KeyedCommandHeaders": command_headers(key_required=True),
        "CommandProperties": command_properties(),
        "ReplyProperties": reply_properties(REPLY_TYPE),
        "Reply": {key: value for key, value in reply_schema().items() if key not in {"title", "examples"}},
        "ReplyHeaders": reply_headers(),
        "DeadLetterHeaders": copy_headers(*DEAD),
        "ParkedHeaders": copy_headers(OutcomeName.UNKNOWN),
        "AnyBody": {"description": "The body as it was published: of a dead letter, it may be no JSON at all."},
    }
    for name, entry in CATALOG.items():
        schema = referring_to(body_schema(name), _SCHEMAS)
        models = {**schema.pop("$defs"), entry.model.__name__: schema}
        for model, its_schema in models.items():
            if found.setdefault(model, its_schema) != its_schema:
                raise ValueError(f"two different schemas are named {model}")
    return found


def _command(name: str) -> dict[str, Any]:
    entry = CATALOG[name]
    headers = "KeyedCommandHeaders" if always_needs_key(entry) else "CommandHeaders"
    return {
        "name": name,
        "title": name,
        "summary": body_schema(name)["description"],
        "contentType": wire.CONTENT_TYPE,
        "headers": {"$ref": f"{_SCHEMAS}{headers}"},
        "payload": {"$ref": f"{_SCHEMAS}{entry.model.__name__}"},
        "correlationId": _CORRELATED,
        "bindings": {"amqp": {"bindingVersion": "0.3.0"}},
        "examples": [_example(entry, count, body) for count, body in enumerate(EXAMPLES[name], 1)],
        "x-amqp-properties": {"$ref": f"{_SCHEMAS}CommandProperties"},
        "x-callmq": {
            "classes": [{"class": kind.safety.value, "lifetime": kind.lifetime} for kind in kinds(entry)],
            "order": entry.order.value,
            "leniencies": list(leniencies(entry)),
            "examples": [entry.classify(body["params"])[0].value for body in EXAMPLES[name]],
        },
    }


def _example(entry: Entry, count: int, body: dict[str, Any]) -> dict[str, Any]:
    safety, lifetime = entry.classify(body["params"])
    return {
        "name": f"{entry.name}-{count}",
        "summary": f"Class {safety.value}, lifetime {lifetime:g} s.",
        "headers": {wire.IDEMPOTENCY_KEY: f"order-17-{entry.name}-{count}"},
        "payload": body,
    }


def _answers() -> dict[str, Any]:
    reply = {
        "name": "reply",
        "title": "Reply",
        "summary": "How a command ended.",
        "contentType": wire.CONTENT_TYPE,
        "headers": {"$ref": f"{_SCHEMAS}ReplyHeaders"},
        "payload": {"$ref": f"{_SCHEMAS}Reply"},
        "correlationId": _CORRELATED,
        "bindings": {"amqp": {"messageType": REPLY_TYPE, "bindingVersion": "0.3.0"}},
        "examples": [{"name": each.outcome.value, "payload": each.as_dict()} for each in REPLIES],
        "x-amqp-properties": {"$ref": f"{_SCHEMAS}ReplyProperties"},
    }
    copies = {
        name: {
            "name": name,
            "title": title,
            "summary": summary,
            "headers": {"$ref": f"{_SCHEMAS}{headers}"},
            "payload": {"$ref": f"{_SCHEMAS}AnyBody"},
            "correlationId": _CORRELATED,
            "bindings": {"amqp": {"bindingVersion": "0.3.0"}},
        }
        for name, title, summary, headers in CHANNELS_OF_COPIES
    }
    return {"reply": reply, **copies}
