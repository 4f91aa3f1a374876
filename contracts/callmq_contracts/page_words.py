"""What a JSON Schema asks of a value, in words."""

from collections.abc import Mapping
from typing import Any, Final

from callmq_contracts.formats import FORMS
from callmq_contracts.schema_walk import Schema, target

_TYPES: Final[Mapping[str, str]] = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
    "array": "list",
    "null": "null",
}
Names = Mapping[str, str]


def worded(schema: Schema, links: Names) -> str:
    """Return the type and the bounds of a value. ``links`` are the places of models that have their own table."""
    model = target(schema)
    if model is not None:
        return links.get(model, "object")
    for branches in ("oneOf", "anyOf"):
        if branches in schema and "type" not in schema:
            return ", or ".join(dict.fromkeys(worded(each, links) for each in schema[branches]))
    if "const" in schema:
        return _quoted(schema["const"])
    if "enum" in schema:
        return _one_of(schema["enum"])
    return _typed(schema, links)


def _typed(schema: Schema, links: Names) -> str:
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer" | "number" as kind:
            return " ".join(filter(None, (_TYPES[kind], _bounds(schema))))
        case "array":
            inner = worded(schema.get("items", {}), links)
            return f"list of: {inner}" + (" (at least one)" if schema.get("minItems") else "")
        case "object":
            return _object(schema, links)
        case list() as kinds:
            return " or ".join(_TYPES[kind] for kind in kinds)
        case None:
            return "anything"
        case kind:
            return _TYPES[kind]


def _text(schema: Schema) -> str:
    if schema.get("pattern") in FORMS:
        _code, sentence = FORMS[schema["pattern"]]
        return f"text: {sentence.removeprefix('must be ')}"
    if schema.get("format") == "ipv4":
        return "text: a public IPv4 address"
    if schema.get("format") == "date-time":
        return "text: an RFC 3339 time"
    return "text, not empty" if schema.get("minLength") else "text"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"from {low} to {high}"
    if low is not None:
        return f"of at least {low}"
    if high is not None:
        return f"of at most {high}"
    return f"of more than {above}" if (above := schema.get("exclusiveMinimum")) is not None else ""


def _object(schema: Schema, links: Names) -> str:
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict):
        most = f" (at most {schema['maxProperties']})" if "maxProperties" in schema else ""
        return f"object with keys of your own{most}, each: {worded(inner, links)}"
    needed = "".join(f" with {_quoted(key)}" for key in schema.get("required", ()))
    return f"object{needed}; its inside is yours"


def _one_of(words: list[Any]) -> str:
    return ", ".join(_quoted(word) for word in words[:-1]) + (" or " if len(words) > 1 else "") + _quoted(words[-1])


def _quoted(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else "null" if value is None else f"`{value}`"


def default_of(schema: Schema) -> str:
    """Return the default in words: empty without one."""
    match schema.get("default"):
        case None:
            return ""
        case bool() as value:
            return f"`{str(value).lower()}`"
        case list() as values:
            return ", ".join(_quoted(each) for each in values)
        case value:
            return _quoted(value)
