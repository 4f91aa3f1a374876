"""The JSON Schema that the models write says what they judge, so that other languages can check before they publish."""

import orjson
import pytest

from callmq_contracts import CATALOG, EXAMPLES, Rejected, decode
from unit.contracts.mutations import mutated, mutations

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
