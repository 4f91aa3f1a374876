"""JSON Schemas of what stands around a body: headers and properties of commands, and of dead and parked copies."""

from typing import Any, Final

from callmq_contracts import envelope as wire
from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_contracts.problem import ProblemCode
from callmq_contracts.reply import OutcomeName
from callmq_contracts.schema_walk import Schema

WIRE_VERSION: Final = 1
"""Raised when messages that were accepted may be refused, or replies may say what they could not."""

DEAD: Final = (OutcomeName.REJECTED, OutcomeName.FAILED, OutcomeName.EXPIRED)
_LAST_MILLISECOND: Final = 253_402_300_799_000
_TEXT: Final = "^[^\\x00-\\x1f\\x7f]{1,255}$"
_PRIORITY: Final[Schema] = {
    "type": "string",
    "enum": [p.value for p in wire.Priority],
    "default": wire.Priority.NORMAL.value,
    "description": "Which dials of an account go first. Of no meaning for other commands.",
}
_TRACE: Final[Schema] = {
    "traceparent": {"type": "string", "description": "W3C Trace Context: the span that published."},
    "tracestate": {"type": "string", "description": "W3C Trace Context."},
    "baggage": {"type": "string", "description": "W3C Baggage."},
}


def _text(description: str, pattern: str, *examples: str) -> Schema:
    return {"type": "string", "description": description, "pattern": pattern, "examples": list(examples)}


def _short(description: str) -> Schema:
    return {"type": "string", "description": description, "maxLength": 255}


def command_headers(*, key_required: bool) -> Schema:
    """Return the schema of a command's headers. Other headers than these are ignored."""
    properties: Schema = {
        wire.IDEMPOTENCY_KEY: _text(
            "The name of the intention: the same key never acts twice. 1 to 255 visible ASCII characters.",
            "^[\\x21-\\x7e]{1,255}$",
            "order-17-dial-1",
        ),
        wire.EXPIRES_AT: {
            "description": "The command is not dispatched after it: an RFC 3339 time with a zone, or whole "
            "milliseconds since the epoch. Without it, the command's default lifetime counts from `timestamp`.",
            "oneOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 0, "maximum": _LAST_MILLISECOND},
            ],
            "examples": ["2026-12-24T18:00:00Z", 1798135200000],
        },
        wire.ACCOUNT: _text(
            "Which configured account sends it; `default` when absent.", "^[A-Za-z0-9._-]{1,64}$", DEFAULT_ACCOUNT
        ),
        wire.CAMPAIGN: _text("Groups commands; copied to the reply.", _TEXT, "spring"),
        wire.PRIORITY: _PRIORITY,
        wire.CALL_ID: _text(
            "A copy of the body's call id; another one than the body's is refused.",
            "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
            "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21",
        ),
        **_TRACE,
    }
    return {
        "type": "object",
        "description": "AMQP headers of a command. Others are ignored, apart from `CC` and `BCC`, which are refused: a "
        "copy would be a second command.",
        **({"required": [wire.IDEMPOTENCY_KEY]} if key_required else {}),
        "properties": properties,
        "not": {"anyOf": [{"required": ["CC"]}, {"required": ["BCC"]}]},
    }


def command_properties() -> Schema:
    """Return the schema of a command's AMQP properties, under their AMQP names."""
    return {
        "type": "object",
        "description": "AMQP properties of a command (they are no headers).",
        "required": ["delivery_mode", "message_id"],
        "properties": {
            "content_type": {
                "type": "string",
                "description": "`application/json`, or absent.",
                "default": wire.CONTENT_TYPE,
            },
            "delivery_mode": {"const": 2, "description": "Persistent."},
            "message_id": _short("Unique for each publish; never the idempotency key."),
            "timestamp": {"type": "integer", "description": "When it was published: default lifetimes count from it."},
            "correlation_id": _short("Copied to the reply; without it the reply carries the idempotency key."),
            "reply_to": _text(
                "A queue that gets the reply directly, besides the reply exchange.", _TEXT, "billing-replies"
            ),
            "app_id": _short("The producing service: the first word of the reply's routing key."),
            "user_id": _short(
                "The broker's user, which the broker checks. Needed where the account lists its producers."
            ),
            "expiration": {
                "type": "string",
                "description": "Milliseconds, as text. The earlier of it and `expires-at` counts.",
                "pattern": "^[0-9]+$",
            },
        },
        "not": {"required": ["content_encoding"]},
    }


def reply_properties(reply_type: str) -> Schema:
    """Return the schema of a reply's AMQP properties."""
    return {
        "type": "object",
        "description": "AMQP properties of a reply (they are no headers).",
        "required": ["content_type", "message_id", "type"],
        "properties": {
            "content_type": {"const": wire.CONTENT_TYPE},
            "type": {"const": reply_type, "description": "The kind and the version of the body."},
            "message_id": _short("Unique for each publish; repeats are known by the body's `reply_id`."),
            "correlation_id": _short("The command's own, or its idempotency key where it had none."),
        },
    }


def reply_headers() -> Schema:
    """Return the schema of a reply's headers."""
    return {"type": "object", "description": "AMQP headers of a reply.", "properties": dict(_TRACE)}


def copy_headers(*outcomes: OutcomeName) -> Schema:
    """Return the schema of the headers of a dead letter or a parked copy."""
    published = (*wire.PUBLISHED, *wire.TRACE_HEADERS)
    return {
        "type": "object",
        "description": "AMQP headers of a copy that is kept. The body is the published one, byte for byte, cut at 256 "
        "KiB. Where the broker itself moved the message (`failed.delivery_limit`), the headers that begin with "
        "`callmq-` are absent and its own `x-death` is there.",
        "properties": {
            **{name: _as_published(name) for name in published},
            wire.RECEIVED_AT: {
                "type": "integer",
                "description": "When it was first received: milliseconds since the epoch.",
            },
            "callmq-routing-key": {"type": "string", "description": "The routing key it was published with."},
            wire.USER_ID: {"type": "string", "description": "The `user_id` it was published with."},
            "callmq-outcome": {"enum": [each.value for each in outcomes], "description": "How the command ended."},
            "callmq-code": {"enum": [each.value for each in ProblemCode], "description": "The reply's `problem.code`."},
            "callmq-detail": {"type": "string", "description": "The reply's `problem.detail`."},
            "callmq-reply-id": {"type": "string", "description": "The reply's `reply_id`."},
            wire.TRUNCATED_FROM: {
                "type": "integer",
                "description": "Bytes of the body before it was cut; such a copy can't be replayed.",
            },
        },
    }


def _as_published(name: str) -> dict[str, Any]:
    # A refused header is kept as it came, whatever it was.
    return {"type": ["string", "integer", "boolean"], "description": f"`{name}` as it was published."}
