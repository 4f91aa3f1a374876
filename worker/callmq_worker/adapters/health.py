"""Health over HTTP: ``/livez`` (the loop turns), ``/readyz`` (what fails, by name), ``/metrics`` (Prometheus text)."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal, TypeAlias

from callmq_worker.adapters.web import Answer, Limits, Request, Response, WebServer
from callmq_worker.core.redact import redact

Readiness: TypeAlias = Callable[[], tuple[bool, Mapping[str, Any]]]
PATHS: Final = ("/livez", "/readyz", "/metrics")
EVERYWHERE: Final = "0.0.0.0"
_MAX_PORT: Final = 65_535
_FINE: Final = (None, True, "ok")
_JSON: Final = "application/json"
_EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"
# A probe that holds its connection must not keep the others out.
_LIMITS: Final = Limits(body=1024, head=8192, idle=10.0, connections=64)


class HealthAddressError(Exception):
    """The health address can't be had; the text says which setting to change."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, with its labels."""

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and all its samples. A counter's name ends in ``_total``."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Sequence[Sample]


def parse_address(text: str) -> tuple[str, int] | None:
    """Read ``127.0.0.1:8087``, ``[::1]:8087``, ``:8087`` (every IPv4 address) or ``off``, which gives None.

    Raises `ValueError` with the rule broken.
    """
    said = text.strip()
    if said.lower() == "off":
        return None
    host, colon, port = said.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    number = int(port) if port.isascii() and port.isdigit() else _MAX_PORT + 1
    if not colon or number > _MAX_PORT or (":" in host and not bracketed) or any(c in host for c in " /@?#"):
        raise ValueError("must be host:port, such as 127.0.0.1:8087 or [::1]:8087, or off")
    return (host[1:-1] if bracketed else host) or EVERYWHERE, number


def exposition(metrics: Sequence[Metric]) -> str:
    """Return the metrics in Prometheus' text format 0.0.4."""
    lines = []
    for metric in metrics:
        told = metric.help.replace("\\", r"\\").replace("\n", r"\n")
        lines += [f"# HELP {metric.name} {told}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(sample.labels)} {sample.value!r}" for sample in metric.samples]
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    escapes = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
    pairs = ",".join(f'{name}="{value.translate(escapes)}"' for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


@dataclass(eq=False, slots=True)
class HealthServer:
    """Answers probes on its own address while the event loop turns.

    ``readiness`` returns whether work can be done, and what is wrong, by the failing part's name (parts that are
    None, True or "ok" are fine and not shown). ``metrics`` returns what ``/metrics`` shows. Both are called for
    every question and must not block.
    """

    host: str
    port: int
    readiness: Readiness
    metrics: Callable[[], Sequence[Metric]] = list
    _server: WebServer | None = None

    async def start(self) -> None:
        """Listen; ``port`` then is the one that was found. Raises `HealthAddressError`."""
        server = WebServer(self._answer, self.host, self.port, _LIMITS)
        try:
            await server.start()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            advice = "free it, or set CALLMQ_HEALTH_ADDR to another address or to off"
            raise HealthAddressError(f"Can't listen on the health address: {reason}; {advice}.") from error
        self.port = server.port
        self._server = server

    async def stop(self) -> None:
        """Stop listening and close what is open."""
        if self._server is not None:
            await self._server.stop()
            self._server = None

    async def _answer(self, request: Request) -> Answer:
        if request.path not in PATHS:
            return _answered(HTTPStatus.NOT_FOUND, {"error": "not found", "paths": list(PATHS)})
        if request.method != "GET":
            return _answered(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "only GET and HEAD"}, ("allow", "GET, HEAD"))
        if request.path == "/livez":
            return _answered(HTTPStatus.OK, {"live": True})
        if request.path == "/metrics":
            body = exposition(self.metrics()).encode()
            return Response(HTTPStatus.OK, (("content-type", _EXPOSITION), ("cache-control", "no-store")), body)
        return self._ready()

    def _ready(self) -> Response:
        try:
            ready, parts = self.readiness()
        except Exception as error:  # noqa: BLE001 - whatever it is, we can't say that we are ready
            ready, parts = False, {"readiness": f"could not be found out: {type(error).__name__}"}
        failing = {name: told for name, told in parts.items() if not any(told is f or told == f for f in _FINE)}
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _answered(status, {"ready": ready, "failing": redact(failing)})


def _answered(status: HTTPStatus, body: Mapping[str, Any], *headers: tuple[str, str]) -> Response:
    fixed = (("content-type", _JSON), ("cache-control", "no-store"))
    return Response(status, (*fixed, *headers), json.dumps(body).encode())
