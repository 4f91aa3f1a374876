import re
from typing import get_args

import orjson
import pytest
from pydantic import BaseModel

from callmq_contracts import CATALOG, EXAMPLE_CALL_ID, EXAMPLES, Rejected, decode

BODIES = [(name, body) for name, bodies in EXAMPLES.items() for body in bodies]


@pytest.mark.parametrize(("name", "body"), BODIES)
def test_each_example_keeps_the_contract(name, body, as_bytes):
    decoded = decode(as_bytes(body))
    assert not isinstance(decoded, Rejected), decoded.problem.as_dict()
    assert decoded.name == name == body["command"]
    assert decoded.body == body
    assert decoded.call_id == (None if name == "dial" else EXAMPLE_CALL_ID)
    assert decoded.control_id == body["params"].get("control_id")


def test_each_command_has_one():
    assert set(EXAMPLES) == set(CATALOG)
    assert all(EXAMPLES.values())


def test_the_first_of_each_needs_no_leniency(as_bytes):
    for bodies in EXAMPLES.values():
        assert decode(as_bytes(bodies[0])).leniencies == ()


def models_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models_in(part)


def used(model, value, found):
    """Note which keys of which model occur in ``value``."""
    for key in value if isinstance(value, dict) else ():
        for name, field in model.model_fields.items():
            if (field.alias or name) == key:
                found.add((model.__name__, key))
                for inner in models_in(field.annotation):
                    walk(inner, value[key], found)


def walk(model, value, found):
    if isinstance(value, list):
        for item in value:
            walk(model, item, found)
    elif isinstance(value, dict):
        word = model.model_fields.get("type")
        if word is None or value.get("type") in get_args(word.annotation):
            used(model, value, found)
        for item in value.values():  # a map of names
            if isinstance(item, dict) and "type" in item:
                walk(model, item, found)


def all_models(model, seen):
    if model not in seen:
        seen.add(model)
        for field in model.model_fields.values():
            for inner in models_in(field.annotation):
                all_models(inner, seen)
    return seen


def test_every_parameter_of_every_command_occurs():
    found: set = set()
    models: set = set()
    for name, bodies in EXAMPLES.items():
        model = CATALOG[name].model
        all_models(model, models)
        for body in bodies:
            used(model, body, found)
    every = {(m.__name__, field.alias or name) for m in models for name, field in m.model_fields.items()}
    # "command" is a constant; nothing else may be missing
    assert every - found == set()


def test_numbers_hosts_and_secrets_are_reserved_ones():
    text = orjson.dumps(list(EXAMPLES.values())).decode()
    assert all(number.startswith("+15550100") for number in re.findall(r"\+\d+", text))
    hosts = re.findall(r"(?:https?|wss?)://([^/\"]+)", text) + re.findall(r"sip:[^@\"]+@([^\"]+)", text)
    assert hosts
    assert all(host == "example.com" or host.endswith(".example.com") for host in hosts)


def test_every_parameter_is_explained():
    models: set = set()
    for entry in CATALOG.values():
        all_models(entry.model, models)
    bare = {
        (model.__name__, name)
        for model in models
        for name, field in model.model_fields.items()
        if not field.description and name not in {"command", "params", "type"}
    }
    assert bare == set()
    assert all(model.__doc__ for model in models)
