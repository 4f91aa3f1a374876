"""No body keeps a worker busy: judging takes a bounded number of steps, and not more than twice for twice the size.

Steps are bytecode instructions: they are the same on every machine, however busy. What the heavy bodies cost in
milliseconds is printed by ``make bench-decode``.
"""

import sys
from types import FrameType
from typing import Any

import orjson
import pytest

from callmq_contracts import EXAMPLE_CALL_ID, MAX_BODY_BYTES, Command, ProblemCode, decode
from heavy import HEAVY_BODIES

STEPS = 2_500_000


def steps(body: bytes) -> int:
    """Return how many bytecode instructions judging takes."""
    count = 0

    def step(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        decode(body)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", HEAVY_BODIES)
def test_heavy_bodies_are_judged_in_bounded_steps(name):
    body = HEAVY_BODIES[name]
    assert len(body) <= MAX_BODY_BYTES
    decoded = decode(body)
    if name.startswith("numerals "):
        assert isinstance(decoded, Command)
    else:
        assert decoded.problem.code is ProblemCode.INVALID_PARAMS
        assert 1 <= len(decoded.problem.errors) <= 100
    assert 0 < steps(body) < STEPS


def test_what_is_too_large_or_too_deep_is_not_judged():
    for body in (b'{"a":1,' * 1_000_000, b"[" + b"[]," * 85_000, b"[" * 100_000):
        assert steps(body) < 1000


GROWING = {
    "unknown keys": lambda size: {"command": "dial", "params": {f"k{i}": 1 for i in range(size)}},
    "wrong words": lambda size: {"command": "dial", "params": {"status_events": [1] * size}},
    "items": lambda size: {"command": "calling.play", "params": {"play": [{}] * size}},
    "numbers": lambda size: {
        "command": "calling.user_event",
        "id": EXAMPLE_CALL_ID,
        "params": {"event": {"x": [i / 7e280 for i in range(1, size)]}},
    },
    "prompt": lambda size: {
        "command": "calling.ai_sidecar",
        "id": EXAMPLE_CALL_ID,
        "params": {"prompt": {"pom": [{"subsections": [{"subsections": [{}] * 20}] * 20}] * (size // 1000)}},
    },
}


@pytest.mark.parametrize("name", GROWING)
def test_twice_the_size_is_not_more_than_twice_the_steps(name):
    once, twice = (steps(orjson.dumps(GROWING[name](size))) for size in (5000, 10_000))
    assert twice <= 2.05 * once
