"""The same commands as each contender's own client would publish them: the body stays, the wrapping differs."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from pamqp.commands import Basic

Published = tuple[str, str, bytes, Basic.Properties]  # exchange, routing key, body, properties
Envelope = Callable[[str, int], Published]

QUEUE = "bench.work"
COMMANDS = "callmq.commands"
KEY = "idempotency-key"
SAMPLED_EACH = 10
FROM_NUMBER, TO_NUMBER = "+15550100001", "+15550100002"


def play() -> bytes:
    """Return a play for a call of its own."""
    speech = {"type": "tts", "params": {"text": "Good morning, this is your wake-up call."}}
    params = {"control_id": "welcome", "play": [speech]}
    return orjson.dumps({"command": "calling.play", "id": str(uuid4()), "params": params})


def dial() -> bytes:
    """Return a dial."""
    params = {"from": FROM_NUMBER, "to": TO_NUMBER, "url": "https://example.com/parcel/tomorrow.json"}
    return orjson.dumps({"command": "dial", "params": params})


def bare(key: str, number: int) -> Published:
    """Publish the body as it is."""
    return "", QUEUE, play(), _properties({KEY: key}, correlation_id=key)


def callmq_play(key: str, number: int) -> Published:
    """Publish a play as ``callmq.Client`` does, in a trace of its own; one in ten is sampled."""
    return COMMANDS, "calling.play", play(), _callmq(key, number)


def callmq_dial(key: str, number: int) -> Published:
    """Publish a dial so."""
    return COMMANDS, "dial", dial(), _callmq(key, number)


def celery(key: str, number: int) -> Published:
    """Wrap it as Celery's message protocol 2 does."""
    body = orjson.dumps([[play().decode(), key], {}, {"callbacks": None, "errbacks": None, "chain": None}])
    headers = {"lang": "py", "task": "bench.perform", "id": key, "root_id": key, "parent_id": None, "group": None}
    return "", QUEUE, body, _properties(headers, correlation_id=key, content_encoding="utf-8")


def taskiq(key: str, number: int) -> Published:
    """Wrap it as taskiq's JSON serializer and formatter do."""
    message = {"task_id": key, "task_name": "bench.perform", "labels": {}, "labels_types": {}, "kwargs": {}}
    body = orjson.dumps({**message, "args": [play().decode(), key]})
    return "", QUEUE, body, _properties({"task_id": key, "task_name": "bench.perform"})


def dramatiq(key: str, number: int) -> Published:
    """Wrap it as dramatiq's JSON encoder does."""
    message = {"queue_name": QUEUE, "actor_name": "perform", "kwargs": {}, "options": {}, "message_id": key}
    body = orjson.dumps({**message, "args": [play().decode(), key], "message_timestamp": int(time.time() * 1000)})
    return "", QUEUE, body, _properties({})


def _callmq(key: str, number: int) -> Basic.Properties:
    flags = "01" if number % SAMPLED_EACH == 0 else "00"
    trace = f"00-{uuid4().hex}-{uuid4().hex[:16]}-{flags}"
    headers = {KEY: key, "traceparent": trace}
    return _properties(headers, correlation_id=key, app_id="bench", timestamp=datetime.now(UTC))


def _properties(headers: dict[str, Any], **more: Any) -> Basic.Properties:
    told = {"content_type": "application/json", "delivery_mode": 2, "message_id": uuid4().hex, **more}
    return Basic.Properties(headers=headers, **told)
