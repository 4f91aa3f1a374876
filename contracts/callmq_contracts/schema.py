"""The published JSON Schemas (2020-12): the body of each command, the reply, and the headers around them."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from callmq_contracts.catalog import CATALOG, CATALOG_DATE, Entry
from callmq_contracts.command import Safety
from callmq_contracts.examples import EXAMPLES
from callmq_contracts.reply import OutcomeName
from callmq_contracts.schema_reply import reply_schema
from callmq_contracts.schema_rules import LENIENT, PROSE
from callmq_contracts.schema_walk import Schema, ordered, tidied
from callmq_contracts.schema_wire import DEAD, WIRE_VERSION, command_headers, copy_headers, reply_headers

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
VERSION: Final = f"{WIRE_VERSION}+{CATALOG_DATE}"
"""The version of the wire, and the day of the endpoint's description that the catalogue follows."""
NEEDS_KEY: Final = (Safety.GUARDED, Safety.UNSAFE)
"""The classes of which a command without an idempotency key is rejected."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class that a command can have, with its default lifetime in seconds."""

    safety: Safety
    lifetime: float


def kinds(entry: Entry) -> tuple[Kind, ...]:
    """Return the classes and lifetimes that a command's bodies can have; the examples show all of them."""
    found = (Kind(*entry.classify(body["params"])) for body in EXAMPLES[entry.name])
    return tuple(dict.fromkeys(found))


def always_needs_key(entry: Entry) -> bool:
    """Tell whether a command without an idempotency key is rejected whatever its body is."""
    return all(kind.safety in NEEDS_KEY for kind in kinds(entry))


def leniencies(entry: Entry) -> tuple[str, ...]:
    """Return the names of the leniencies that a command has."""
    return tuple(
        name for name, rule in LENIENT.items() if rule.command == entry.name or (rule.command is None and entry.starts)
    )


@cache
def _body_schema(name: str) -> Schema:
    schema = tidied(CATALOG[name].model.model_json_schema())
    if name in PROSE:
        PROSE[name](schema["$defs"])
    keys = [key for key in ("command", "id", "params") if key in schema["properties"]]
    schema["properties"] = {key: schema["properties"][key] for key in keys}
    schema["required"] = keys
    return schema


def body_schema(name: str) -> Schema:
    """Return the schema of a command's body, without ``$id`` and examples; its models are in ``$defs``."""
    return copy.deepcopy(_body_schema(name))


def command_schema(name: str) -> Schema:
    """Return the published schema of a command's body."""
    entry = CATALOG[name]
    about: dict[str, Any] = {
        "classes": [{"class": kind.safety.value, "lifetime": kind.lifetime} for kind in kinds(entry)],
        "order": entry.order.value,
        "leniencies": list(leniencies(entry)),
    }
    examples = copy.deepcopy(list(EXAMPLES[name]))
    return _published(name, {**body_schema(name), "title": name, "examples": examples, "x-callmq": about})


def _published(name: str, schema: Schema) -> Schema:
    return ordered({"$schema": DIALECT, "$id": f"urn:callmq:v{WIRE_VERSION}:{name}", **schema})


AROUND: Final[Mapping[str, Schema]] = MappingProxyType(
    {
        "reply": reply_schema(),
        "command.headers": {"title": "CommandHeaders", **command_headers(key_required=False)},
        "reply.headers": {"title": "ReplyHeaders", **reply_headers()},
        "dead.headers": {"title": "DeadLetterHeaders", **copy_headers(*DEAD)},
        "unknown.headers": {"title": "ParkedHeaders", **copy_headers(OutcomeName.UNKNOWN)},
    }
)
"""The schemas that belong to no single command, by name."""

NAMES: Final = (*CATALOG, *AROUND)
"""The names of all published schemas."""


def json_schema(name: str) -> Schema:
    """Return the published schema of a command, or of one of `AROUND`; raises KeyError for another name."""
    return command_schema(name) if name in CATALOG else _published(name, copy.deepcopy(dict(AROUND[name])))
