"""Null is not absence: who writes it for a key that may be left out is told to leave it out."""

import orjson
import pytest

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, Command, Rejected, decode
from unit.contracts.mutations import DROP, mutated, places

OWN_NAMES = ("custom_variables", "headers", "resource_vars", "properties")  # every name there is a value to give


def on_call(command, **params):
    return {"command": command, "id": EXAMPLE_CALL_ID, "params": params}


def told(decoded):
    return {e.path: (e.code.value, e.message) for e in decoded.problem.errors}


def optional_keys():
    """Yield each key of an example that may be left out: without it, the body is as good."""
    for bodies in EXAMPLES.values():
        for body in bodies:
            for path in places(body):
                if len(path) > 1 and isinstance(path[-1], str) and path[-2] not in OWN_NAMES:
                    without = decode(orjson.dumps(mutated(body, path, DROP)))
                    if isinstance(without, Command):
                        yield body, path


def test_null_is_told_to_leave_the_key_out(as_bytes):
    told_so = set()
    for body, path in optional_keys():
        decoded = decode(as_bytes(mutated(body, path, None)))
        where = ".".join(map(str, path)).replace(".0", "[0]").replace(".1", "[1]")
        if isinstance(decoded, Rejected) and where in (errors := told(decoded)):
            code, sentence = errors[where]
            assert (code, "leave it out" in sentence) == ("wrong_type", True), (body["command"], where, sentence)
            told_so.add((body["command"], where))
    assert len(told_so) > 60


NULLS = [
    ({"command": "dial", "params": {"from": "x", "to": "+15550100", "url": "https://a", "swml": None}}, "swml"),
    ({"command": "dial", "params": {"from": "x", "to": "+15550100", "url": None, "swml": {"sections": {}}}}, "url"),
    *(
        (on_call("calling.ai_sidecar", lang="en", prompt=prompt), f"prompt.{key}")
        for prompt, key in (({"text": "x", "pom": None}, "pom"), ({"text": None, "file": "x"}, "text"))
    ),
    (on_call("calling.live_translate", action={"summarize": {}, "inject": None}), "action.inject"),
]


@pytest.mark.parametrize(("body", "key"), NULLS)
def test_null_is_no_conflict(body, key, as_bytes):
    errors = told(decode(as_bytes(body)))
    assert {path: code for path, (code, _) in errors.items()} == {f"params.{key}": "wrong_type"}
    assert "leave it out" in errors[f"params.{key}"][1]
