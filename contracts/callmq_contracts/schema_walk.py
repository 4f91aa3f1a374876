"""Walk through JSON Schemas: every place in which another schema stands."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Schema = dict[str, Any]

MAPS: Final = ("$defs", "properties")
LISTS: Final = ("allOf", "anyOf", "oneOf")
SINGLES: Final = ("items", "additionalProperties", "propertyNames", "not")

_ORDER: Final = (
    *("$schema", "$id", "$ref", "title", "description", "type", "const", "enum", "default"),
    *("required", "properties", "additionalProperties", "propertyNames", "items", *LISTS, "not"),
)
_LAST: Final = ("examples", "$defs")


def rewritten(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a copy in which each schema went through ``change``, the innermost first. ``true`` and ``false`` stay."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in MAPS:
        if key in made:
            made[key] = {name: rewritten(inner, change) for name, inner in made[key].items()}
    for key in LISTS:
        if key in made:
            made[key] = [rewritten(inner, change) for inner in made[key]]
    for key in SINGLES:
        if key in made:
            made[key] = rewritten(made[key], change)
    return change(made)


def tidied(schema: Schema) -> Schema:
    """Return a model's schema for readers: no titles made of key names, Markdown in descriptions, keys in one order."""
    made: Schema = rewritten(schema, _tidy)
    for name, model in made.get("$defs", {}).items():
        made["$defs"][name] = ordered({**model, "title": name})
    return made


def _tidy(schema: Schema) -> Schema:
    made = {key: value for key, value in schema.items() if key != "title"}
    if "description" in made:
        made["description"] = " ".join(made["description"].split()).replace("``", "`")
    if "const" in made:
        made.pop("default", None)
    return ordered(made)


def ordered(schema: Schema) -> Schema:
    """Return the schema with its keywords in the order in which people read them."""
    rank = {key: place for place, key in enumerate(_ORDER)}
    rank |= {key: len(_ORDER) + 1 + place for place, key in enumerate(_LAST)}
    return dict(sorted(schema.items(), key=lambda item: rank.get(item[0], len(_ORDER))))


def referring_to(schema: Schema, prefix: str) -> Schema:
    """Return a copy that looks for its models under ``prefix`` instead of ``#/$defs/``.

    What stands beside a reference is kept by ``allOf``: in older drafts a reference hides its neighbours.
    """

    def change(inner: Schema) -> Schema:
        if "$ref" not in inner:
            return inner
        reference = {"$ref": prefix + inner["$ref"].removeprefix("#/$defs/")}
        beside = {key: value for key, value in inner.items() if key != "$ref"}
        return {**beside, "allOf": [reference]} if beside else reference

    made: Schema = rewritten(schema, change)
    return made


def target(schema: Mapping[str, Any]) -> str | None:
    """Return the name of the model that a schema refers to, directly or by an ``allOf`` of one."""
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return target(schema["allOf"][0])
    return str(schema["$ref"]).rsplit("/", 1)[-1] if "$ref" in schema else None
