"""What a change takes away from those who wrote against the last released description."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from callmq_contracts import Command, Rejected, decode
from unit.contracts.mutations import mutated, mutations
from unit.contracts.narrowing import Place, narrowings

FOLDER = Path(__file__).parents[3] / "docs" / "reference" / "released"
NEEDS_KEY = {"guarded", "unsafe"}
Document = dict[str, Any]


def last_released() -> tuple[str, Document]:
    """Return the version and the AsyncAPI document of the last release."""
    newest = max(FOLDER.glob("*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])
    return newest.stem, json.loads(newest.read_text())


def wire_version(document: Document) -> int:
    return int(document["info"]["version"].split("+")[0])


def losses(old: Document, new: Document) -> list[str]:
    """Return by structure what ``new`` refuses though ``old`` takes it: nothing where the wire's version was raised."""
    if wire_version(new) > wire_version(old):
        return []
    return [*_addresses(old, new), *_commands(old, new), *_replies(old, new)]


def _addresses(old: Document, new: Document) -> Iterator[str]:
    for name, channel in old["channels"].items():
        now = new["channels"].get(name, {})
        if any(now.get(key) != channel.get(key) for key in ("address", "bindings")):
            yield f"channel {name}: it is elsewhere"


def _commands(old: Document, new: Document) -> Iterator[str]:
    for name in old["channels"]["commands"]["messages"]:
        if name not in new["channels"]["commands"]["messages"]:
            yield f"{name}: the command is gone"
            continue
        was, now = (document["components"]["messages"][name] for document in (old, new))
        for part in ("payload", "headers", "x-amqp-properties"):
            yield from (f"{name} {part}: {loss}" for loss in narrowings(was[part], now[part], Place(old, new)))
        gone = set(was["x-callmq"]["leniencies"]) - set(now["x-callmq"]["leniencies"])
        yield from (f"{name}: the leniency {rule} is gone" for rule in sorted(gone))


def _replies(old: Document, new: Document) -> Iterator[str]:
    """Replies go the other way: who reads them must know all that they may say."""
    was, now = (document["components"]["messages"]["reply"] for document in (old, new))
    for part in ("payload", "headers"):
        yield from (f"reply {part}, as read: {loss}" for loss in narrowings(now[part], was[part], Place(new, old)))


def refusals(old: Document, judge: Callable[..., Command | Rejected] = decode, only: str = "") -> Iterator[str]:
    """Yield what ``judge`` refuses though the released schema takes it: examples, and mutations of them."""
    for name in [only] if only else old["channels"]["commands"]["messages"]:
        validator = _validator(old, name)
        message = old["components"]["messages"][name]
        for example, was in zip(message["examples"], message["x-callmq"]["examples"], strict=True):
            body = example["payload"]
            judged = judge(orjson.dumps(body), key="k")
            if isinstance(judged, Rejected):
                yield f"{name}: the released example {example['name']} is refused"
            elif judged.safety in NEEDS_KEY and was not in NEEDS_KEY:
                yield f"{name}: the released example {example['name']} needs a key now"
            for path, value in mutations(body):
                made = mutated(body, path, value)
                if not validator.is_valid(made):
                    continue
                judged = judge(orjson.dumps(made), key="k")
                if isinstance(judged, Rejected) and not beyond_schema(judged):
                    yield f"{name}: {path} changed: {[error.as_dict() for error in judged.problem.errors]}"


def beyond_schema(rejected: Rejected) -> bool:
    """Tell whether only the bytes of a custom variable are too many: a schema counts characters."""
    errors = [error.as_dict() for error in rejected.problem.errors]
    return bool(errors) and all(
        error["code"] == "out_of_bounds" and error["path"].startswith("params.custom_variables.") for error in errors
    )


def _validator(document: Document, name: str) -> Any:
    payload = document["components"]["messages"][name]["payload"]
    schema = {**payload, "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
