"""A correction must be one: who follows it is not told next that the new place knows no such key either."""

import copy

import orjson
import pytest

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, Rejected, decode
from callmq_contracts.shapes import declared_keys
from unit.contracts.mutations import find, look, places

KEYS = sorted(declared_keys() | {"from_", "call_id", "zzz"})


def steps_of(path):
    return [int(step) if step.isdigit() else step for step in path.replace("[", ".").replace("]", "").split(".")]


# What a sentence tells to do with the key at ``steps``: the steps of its new place.
FOLLOWED = {
    "write from, without the underscore": lambda steps: [*steps[:-1], "from"],
    "put it into params": lambda steps: ["params", *steps],
    "put it into the params of the item": lambda steps: [*steps[:-1], "params", steps[-1]],
    "put it into params.record.audio": lambda _steps: ["params", "record", "audio"],
    "put the call id in params.id": lambda _steps: ["params", "id"],
    "put the call id in id, beside params": lambda _steps: ["id"],
}


GONE = ((None, {}), ("params", {}), ("params", {"params": {}}), ("record", {}), ("id", {}))


def misplaced():
    """Yield every example with every known key in every object, also where it should be moved to is nothing yet."""
    for command, bodies in EXAMPLES.items():
        for body in bodies:
            for path in places(body):
                if not isinstance(find(body, path), dict):
                    continue
                for key in KEYS:
                    for gone, left in GONE:
                        made = copy.deepcopy(body)
                        holder = find(made, path)
                        if gone and (made if gone == "id" else holder).pop(gone, None) is None:
                            continue
                        holder |= left
                        if key not in holder:
                            holder[key] = EXAMPLE_CALL_ID
                            yield command, made


def follow(body, steps, goal):
    """Move what is at ``steps`` to ``goal``, where nothing is yet; objects on the way are made."""
    assert look(body, goal) is None, goal
    value = find(body, steps[:-1]).pop(steps[-1])
    holder = body
    for step in goal[:-1]:
        holder = holder[step] if isinstance(holder, list) else holder.setdefault(step, {})
    holder[goal[-1]] = value


@pytest.fixture(scope="module")
def hints():
    """Return each (command, sentence, path) that unknown keys got, with a body that got it."""
    found = {}
    for command, body in misplaced():
        decoded = decode(orjson.dumps(body), leniencies=frozenset())
        for error in decoded.problem.errors if isinstance(decoded, Rejected) else ():
            if error.code == "unknown_key" and error.message in FOLLOWED:
                found[command, error.message, error.path] = body
    return found


def test_all_sentences_occur(hints):
    assert {sentence for _command, sentence, _path in hints} == set(FOLLOWED)


def test_who_follows_a_hint_is_at_a_known_key(hints):
    for (command, sentence, path), body in hints.items():
        steps = steps_of(path)
        goal = FOLLOWED[sentence](steps)
        made = copy.deepcopy(body)
        follow(made, steps, goal)
        decoded = decode(orjson.dumps(made), leniencies=frozenset())
        errors = decoded.problem.errors if isinstance(decoded, Rejected) else ()
        assert (goal, "unknown_key") not in [(steps_of(e.path), e.code) for e in errors], (command, sentence, path)


GIVEN = [
    ("update", (), "id", "params.id"),
    ("update", (), "call_id", "params.id"),
    ("update", ("params",), "call_id", "params.id"),
    ("calling.end", (), "call_id", "id"),
    ("calling.end", ("params",), "id", "id"),
    ("calling.record", ("params",), "audio", "params.record.audio"),
    ("dial", ("params",), "from_", "params.from"),
]


@pytest.mark.parametrize(("command", "holder", "key", "goal"), GIVEN)
def test_what_is_given_already_is_to_be_removed(command, holder, key, goal):
    body = copy.deepcopy(EXAMPLES[command][0])
    find(body, holder)[key] = EXAMPLE_CALL_ID
    errors = decode(orjson.dumps(body), leniencies=frozenset()).problem.errors
    assert [(e.path, e.message) for e in errors] == [
        (".".join((*holder, key)), f"remove it: {goal} is already given"),
    ]


@pytest.mark.parametrize("command", ["calling.end", "calling.play", "calling.transfer", "update"])
def test_no_hint_to_a_key_that_is_unknown_there(command):
    body = copy.deepcopy(EXAMPLES[command][0])
    body["params"]["from_"] = "x"
    errors = decode(orjson.dumps(body)).problem.errors
    assert [(e.path, e.message) for e in errors] == [("params.from_", "is not a key that is known here")]
