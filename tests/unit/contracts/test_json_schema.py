"""The JSON Schema that the models write says what they judge, so that other languages can check before they publish."""

import json
import re

import orjson
import pytest
from pydantic_core import SchemaValidator, ValidationError, core_schema

from callmq_contracts import CATALOG, EXAMPLE_CALL_ID, EXAMPLES, MAX_BODY_BYTES, Rejected, decode
from callmq_contracts.formats import FORMS
from unit.contracts.mutations import find, mutated, mutations, places
from unit.contracts.spellings import SCHEMES, addresses, spelled

jsonschema_rs = pytest.importorskip("jsonschema_rs")

# What a JSON Schema of this size can't say: names and bytes of variables, reserved networks, a text of nothing.
UNSAID = ("params.custom_variables.", "params.device.params.addr", "params")


@pytest.mark.parametrize("command", sorted(CATALOG))
def test_it_agrees_with_the_verdict(command):
    schema = jsonschema_rs.Draft202012Validator(CATALOG[command].model.model_json_schema(), validate_formats=True)
    on = frozenset({"update_status_only"})
    for body in EXAMPLES[command]:
        assert schema.is_valid(body)
        for path, value in mutations(body):
            made = mutated(body, path, value)
            decoded = decode(orjson.dumps(made), leniencies=on)
            if not isinstance(decoded, Rejected):
                assert schema.is_valid(made), made
            elif not any(e.path.startswith(UNSAID[:2]) or e.path == UNSAID[2] for e in decoded.problem.errors):
                assert not schema.is_valid(made), (made, decoded.problem.errors)


FOUND = [find(body, path) for bodies in EXAMPLES.values() for body in bodies for path in places(body)]
WRITTEN = {text for text in FOUND if isinstance(text, str)} | {"+15550100", "sip:a@b", "polite", "PCMU, PCMA", "123"}
SPELLED = [other for text in sorted(WRITTEN) for other in (text, *spelled(text))]
SPELLED += [text for scheme in SCHEMES for text in addresses(scheme)]


def judged_in_rust(pattern):
    validator = SchemaValidator(core_schema.str_schema(pattern=pattern))

    def judge(text):
        try:
            validator.validate_python(text)
        except ValidationError:
            return False
        return True

    return judge


@pytest.mark.parametrize("pattern", FORMS)
def test_each_pattern_means_the_same_in_every_language(pattern):
    """Rust judges, others read it as ECMA 262; Python's own is the third, where ``$`` alone is different."""
    rust, ecma = judged_in_rust(pattern), jsonschema_rs.Draft202012Validator({"pattern": pattern}).is_valid
    python = re.compile(pattern.removesuffix("$") + r"\Z").search
    taken = {text for text in SPELLED if rust(text)}
    assert 0 < len(taken) < len(SPELLED)
    assert taken == {text for text in SPELLED if ecma(text)}
    assert taken == {text for text in SPELLED if python(text)}
    for text in [*SPELLED, *(text + "\n" for text in taken)]:  # as docs/reference/README.md says
        assert bool(re.search(pattern, text)) == (rust(text) or (text.endswith("\n") and rust(text[:-1])))


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (b"1e-400", "malformed"),
        (b"[" * 65 + b"]" * 65, "malformed"),
        (b'"' + b"x" * MAX_BODY_BYTES + b'"', "too_large"),
    ],
)
def test_what_a_schema_takes_can_be_no_body(event, code):
    text = b'{"command":"calling.user_event","id":"%b","params":{"event":{"x":%b}}}' % (EXAMPLE_CALL_ID.encode(), event)
    schema = jsonschema_rs.Draft202012Validator(CATALOG["calling.user_event"].model.model_json_schema())
    assert schema.is_valid(json.loads(text))
    assert decode(text).problem.code == code
