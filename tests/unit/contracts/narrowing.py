"""Where a newer JSON Schema takes less than an older one: by structure, so that it needs no bodies to find it.

It is on the safe side: what it can't compare (another pattern, another format) counts as taking less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

LOWEST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
HIGHEST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
SAME = ("pattern", "format", "not")
UNIONS = ("oneOf", "anyOf")
SILENT = ("$schema", "$id", "$defs", "title", "description", "default", "examples")
READ = (*LOWEST, *HIGHEST, *SAME, *UNIONS, "type", "const", "enum", "required", "properties", "additionalProperties")
KNOWN = {*READ, *SILENT, "items", "propertyNames", "allOf", "$ref"}
NO_LENGTH = {"minLength": 0, "minItems": 0, "minProperties": 0}


@dataclass(frozen=True)
class Place:
    """Two documents, in which references are looked up, and the path that was walked."""

    old: Mapping[str, Any]
    new: Mapping[str, Any]
    path: str = ""
    seen: frozenset = frozenset()

    def inside(self, step: str) -> Place:
        return replace(self, path=f"{self.path}.{step}".lstrip("."))

    def says(self, what: str) -> str:
        return f"{self.path or 'all of it'}: {what}"


def narrowings(old: Any, new: Any, place: Place) -> Iterator[str]:
    """Yield what the schema ``new`` refuses though ``old`` takes it; nothing where it takes at least as much."""
    pair = (reference_of(old), reference_of(new))
    if pair != (None, None):
        if pair in place.seen:  # a recursive model: it is being compared already
            return
        place = replace(place, seen=place.seen | {pair})
    old, new = resolved(old, place.old), resolved(new, place.new)
    if new is True or new == {} or old is False:
        return
    if new is False:
        yield place.says("nothing is taken any more")
        return
    old = {} if old is True else old
    unknown = {key for key in (*old, *new) if key not in KNOWN and not key.startswith("x-")}
    assert not unknown, f"this comparison does not know {sorted(unknown)}"
    yield from _values(old, new, place)
    yield from _bounds(old, new, place)
    yield from _objects(old, new, place)
    yield from _combinations(old, new, place)


def reference_of(schema: Any) -> str | None:
    """Return where a reference, or an ``allOf`` of nothing but one, points to."""
    if not isinstance(schema, dict):
        return None
    parts = schema.get("allOf", ())
    return schema.get("$ref") or (parts[0].get("$ref") if len(parts) == 1 else None)


def resolved(schema: Any, document: Mapping[str, Any]) -> Any:
    """Return the schema that a reference stands for."""
    while reference := reference_of(schema):
        schema = document
        for step in reference.removeprefix("#/").split("/"):
            schema = schema[step]
    return schema


def _types(schema: Mapping[str, Any]) -> set[str] | None:
    given = schema.get("type")
    found = {given} if isinstance(given, str) else set(given) if given else None
    return found | {"integer"} if found and "number" in found else found


def _words(schema: Mapping[str, Any]) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _values(old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[str]:
    were, are = _types(old), _types(new)
    if are is not None and (were is not None or _words(old) is None) and (were is None or not were <= are):
        yield place.says(f"only {' or '.join(sorted(are))} is taken")
    old_words, new_words = _words(old), _words(new)
    if new_words is not None:
        if old_words is None:
            yield place.says("only some words are taken")
        else:
            yield from (place.says(f"the word {word!r} is gone") for word in old_words if word not in new_words)
    for key in SAME:
        if key in new and new[key] != old.get(key):
            yield place.says(f"another {key}")


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[str]:
    for key in LOWEST:
        was = old.get(key, NO_LENGTH.get(key))
        if key in new and (was is None or new[key] > was):
            yield place.says(f"{key} is {new[key]}, was {was}")
    for key in HIGHEST:
        was = old.get(key)
        if key in new and (was is None or new[key] < was):
            yield place.says(f"{key} is {new[key]}, was {was}")


def _objects(old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[str]:
    for key in new.get("required", ()):
        if key not in old.get("required", ()):
            yield place.says(f"{key} is required")
    were, are = old.get("properties", {}), new.get("properties", {})
    others_were, others_are = old.get("additionalProperties", True), new.get("additionalProperties", True)
    for key, was in were.items():
        if key not in are and others_are is False:
            yield place.says(f"{key} is gone")
        else:
            yield from narrowings(was, are.get(key, others_are), place.inside(key))
    if others_were is not False:
        for key in are.keys() - were.keys():
            yield from narrowings(others_were, are[key], place.inside(key))
        yield from narrowings(others_were, others_are, place.inside("*"))
    if "propertyNames" in new:
        yield from narrowings(old.get("propertyNames", {}), new["propertyNames"], place.inside("(names)"))
    if "items" in new:
        yield from narrowings(old.get("items", {}), new["items"], place.inside("[]"))


def _combinations(old: Mapping[str, Any], new: Mapping[str, Any], place: Place) -> Iterator[str]:
    parts = old.get("allOf", [])
    for rule in new.get("allOf", ()):
        found = [list(narrowings(part, rule, place)) for part in (*parts, old)]
        if all(found):
            yield from min(found, key=len)
    for key in UNIONS:
        if key in new:
            yield from _branches(old, new[key], place)
    if not any(key in new for key in UNIONS):
        for key in UNIONS:
            for branch in old.get(key, ()):
                if _types(old) is None:  # else the branches are rules about one kind of value, taken away
                    yield from narrowings(branch, new, place)


def _branches(old: Mapping[str, Any], branches: list[Any], place: Place) -> Iterator[str]:
    """Each old branch must fit into a new one; an old schema without branches is the only branch."""
    were = next((old[key] for key in UNIONS if key in old), [old])
    for branch in were:
        found = [list(narrowings(branch, each, place)) for each in branches]
        if all(found):
            yield from min(found, key=len)
