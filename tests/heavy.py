"""Bodies that a publisher makes to keep a worker busy: as large as is taken, and as slow to judge as we could find."""

import orjson

from callmq_contracts import EXAMPLE_CALL_ID

ON_CALL = {"command": "calling.ai_sidecar", "id": EXAMPLE_CALL_ID}
HEAVY = {
    "unknown keys": {"command": "dial", "params": {f"k{i}": 1 for i in range(22_000)}},
    "unknown keys above": {"command": "dial", **{f"k{i}": 1 for i in range(22_000)}},
    "wrong words": {"command": "dial", "params": {"status_events": [1] * 120_000}},
    "wrong words at the end": {"command": "dial", "params": {"region": ["a"] * 30_000 + [1] * 60_000}},
    "empty items": {"command": "calling.play", "params": {"play": [{}] * 80_000}},
    "numbers for items": {"command": "calling.play", "params": {"play": [1] * 120_000}},
    "wide items": {"command": "calling.play", "params": {"play": [{f"k{i}": 1 for i in range(290)}] * 80}},
    "wide params": {
        "command": "calling.play",
        "params": {"play": [{"type": "tts", "params": {f"k{i}": 1 for i in range(290)}}] * 70},
    },
    "variables": {"command": "dial", "params": {"custom_variables": {f"k{i}": 1 for i in range(20_000)}}},
    "headers": {
        **ON_CALL,
        "params": {"SWAIG": {"mcp_servers": [{"url": "x", "headers": {f"k{i}": 1 for i in range(20_000)}}]}},
    },
    "deep prompt": {
        **ON_CALL,
        "params": {"prompt": {"pom": [{"subsections": [{"subsections": [{"subsections": [{}] * 20}] * 20}] * 20}] * 4}},
    },
    "arguments": {
        **ON_CALL,
        "params": {
            "SWAIG": {"functions": [{"parameters": {"properties": {f"k{i}": {} for i in range(9000)}}}]},
        },
    },
    "long keys": {"command": "dial", "params": {"k" * 1000 + str(i): 1 for i in range(200)}},
}  # fmt: skip

NUMBERS_IN_QUESTION = {
    "tiny": [f"{i}.5e-{200 + i % 107}" for i in range(20_000)],
    "below what is normal": [f"{i}e-320" for i in range(1, 23_000)],
    "long": [repr(i / 7 + 0.1) for i in range(12_000)],
    "written by C": [f"{i / 7:.17e}" for i in range(9_000)],
    "one among many": ["1e-300", *["7"] * 120_000],
}  # fmt: skip


def numbers(name: str) -> bytes:
    """Return an event that carries these numbers as they are written."""
    event = orjson.dumps({"command": "calling.user_event", "id": EXAMPLE_CALL_ID, "params": {"event": {"x": []}}})
    return event.replace(b"[]", b"[" + ",".join(NUMBERS_IN_QUESTION[name]).encode() + b"]")


HEAVY_BODIES = {name: orjson.dumps(body) for name, body in HEAVY.items()} | {
    f"numerals {name}": numbers(name) for name in NUMBERS_IN_QUESTION
}
