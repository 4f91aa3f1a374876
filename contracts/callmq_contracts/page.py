"""The reference page for people, in Markdown, made from the catalogue and its schemas."""

from collections.abc import Iterator
from typing import Any, Final

import orjson

from callmq_contracts.catalog import CATALOG, Entry
from callmq_contracts.command import Order, Safety
from callmq_contracts.examples import EXAMPLES
from callmq_contracts.page_words import default_of, worded
from callmq_contracts.schema import AROUND, VERSION, always_needs_key, body_schema, kinds, leniencies
from callmq_contracts.schema_rules import CLASSED, LENIENT
from callmq_contracts.schema_walk import Schema, rewritten, target

_MINUTE: Final = 60
_HOUR: Final = 3600
_SAFETY: Final = {
    Safety.SAFE: "reads only",
    Safety.CONVERGENT: "ends in the same state when it is sent twice",
    Safety.GUARDED: "a second one is refused while the first is active",
    Safety.UNSAFE: "acts again when it is sent twice",
}
_ORDER: Final = {
    Order.NONE: "none: the call does not exist yet",
    Order.CALL: "after the earlier commands of its call",
    Order.OVERTAKES: "overtakes the other commands of its call",
}
_HEAD: Final = f"""\
# Commands

Made from the catalogue by `callmq schema all`: do not edit. Version {VERSION}: the version of the wire, and the day of
the endpoint's description that the catalogue follows. For machines: [asyncapi.json](asyncapi.json), and a JSON Schema
for each command in [schemas](schemas).

Every body has `command` and `params`; most have `id`, the call, beside them. Keys that no table names are refused. A
default is the endpoint's own: it is shown here and never filled in. How to publish is said in
[Publish commands](../producing.md).

The *class* says what a second sending would do, and so what a worker may do in doubt. A guarded or unsafe command
without an idempotency key is rejected. The *lifetime* is the time after which a command is no longer dispatched,
unless `expires-at` says otherwise.
"""


def page() -> str:
    """Return the whole page."""
    classes = (f"- {safety.value}: {meaning}" for safety, meaning in _SAFETY.items())
    lines = [_HEAD, *classes, "", *_index(), "", "## Headers", "", *_around("command.headers"), ""]
    for name in CATALOG:
        lines += [*_command(name), ""]
    lines += ["## Reply", "", *_around("reply"), "", "An example:", "", *_json(AROUND["reply"]["examples"][0])]
    return "\n".join(lines) + "\n"


def _index() -> Iterator[str]:
    yield "| command | class | lifetime | key |"
    yield "|---|---|---|---|"
    for name, entry in CATALOG.items():
        classes, lifetimes = (
            _joined(k.safety.value for k in kinds(entry)),
            _joined(_span(k.lifetime) for k in kinds(entry)),
        )
        yield f"| [`{name}`](#{_anchor(name)}) | {classes} | {lifetimes} | {_key(entry)} |"


def _joined(words: Iterator[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _key(entry: Entry) -> str:
    if always_needs_key(entry):
        return "required"
    return "by class" if len({kind.safety for kind in kinds(entry)}) > 1 else "optional"


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and its kin make of a heading."""
    return heading.lower().replace(".", "").replace("`", "").replace(" ", "-")


def _span(seconds: float) -> str:
    if seconds >= _HOUR:
        return f"{seconds / _HOUR:g} h"
    return f"{seconds / _MINUTE:g} min" if seconds >= _MINUTE else f"{seconds:g} s"


def _command(name: str) -> Iterator[str]:
    entry, schema = CATALOG[name], body_schema(name)
    models: dict[str, Schema] = schema["$defs"]
    places = list(_reached(schema["properties"]["params"], models))
    links = {model: f"[{model}](#{_anchor(f'{name} {model}')})" for model in places}
    yield from (f"## `{name}`", "", schema["description"], "")
    yield from _facts(name, entry)
    yield ""
    if "id" in schema["properties"]:
        yield from ("`id` is required beside `params`: the call.", "")
    for number, model in enumerate(places):
        if number:
            yield from (f"### `{name}` {model}", "")
        yield from (models[model]["description"], "")
        yield from (*_table(models[model], links, models), "")
    yield from (f"Example{'s' * (len(EXAMPLES[name]) > 1)}:", "")
    for body in EXAMPLES[name]:
        yield from (*_json(body), "")


def _facts(name: str, entry: Entry) -> Iterator[str]:
    for kind in kinds(entry):
        yield f"- class {kind.safety.value}: {_SAFETY[kind.safety]}; lifetime {_span(kind.lifetime)}"
    if name in CLASSED:
        yield f"- {CLASSED[name]}"
    yield f"- order: {_ORDER[entry.order]}"
    yield from (f"- leniency `{rule}`: {LENIENT[rule].text}" for rule in leniencies(entry))


def _reached(schema: Schema, models: dict[str, Schema]) -> Iterator[str]:
    """Yield each model that a schema leads to, once, in the order in which a reader meets them."""
    waiting, seen = [target(schema)], set()
    while waiting:
        model = waiting.pop(0)
        if model is None or model in seen:
            continue
        seen.add(model)
        yield model
        waiting += _targets(models[model])


def _targets(schema: Schema) -> list[str | None]:
    found: list[str | None] = []

    def note(inner: Schema) -> Schema:
        found.append(target(inner))
        return inner

    rewritten(schema, note)
    return found


def _around(name: str) -> Iterator[str]:
    yield from (AROUND[name]["description"], "")
    yield from _table(AROUND[name], {}, {})


def _table(schema: Schema, links: dict[str, str], models: dict[str, Schema]) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not properties:
        yield "It takes nothing: `{}`."
        return
    needed = schema.get("required", ())
    yield "| key | required | value | default | |"
    yield "|---|---|---|---|---|"
    for key, value in properties.items():
        about = value.get("description") or models.get(target(value) or "", {}).get("description", "")
        cells = (f"`{key}`", "yes" if key in needed else "", worded(value, links), default_of(value), about)
        yield "| " + " | ".join(cells) + " |"


def _json(body: Any) -> Iterator[str]:
    yield from ("```json", orjson.dumps(body, option=orjson.OPT_INDENT_2).decode(), "```")
