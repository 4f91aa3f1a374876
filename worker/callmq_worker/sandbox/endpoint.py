"""The dispatch endpoint itself: from a request to the answer that the platform would give. No I/O."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import orjson

from callmq_contracts.codec import decode
from callmq_contracts.command import Command, Rejected
from callmq_contracts.problem import FieldCode, FieldError, ProblemCode
from callmq_worker.adapters.web import Request, Response
from callmq_worker.sandbox.calls import QUEUED, Call, Calls
from callmq_worker.sandbox.faults import Subject
from callmq_worker.sandbox.leg import leg
from callmq_worker.sandbox.refusal import BAD_REQUEST, NOT_FOUND, UNAUTHORIZED, Refusal, invalid, too_many
from callmq_worker.sandbox.rules import act
from callmq_worker.sandbox.settings import SandboxSettings

PATH: Final = "/api/calling/calls"
# The schema forbids its own way to cancel a queued call; the platform takes it.
_LENIENCIES: Final = frozenset({"update_status_only"})
_JSON: Final = (("content-type", "application/json"),)
_WINDOW_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Peek:
    """What a request says of itself, whether or not it is valid."""

    subject: Subject
    control_id: str | None = None
    to: str | None = None


@dataclass(slots=True)
class Window:
    """Counts requests in periods of ten seconds."""

    limit: int
    begun: float = 0.0
    count: int = 0

    def wait(self, now: float) -> float:
        """Count one request; return the seconds until one is taken again, 0 where this one is."""
        if not self.begun <= now < self.begun + _WINDOW_SECONDS:
            self.begun, self.count = now, 0
        self.count += 1
        return self.begun + _WINDOW_SECONDS - now if self.limit and self.count > self.limit else 0.0


def peek(request: Request) -> Peek:
    """Read path, key, command, call id, control id and ``to`` as far as they are there."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    body = _dict(body)
    params = _dict(body.get("params"))
    command, call_id = _text(body.get("command")), _text(body.get("id")) or _text(params.get("id"))
    subject = Subject(
        request.path, key_of(request.headers.get("idempotency-key")), command, call_id and call_id.lower()
    )
    return Peek(subject, _text(params.get("control_id")), _text(params.get("to")))


def key_of(header: str | None) -> str | None:
    """Return the key in an ``Idempotency-Key`` header, a structured-field string or bare."""
    if header is None or len(header) < 2 or header[0] != '"' or header[-1] != '"':  # noqa: PLR2004 - two quotes
        return header
    return header[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def answer(request: Request, calls: Calls, window: Window, now: float) -> Response:
    """Return the platform's answer; 200 if and only if the command was carried out."""
    if request.path != PATH or request.method != "POST":
        return _say(NOT_FOUND)
    if (seconds := window.wait(now)) > 0:
        return _say(too_many(ceil(seconds)))
    if not _authorized(request.headers.get("authorization", ""), calls.settings):
        return _say(UNAUTHORIZED)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _say(BAD_REQUEST)
    command = decode(request.body, leniencies=_LENIENCIES)
    if isinstance(command, Rejected):
        return _say(_rejected(command))
    result = act(calls, command, now)
    if isinstance(result, Refusal):
        return _say(result)
    return Response(200, _JSON, orjson.dumps(_described(command, result, now)))


def _described(command: Command, call: Call, now: float) -> dict[str, Any]:
    match command.name:
        case "calling.ai_sidecar.ask":
            return {"id": call.id, "answer": "The sandbox has no opinion."}
        case "calling.ai_sidecar.status":
            return {"id": call.id, "active": bool(call.active(now, "ai_sidecar"))}
        case "dial":
            described = leg(call, now)
            return {**described, "status": described["status"] and QUEUED}  # the platform answers before it dials
        case _:
            return leg(call, now)


def _rejected(rejected: Rejected) -> Refusal:
    if rejected.problem.code is ProblemCode.UNKNOWN_COMMAND:
        return invalid((FieldError("command", FieldCode.NOT_ALLOWED, "There is no command of that name."),))
    errors = tuple(e for e in rejected.problem.errors if isinstance(e, FieldError))
    nothing_to_collect = rejected.command == "calling.collect" and any(
        (e.path, e.code) == ("params.digits", FieldCode.MISSING) for e in errors
    )
    return BAD_REQUEST if rejected.command is None or nothing_to_collect else invalid(errors)


def _authorized(header: str, settings: SandboxSettings) -> bool:
    scheme, _, encoded = header.partition(" ")
    try:
        given = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    wanted = f"{settings.project_id}:{settings.api_token}".encode()
    return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)


def _say(refusal: Refusal) -> Response:
    return Response(refusal.status, (*_JSON, *refusal.headers), orjson.dumps(refusal.document))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
