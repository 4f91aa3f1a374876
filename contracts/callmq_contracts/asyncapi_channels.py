"""Channels and operations of the AsyncAPI document: exchanges, queues, and who does what with them."""

from collections.abc import Iterable
from typing import Any, Final

from callmq_contracts.catalog import CATALOG
from callmq_contracts.names import Names
from callmq_contracts.problem import ProblemCode
from callmq_contracts.reply import OutcomeName
from callmq_contracts.schema_wire import DEAD

_VERSION: Final = {"bindingVersion": "0.3.0"}

CHANNELS_OF_COPIES: Final = (
    (
        "deadLetter",
        "Dead letter",
        "A command that will never be done, kept for those who operate.",
        "DeadLetterHeaders",
    ),
    ("parkedCommand", "Parked command", "A command that may have been done, kept for a decision.", "ParkedHeaders"),
)
"""Message, title, summary and headers of the copies that are kept."""


def reference(*steps: str) -> dict[str, str]:
    """Return a reference into the document."""
    return {"$ref": "#/" + "/".join(steps)}


def channels(names: Names) -> dict[str, Any]:
    """Return the channels under ``names``."""
    return {
        "commands": _commands(names),
        "replies": _replies(names),
        "directReplies": {
            "address": None,
            "title": "Direct replies",
            "description": "The queue that a command's `reply_to` names, by way of the default exchange.",
            "messages": _messages("reply"),
            "bindings": {"amqp": {"is": "routingKey", "exchange": {"name": "", "type": "default"}, **_VERSION}},
        },
        "dead": _dead(names),
        "unknown": {
            "address": names.unknown,
            "title": "Parked commands",
            "description": "Commands whose outcome is unknown, parked for a decision.",
            "messages": _messages("parkedCommand"),
            "bindings": {"amqp": {"is": "queue", "queue": _durable(names.unknown, exclusive=False), **_VERSION}},
        },
    }


def _commands(names: Names) -> dict[str, Any]:
    return {
        "address": "{command}",
        "title": "Commands",
        "description": "The exchange to which producers publish; the routing key is the command's name. A key that no "
        "lane takes is answered as well: `unknown_command`.",
        "messages": _messages(*CATALOG),
        "parameters": {"command": _words("The name of the command.", CATALOG, "$message.payload#/command")},
        "bindings": _topic(names.commands),
    }


def _replies(names: Names) -> dict[str, Any]:
    return {
        "address": "{app_id}.{command}.{outcome}",
        "title": "Replies",
        "description": "The exchange of the replies. Bind a queue of your own: `billing.#`, `*.dial.*`, `#.unknown`.",
        "messages": _messages("reply"),
        "parameters": {
            "app_id": {"description": "The producing service, its dots as `_`, cut at 64 bytes; `-` without one."},
            "command": {"description": "The name of the command; `-` where it could not be read."},
            "outcome": _words("How the command ended.", OutcomeName, "$message.payload#/outcome"),
        },
        "bindings": _topic(names.replies),
    }


def _dead(names: Names) -> dict[str, Any]:
    return {
        "address": "{outcome}.{code}",
        "title": "Dead letters",
        "description": f"What will never be done. The queue `{names.dead}` takes all of it.",
        "messages": _messages("deadLetter"),
        "parameters": {
            "outcome": _words("How the command ended.", DEAD, "$message.header#/callmq-outcome"),
            "code": _words("The code of the reply's problem.", ProblemCode, "$message.header#/callmq-code"),
        },
        "bindings": _topic(names.dead),
    }


def _messages(*names: str) -> dict[str, Any]:
    return {name: reference("components", "messages", name) for name in names}


def _words(description: str, words: Iterable[str], location: str) -> dict[str, Any]:
    return {"description": description, "enum": [str(word) for word in words], "location": location}


def _topic(name: str) -> dict[str, Any]:
    return {"amqp": {"is": "routingKey", "exchange": {**_durable(name), "type": "topic"}, **_VERSION}}


def _durable(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "durable": True, "autoDelete": False, **more}


def operations() -> dict[str, Any]:
    """Return what a producer, and whoever operates, does with the channels."""
    return {
        "sendCommand": {
            "action": "send",
            "title": "Send a command",
            "description": "Persistent, mandatory, with publisher confirms. On a timeout or a lost connection publish "
            "again with the same `idempotency-key` and a new `message_id`.",
            "channel": reference("channels", "commands"),
            "bindings": {"amqp": {"deliveryMode": 2, "mandatory": True, "timestamp": True, **_VERSION}},
            "reply": {
                "address": {
                    "location": "$message.header#/reply_to",
                    "description": "The AMQP property `reply_to`, which is no header.",
                },
                "channel": reference("channels", "directReplies"),
                "messages": [reference("channels", "directReplies", "messages", "reply")],
            },
        },
        "receiveReply": _receive("replies", "Receive replies", "Drop repeats by `reply_id`."),
        "receiveDeadLetter": _receive(
            "dead",
            "Look at dead letters",
            "For those who operate: bodies may hold passwords. `callmq dead` replays them.",
        ),
        "receiveParkedCommand": _receive(
            "unknown", "Look at parked commands", "For those who operate. `callmq unknown` resolves them."
        ),
    }


def _receive(channel: str, title: str, description: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "title": title,
        "description": description,
        "channel": reference("channels", channel),
        "bindings": {"amqp": {"ack": True, **_VERSION}},
    }
