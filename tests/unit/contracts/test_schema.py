"""The published description: kept as it is committed, its examples valid, its verdict ours."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from callmq.cli.schema import documents
from callmq_contracts import ALL_LENIENCIES, CATALOG, EXAMPLES, Command, Names, ProblemCode, Rejected, decode
from callmq_contracts.asyncapi import asyncapi
from callmq_contracts.envelope import Properties, read_envelope
from callmq_contracts.page import page
from callmq_contracts.problem import FieldCode, FieldError, Problem
from callmq_contracts.reply import REPLY_TYPE, OutcomeName, Reply
from callmq_contracts.schema import AROUND, NAMES, always_needs_key, json_schema, kinds
from callmq_contracts.schema_rules import CLASSED, LENIENT
from callmq_contracts.schema_walk import rewritten, target
from callmq_contracts.schema_wire import WIRE_VERSION
from callmq_worker.core.layout import layout
from callmq_worker.core.publications import Message, answers
from unit.contracts.mutations import mutated, mutations
from unit.contracts.released import beyond_schema

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
STRICT = frozenset({"update_status_only"})
CALL = "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"
URL = "https://example.com/a"
DIAL = {"from": "+15550100001", "to": "+15550100002", "url": URL}


def checked(name):
    return jsonschema_rs.Draft202012Validator(json_schema(name), validate_formats=True)


def test_what_is_committed_is_what_the_code_says(monkeypatch):
    monkeypatch.delenv("CALLMQ_PREFIX", raising=False)
    written = documents("all")
    stale = [name for name, text in written.items() if (REFERENCE / name).read_text() != text]
    assert stale == [], "write them anew: callmq schema all --out docs/reference"
    assert {path.name for path in (REFERENCE / "schemas").iterdir()} == {f"{name}.json" for name in NAMES}


def test_there_is_one_for_every_command():
    assert set(NAMES) == set(CATALOG) | set(AROUND)
    assert len({json_schema(name)["$id"] for name in NAMES}) == len(NAMES) == 47


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_schema_and_each_example_is_valid_for_it(name):
    schema = json_schema(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert jsonschema_rs.meta.is_valid(schema)
    validator = checked(name)
    for example in schema.get("examples", ()):
        assert validator.is_valid(example)
    assert schema["description"]


@pytest.mark.parametrize("name", NAMES)
def test_each_property_is_described(name):
    bare = []

    def note(schema):
        for key, value in schema.get("properties", {}).items():
            plain = key in {"command", "params", "type", "properties"} or value.keys() == {"minLength"}
            if not plain and target(value) is None and "description" not in value:
                bare.append(key)
        return schema

    rewritten(json_schema(name), note)
    assert bare == []
    assert "``" not in json.dumps(json_schema(name))


def vocabulary(schema):
    """Return the words of each enum and each bound with its neighbours."""
    words, bounds = set(), set()

    def note(inner):
        words.update(word for word in inner.get("enum", ()) if isinstance(word, str))
        for key in ("minimum", "maximum", "exclusiveMinimum"):
            if key in inner:
                bounds.update(inner[key] + step for step in (-1, -0.5, 0, 0.5, 1))
        return inner

    rewritten(schema, note)
    return sorted(words), sorted(bounds)


RESERVED = [
    (("params", "custom_variables"), {word: "x"}) for word in ("rtc_a", "InTernal_", "SIGNALWIRE_", "sw_", "swa")
]
GOOD_OR_BAD = """9.9.9.9 01.2.3.4 223.1.1.1 240.0.0.1 255.1.1.1 172.15.0.1 172.20.0.1 0.1.1.1 256.1.1.1 100.64.0.1
    169.254.1.1 169.253.1.1 192.167.1.1 1.2.3.4.5 1.2.3"""
ADDRESSES = [
    (("params", "device"), {"type": "rtp", "params": {"addr": address, "port": 9}})
    for address in (*GOOD_OR_BAD.split(), "1.2.3.4 ", "")
]
SAID = [
    (("params",), params)
    for params in (
        {},
        {"role": "user"},
        {"message_text": ""},
        {"message_text": "x"},
        {"role": "user", "message_text": ""},
        {"reset": {}},
    )
]
MORE = {"dial": RESERVED, "calling.tap": ADDRESSES, "calling.ai_message": SAID}


@pytest.mark.parametrize("command", sorted(CATALOG))
def test_its_verdict_is_ours(command):
    validator, entry = checked(command), CATALOG[command]
    known = {(kind.safety, kind.lifetime) for kind in kinds(entry)}
    for body in EXAMPLES[command]:
        extra = MORE.get(command, ())
        for path, value in (*mutations(body, *vocabulary(json_schema(command))), *extra, (("command",), ...)):
            made = {k: v for k, v in body.items() if k != "command"} if value is ... else mutated(body, path, value)
            decoded = decode(orjson.dumps(made), leniencies=STRICT)
            if isinstance(decoded, Command):
                assert validator.is_valid(made), made
                assert (decoded.safety, decoded.lifetime) in known, made
            elif not beyond_schema(decoded):
                assert not validator.is_valid(made), (made, decoded.problem.errors)


def test_every_leniency_is_explained_and_works():
    assert set(LENIENT) == ALL_LENIENCIES
    for name, rule in LENIENT.items():
        body = orjson.dumps(rule.example)
        assert decode(body, key="k").leniencies == (name,)
        assert isinstance(decode(body, key="k", leniencies=ALL_LENIENCIES - {name}), Rejected)


def test_each_class_that_depends_on_the_body_is_explained():
    assert set(CLASSED) == {name for name, entry in CATALOG.items() if len({k.safety for k in kinds(entry)}) > 1}


HEADERS = [
    ({}, True),
    ({"idempotency-key": "k"}, True),
    ({"idempotency-key": ""}, False),
    ({"idempotency-key": "a b"}, False),
    ({"idempotency-key": "é"}, False),
    ({"idempotency-key": "k\n"}, False),
    ({"idempotency-key": "k" * 255}, True),
    ({"idempotency-key": "k" * 256}, False),
    ({"idempotency-key": 7}, False),
    ({"expires-at": "2026-12-24T18:00:00Z"}, True),
    ({"expires-at": "2026-12-24T18:00:00.5+01:00"}, True),
    ({"expires-at": "2026-12-24T18:00:00"}, False),
    ({"expires-at": "tomorrow"}, False),
    ({"expires-at": 0}, True),
    ({"expires-at": -1}, False),
    ({"expires-at": 253402300799000}, True),
    ({"expires-at": 253402300799001}, False),
    ({"expires-at": 1.5}, False),
    ({"expires-at": True}, False),
    ({"account": "second.one"}, True),
    ({"account": "two words"}, False),
    ({"account": "a" * 65}, False),
    ({"campaign": "spring 2026 ü"}, True),
    ({"campaign": "\x00"}, False),
    ({"campaign": "c" * 256}, False),
    ({"call-id": CALL}, True),
    ({"call-id": CALL.upper()}, True),
    ({"call-id": CALL[:-1]}, False),
    *(({"priority": word}, True) for word in ("high", "normal", "bulk")),
    *(({"priority": word}, False) for word in ("", "High", "bulk ", 1, True)),
    ({"CC": ["dial"]}, False),
    ({"BCC": ["dial"]}, False),
    ({"anything-else": {"a": [1]}}, True),
]


@pytest.mark.parametrize(("headers", "good"), HEADERS)
def test_its_verdict_on_headers_is_ours(headers, good):
    assert checked("command.headers").is_valid(headers) is good
    assert (read_envelope(Properties(headers=headers))[1] is None) is good


def test_the_examples_of_the_asyncapi_document_are_valid_for_its_own_older_dialect():
    document = asyncapi()
    seen = 0
    for message in document["components"]["messages"].values():
        for example in message.get("examples", ()):
            for part in {"payload", "headers"} & example.keys():
                validator = jsonschema_rs.Draft7Validator({**message[part], "components": document["components"]})
                assert validator.is_valid(example[part])
                assert not validator.is_valid({"idempotency-key": 7})
                seen += 1
    assert seen == 2 * sum(map(len, EXAMPLES.values())) + len(OutcomeName)


def test_a_command_message_asks_for_a_key_where_each_body_needs_one():
    document = asyncapi()
    for name, entry in CATALOG.items():
        asked = document["components"]["messages"][name]["headers"]["$ref"].endswith("/KeyedCommandHeaders")
        assert asked == always_needs_key(entry)
    assert document["components"]["schemas"]["KeyedCommandHeaders"]["required"] == ["idempotency-key"]


PROBLEM = Problem(
    ProblemCode.REFUSED, "No.", (FieldError("a", FieldCode.EMPTY, "is empty"), {"type": "x", "url": None})
)
REPLIES = [
    *(Reply("r", "k", "dial", outcome, 1.0, 2.0) for outcome in OutcomeName),
    Reply("r", None, None, OutcomeName.REJECTED, 1.0, 2.0, problem=PROBLEM, response=[1, None], http_status=422),
    Reply(
        "r", "k", "calling.new", OutcomeName.SUCCEEDED, 0.0, 9e9, CALL, "c", "b", "spring", 200, "x", leniencies=("l",)
    ),
]


@pytest.mark.parametrize("reply", REPLIES)
def test_replies_are_what_is_published(reply):
    assert checked("reply").is_valid(reply.as_dict())
    assert list(reply.as_dict()) == json_schema("reply")["required"] == list(json_schema("reply")["properties"])


@pytest.mark.parametrize("key", json_schema("reply")["required"])
def test_a_reply_without_a_key_or_with_a_wrong_one_is_none(key):
    reply = REPLIES[0].as_dict()
    assert not checked("reply").is_valid({name: value for name, value in reply.items() if name != key})
    assert key == "response" or not checked("reply").is_valid({**reply, key: {"x": 1}})


def test_the_version_is_that_of_the_replies():
    assert REPLIES[0].as_dict()["version"] == WIRE_VERSION
    assert f"callmq.reply.v{WIRE_VERSION}" == REPLY_TYPE
    assert asyncapi()["info"]["version"].startswith(f"{WIRE_VERSION}+2026-")


@pytest.mark.parametrize("outcome", OutcomeName)
@pytest.mark.parametrize(
    "headers", [{}, {"idempotency-key": "k", "expires-at": 5, "account": True, "priority": "bulk"}]
)
def test_copies_that_are_kept_have_these_headers(outcome, headers):
    properties = Properties("dial", headers=headers, correlation_id="c", timestamp=1.0)
    message = Message(b"x" * 300_000, properties, read_envelope(properties)[0], 2.0)
    problem = Problem(ProblemCode.OUTCOME_UNKNOWN, "Why.")
    kept = answers(Names(), message, Reply("r", "k", "dial", outcome, 1.0, 2.0, problem=problem).dump()).kept
    if kept is None:
        assert outcome in {OutcomeName.SUCCEEDED, OutcomeName.CANCELLED}
        return
    schema = "unknown.headers" if outcome is OutcomeName.UNKNOWN else "dead.headers"
    other = "dead.headers" if outcome is OutcomeName.UNKNOWN else "unknown.headers"
    assert checked(schema).is_valid(dict(kept.headers))
    assert not checked(other).is_valid(dict(kept.headers))
    assert set(kept.headers) <= set(json_schema(schema)["properties"])


def test_the_channels_are_where_the_worker_declares_them():
    names = Names("shop")
    wanted = layout(names, ())
    kinds_of = {each.name: each.kind for each in wanted.exchanges}
    bindings = [channel["bindings"]["amqp"] for channel in asyncapi(names)["channels"].values()]
    exchanges = {
        b["exchange"]["name"]: b["exchange"]["type"] for b in bindings if "exchange" in b and b["exchange"]["name"]
    }
    assert exchanges == {name: kinds_of[name] for name in ("shop.commands", "shop.replies", "shop.dead")}
    queues = {b["queue"]["name"] for b in bindings if "queue" in b}
    assert queues == {"shop.unknown"} <= {each.name for each in wanted.queues}


def test_the_page_has_every_command_and_every_parameter():
    text = page()
    for name in CATALOG:
        section = text.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
        rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
        models = [*json_schema(name)["$defs"].values()]
        assert sorted(rows) == sorted(key for model in models for key in model.get("properties", ()))
        assert section.count("```json") == len(EXAMPLES[name])
    links = {link.split(")")[0] for link in text.split("](#")[1:]}
    headings = {line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")}
    assert links <= {heading.replace("`", "").replace(".", "").replace(" ", "-") for heading in headings}
