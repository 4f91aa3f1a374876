"""Commands, messages and deliveries as intake makes them, for tests of what follows from them."""

from __future__ import annotations

from typing import Any

import orjson

from callmq_contracts.envelope import Properties
from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from callmq_contracts.leniency import ALL_LENIENCIES
from callmq_worker.core.intake import Accepted, Refusal, Rules, read
from intents import START

SECRET = b"s" * 32
RULES = Rules(frozenset({"default", "second"}), ALL_LENIENCIES)
DIAL = EXAMPLES["dial"][0]
NAMED = {
    "unsafe": DIAL,
    "guarded": EXAMPLES["calling.record"][0],
    "convergent": EXAMPLES["calling.denoise"][0],
    "safe": EXAMPLES["calling.ai_sidecar.status"][0],
}
CALL_ID = EXAMPLE_CALL_ID


def properties(command: str, key: str | None = "order-1", **changes: Any) -> Properties:
    """Return what a good client publishes with; ``headers`` are added to the key's."""
    headers = {**({"idempotency-key": key} if key is not None else {}), **changes.pop("headers", {})}
    told: dict[str, Any] = {"routing_key": command, "content_type": "application/json", "timestamp": START - 1}
    return Properties(**{**told, "headers": headers, **changes})


def judged(body: Any, given: Properties, received_at: float = START, **more: Any) -> Accepted | Refusal:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return read(data, given, received_at, RULES, secret=SECRET, **more)


def accepted(body: dict[str, Any] = DIAL, key: str | None = "order-1", **changes: Any) -> Accepted:
    found = judged(body, properties(body["command"], key, **changes))
    assert isinstance(found, Accepted), found
    return found


def refused(body: Any, given: Properties, **more: Any) -> Refusal:
    found = judged(body, given, **more)
    assert isinstance(found, Refusal), found
    return found
