"""The job that each contender does, apart from the how: the body's model, the request, the reply."""

import os
from base64 import b64encode
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel, ConfigDict, Field

AMQP_URL = os.environ["BENCH_AMQP_URL"]
ENDPOINT = os.environ["BENCH_ENDPOINT_URL"]
QUEUE, EXCHANGE = "bench.work", "bench.replies"
ROUTING_KEY = "bench.calling.play.succeeded"
IN_FLIGHT = 100
KEY = "idempotency-key"
AUTHORIZATION = "Basic " + b64encode(b"bench:bench-token").decode()


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Speech(Closed):
    text: str = Field(min_length=1)
    language: str | None = None
    gender: str | None = None
    voice: str | None = None


class Spoken(Closed):
    type: Literal["tts"]
    params: Speech


class PlayParams(Closed):
    control_id: str = Field(min_length=1)
    play: list[Spoken] = Field(min_length=1)
    volume: float | None = Field(default=None, ge=-40, le=40)


class Play(Closed):
    command: Literal["calling.play"]
    id: UUID
    params: PlayParams


def validated(body: bytes | str) -> Play:
    return Play.model_validate_json(body)


def request_headers(key: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": AUTHORIZATION, "Idempotency-Key": key}


def reply(command: Play, key: str, status: int, answer: bytes) -> bytes:
    now = datetime.now(UTC).isoformat()
    document = {
        "version": 1,
        "reply_id": uuid4().hex,
        "idempotency_key": key,
        "command": command.command,
        "outcome": "succeeded",
        "call_id": str(command.id),
        "control_id": command.params.control_id,
        "http_status": status,
        "response": orjson.loads(answer),
        "finished_at": now,
    }
    return orjson.dumps(document)
