"""Our verdict against the endpoint's published description, for thousands of mutated bodies.

The description is reference data outside of this project: where it is absent, these tests are skipped. Where the
two verdicts differ, the difference must be one of a closed list, and each entry of that list must be needed.
"""

import json
import random
import re
from pathlib import Path

import orjson
import pytest

from callmq_contracts import CATALOG, EXAMPLES, ProblemCode, Rejected, decode
from unit.contracts.differences import LOOSER, STRICTER, UNHELD
from unit.contracts.literals import LITERALS, arrives, number_places, written
from unit.contracts.mutations import additions, look, mutated, mutations
from unit.contracts.spellings import texts

jsonschema_rs = pytest.importorskip("jsonschema_rs")

NAME = Path("shared", "signalwire", "calling.openapi.json")
BESIDE = [folder / NAME for folder in Path(__file__).resolve().parents[4:]]
DESCRIPTION = next((path for path in BESIDE if path.exists()), BESIDE[0])
PREFIX = "#/components/schemas/"
SEED = 20260821
PAIRS = 20_000
# The parts of the description that a command's own parameters are made of (not those of a SWML document).
OURS = re.compile(r"Calling\.|SWML\.Calling\.(AISidecar|Transcribe|Translat)|SpeechEngine")

pytestmark = pytest.mark.skipif(not DESCRIPTION.exists(), reason=f"the reference data {DESCRIPTION} is not here")


@pytest.fixture(scope="module")
def schemas():
    text = DESCRIPTION.read_text().replace(PREFIX, "#/$defs/")
    return json.loads(text)["components"]["schemas"]


@pytest.fixture(scope="module")
def oracle(schemas):
    mapping = schemas["Calling.CallRequest"]["discriminator"]["mapping"]
    validators = {}
    for command, reference in mapping.items():
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": reference, "$defs": schemas}
        validators[command] = jsonschema_rs.Draft202012Validator(document, validate_formats=True)
    return validators


def keywords(node, name):
    """Yield each value of a keyword such as ``maximum`` in a schema."""
    if isinstance(node, dict):
        if name in node and not isinstance(node[name], dict):
            yield node[name]
        node = list(node.values())
    for item in node if isinstance(node, list) else ():
        yield from keywords(item, name)


@pytest.fixture(scope="module")
def vocabulary(schemas):
    """Return every word of every enum, theirs and ours, and every bound with its neighbours.

    Each is tried in each place.
    """
    ours = [schema for name, schema in schemas.items() if OURS.match(name)]
    ours += [entry.model.model_json_schema() for entry in CATALOG.values()]
    words = {word for enum in keywords(ours, "enum") for word in enum if isinstance(word, str)}
    bounds = {bound for name in ("minimum", "maximum") for bound in keywords(ours, name)}
    assert len(words) > 150
    assert len(bounds) >= 15
    near = sorted({bound + step for bound in bounds for step in (-1, -0.5, 0, 0.5, 1)})
    return sorted(words - set(schemas["Calling.CallRequest"]["discriminator"]["mapping"])), near


def test_the_catalogue_is_complete(oracle):
    assert set(oracle) == set(CATALOG)


def test_the_oracle_accepts_the_examples(oracle):
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            lenient = decode(orjson.dumps(body)).leniencies
            assert oracle[command].is_valid(body) or lenient == ("update_status_only",), body


def at(body, path):
    """Return what is at ``params.play[2].url``, or None."""
    return look(body, [int(step) if step.isdigit() else step for step in re.findall(r"[^.[\]]+", path)])


class Bench:
    """Compares verdicts and keeps the list of differences that were met."""

    def __init__(self, oracle) -> None:
        self.oracle = oracle
        self.seen: set[str] = set()
        self.unexplained: list[str] = []
        self.count = 0
        self.refused = 0

    def compare(self, command, body, changes, text=None) -> None:
        """``text`` is the body as it is published, where that is not plain."""
        self.count += 1
        theirs = self.oracle[command].is_valid(body)
        ours = decode(text or orjson.dumps(body), leniencies=frozenset())
        self.refused += not theirs
        if text and isinstance(ours, Rejected) and ours.problem.code is ProblemCode.MALFORMED:
            assert not all(arrives(value) for _path, value in changes), text
            self.seen.add(UNHELD)
            return
        if isinstance(ours, Rejected):
            assert ours.problem.errors, body
        if theirs == (not isinstance(ours, Rejected)):
            return
        names = self.explain_refusal(command, body, ours) if theirs else self.explain_acceptance(changes)
        if names:
            self.seen |= names
        else:
            said = [e.as_dict() for e in ours.problem.errors] if isinstance(ours, Rejected) else "accepted"
            self.unexplained.append(f"{command} {changes}: theirs={theirs}, ours={said}")

    def explain_refusal(self, command, body, ours) -> set[str]:
        names = set()
        for error in ours.problem.errors:
            found = {d.name for d in STRICTER if d.explains(command, error) and d.given(at(body, error.path))}
            if not found:
                return set()
            names |= found
        return names

    def explain_acceptance(self, changes) -> set[str]:
        return {d.name for d in LOOSER for path, value in changes if d.place(path, value)}


def test_one_change(oracle, vocabulary):
    bench = Bench(oracle)
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            for path, value in mutations(body, *vocabulary):
                bench.compare(command, mutated(body, path, value), [(path, value)])
    for command, body, path, value in additions():
        bench.compare(command, mutated(body, path, value), [(path, value)])
    assert not bench.unexplained, "\n".join(bench.unexplained[:40])
    known = {d.name for d in (*STRICTER, *LOOSER)}
    assert bench.seen == known, f"differences that never occur: {sorted(known - bench.seen)}"
    assert bench.count > 80_000
    assert 0.3 < bench.refused / bench.count < 0.95


def test_every_character_in_every_text(oracle):
    """Each in each place once, whatever else the body says."""
    bench, done = Bench(oracle), set()
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            for path, value in texts(body):
                if (command, path, value) in done:
                    continue
                done.add((command, path, value))
                bench.compare(command, mutated(body, path, value), [(path, value)])
    assert not bench.unexplained, "\n".join(bench.unexplained[:40])
    assert {"addresses beyond ASCII", "addresses in brackets", "web addresses"} <= bench.seen
    assert bench.count > 80_000


def test_every_number_in_every_place(oracle):
    """What no double holds is malformed (see ``test_numbers.py``); of all other numbers the verdicts are the same."""
    bench = Bench(oracle)
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            for path in number_places(body):
                for literal in filter(arrives_somehow, LITERALS):
                    text = written(body, path, literal)
                    bench.compare(command, json.loads(text), [(path, literal)], text)
    assert not bench.unexplained, "\n".join(bench.unexplained[:40])
    assert bench.count > 10_000
    assert UNHELD in bench.seen


def arrives_somehow(literal):
    """Tell whether the oracle's parser takes it: integers of any length, but no infinity."""
    return abs(float(literal)) != float("inf")


def test_two_changes(oracle):
    chance = random.Random(SEED)
    bench = Bench(oracle)
    bodies = [(command, body) for command, several in EXAMPLES.items() for body in several]
    choices = {id(body): [*mutations(body), *texts(body)] for _, body in bodies}
    for _command, body, path, value in additions():
        choices[id(body)].append((path, value))
    while bench.count < PAIRS:
        command, body = chance.choice(bodies)
        first, second = chance.choice(choices[id(body)]), chance.choice(choices[id(body)])
        once = mutated(body, *first)
        try:
            twice = mutated(once, *second)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took away the place of the second
        bench.compare(command, twice, [first, second])
    assert not bench.unexplained, "\n".join(bench.unexplained[:40])


def test_leniencies_are_the_only_other_difference(oracle):
    """With all leniencies on, what we accept beyond the description is reported by name."""
    met = set()
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            for path, value in mutations(body):
                made = mutated(body, path, value)
                strict = decode(orjson.dumps(made), leniencies=frozenset())
                lenient = decode(orjson.dumps(made), key="k")
                if isinstance(strict, Rejected) and not isinstance(lenient, Rejected):
                    assert lenient.leniencies, made
                    assert oracle[command].is_valid(lenient.body) or lenient.leniencies == ("update_status_only",)
                    met |= set(lenient.leniencies)
    assert met == {"update_status_only", "control_id_derived", "ai_hold_timeout_integer"}
