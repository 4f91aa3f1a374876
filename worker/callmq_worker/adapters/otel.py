"""Traces by OpenTelemetry: the observer, and a tracer provider set up from the standard ``OTEL_*`` settings."""

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from types import TracebackType
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callmq_worker.adapters import otel_settings
from callmq_worker.adapters.otel_settings import TracingSettingsError
from callmq_worker.core.redact import mask_numbers, mask_text
from callmq_worker.ports import Attributes, Span

LOG: Final = logging.getLogger("callmq.otel")
SCOPE: Final = "callmq"
SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
FLUSH_SECONDS: Final = 5.0
WARN_EVERY_SECONDS: Final = 300.0
# The wire says W3C, whatever OTEL_PROPAGATORS says.
_PROPAGATOR: Final = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
_KINDS: Final = {
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class _Step:
    """One span, current while its ``with`` block runs. Ends as failed by whatever exception leaves the block."""

    __slots__ = ("_attributes", "_failed", "_kind", "_mask", "_name", "_parent", "_span", "_token", "_tracer")

    def __init__(
        self,
        observer: "OtelObserver",
        name: str,
        kind: str,
        attributes: Attributes,
        parent: Mapping[str, str] | None,
    ) -> None:
        self._tracer = observer.tracer
        self._mask = observer.mask
        self._name = name
        self._kind = _KINDS[kind]
        self._attributes = attributes
        self._parent = parent
        self._failed = False

    def __enter__(self) -> Span:
        mask = self._mask
        context, links = self._origin()
        attributes = {k: mask(v) if isinstance(v, str) else v for k, v in self._attributes.items()}
        self._span = self._tracer.start_span(mask(self._name), context, self._kind, attributes, links)
        self._token = context_api.attach(trace.set_span_in_context(self._span, context))
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        context_api.detach(self._token)
        # A cancellation is no failure, and an exception's text may hold anything: only its type is told.
        if kind is not None and issubclass(kind, Exception) and not self._failed:
            self.fail(kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")
        self._span.end()

    def set(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 - the port's signature
        self._span.set_attribute(name, self._mask(value) if isinstance(value, str) else value)

    def fail(self, kind: str) -> None:
        self._failed = True
        self._span.set_attribute("error.type", self._mask(kind))
        self._span.set_status(StatusCode.ERROR)

    def _origin(self) -> tuple[Context | None, list[Link]]:
        """Return the context of the parent, and for a consumer the link to it that the conventions ask for."""
        if self._parent is None:
            return None, []
        # From an empty context: a message without a traceparent starts a trace, whatever runs here.
        context = _PROPAGATOR.extract(self._parent, Context())
        creation = trace.get_current_span(context).get_span_context()
        linked = self._kind is SpanKind.CONSUMER and creation.is_valid
        return context, [Link(creation)] if linked else []


class OtelObserver:
    """Spans through OpenTelemetry's API. Without a provider nothing is recorded, but trace context is passed on.

    ``mask`` is applied to every text that enters a span: phone numbers, and what else the caller wants hidden.
    """

    def __init__(self, tracer: trace.Tracer | None = None, mask: Callable[[str], str] = mask_numbers) -> None:
        """Use ``tracer``, by default that of the provider which is or will be set up for the process."""
        self.tracer = tracer or trace.get_tracer(SCOPE, schema_url=SCHEMA)
        self.mask = mask

    def span(
        self,
        name: str,
        kind: str,
        attributes: Attributes,
        parent: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Span]:
        """Time a step. ``parent``: a message's W3C headers (none in them: a new trace), else the running step."""
        return _Step(self, name, kind, attributes, parent)

    def headers(self) -> dict[str, str]:
        """Return ``traceparent``, ``tracestate`` and ``baggage`` of the running step, as far as there are any."""
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier


class _NoStep:
    """A span that is none."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 - the port's signature
        pass

    def fail(self, kind: str) -> None:
        pass


_NO_STEP: Final = _NoStep()


class NoObserver:
    """No traces, no headers; for commands that run once, and for tests."""

    def span(
        self,
        name: str,  # noqa: ARG002 - the port's signature
        kind: str,  # noqa: ARG002
        attributes: Attributes,  # noqa: ARG002
        parent: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Do nothing."""
        return _NO_STEP

    def headers(self) -> dict[str, str]:
        """Return nothing."""
        return {}


class _Guarded(SpanExporter):
    """An exporter whose failures stay here, and that can be given up: then what is left to export is dropped."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._closed = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.FAILURE if self._closed else self._inner.export(spans)

    def shutdown(self) -> None:
        if not self._closed:
            self._closed = True
            self._inner.shutdown()


class _Trouble(logging.Handler):
    """Turns whatever OpenTelemetry's own loggers say into one warning every five minutes, without values."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._silent_until = -math.inf

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + WARN_EVERY_SECONDS
        # Exporters name hosts and statuses; the others quote headers that came with messages.
        told = record.getMessage() if record.name.startswith("opentelemetry.exporter") else str(record.msg)
        hint = "the work goes on, spans may be missing; check the collector and OTEL_EXPORTER_OTLP_ENDPOINT"
        LOG.warning("trouble with tracing", extra={"fields": {"reason": mask_text(told)[:300], "hint": hint}})


def setup_tracing(service_name: str, version: str) -> Callable[[], None]:
    """Set up tracing as the ``OTEL_*`` variables say, and return what flushes and ends it within 5 seconds.

    With neither an endpoint nor an exporter named, nothing is recorded, exported or tried. A provider that somebody
    else set up (an agent) is used as it is. Raises `TracingSettingsError`.
    """
    _calm_loggers()
    present = trace.get_tracer_provider()
    if not isinstance(present, trace.ProxyTracerProvider):
        return partial(_flush, present)
    tracing = build_provider(service_name, version)
    if tracing is None:
        return _nothing
    trace.set_tracer_provider(tracing[0])
    return tracing[1]


def build_provider(service_name: str, version: str) -> tuple[TracerProvider, Callable[[], None]] | None:
    """Return a provider by the ``OTEL_*`` variables and what ends it; None where nothing is to be exported."""
    names = otel_settings.exporters(os.environ)
    if not names:
        return None
    problems = otel_settings.problems(os.environ, names)
    if problems:
        raise TracingSettingsError(problems)
    said = OTELResourceDetector().detect().attributes
    own = {"service.name": service_name, "service.version": version}
    resource = Resource.create({k: v for k, v in own.items() if k not in said})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporters = [_Guarded(_exporter(name)) for name in names]
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))

    def end() -> None:
        if not _within(provider.shutdown):
            for exporter in exporters:
                exporter.shutdown()

    return provider, end


def _exporter(name: str) -> SpanExporter:
    # Imported when wanted: together they take longer to load than all the rest of the worker.
    if name == "console":
        return ConsoleSpanExporter(out=sys.stderr)
    if otel_settings.protocol(os.environ) == otel_settings.GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter  # noqa: PLC0415

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter  # noqa: PLC0415

    return HttpExporter()


def _calm_loggers() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.propagate = False
    logger.handlers = [_Trouble()]


def _within(act: Callable[[], object]) -> bool:
    """Run a blocking call on a thread that nothing waits for, and say whether it ended within 5 seconds."""
    thread = threading.Thread(target=act, name="callmq-flush", daemon=True)
    # The interpreter is ending and starts no threads any more: there is nothing left to flush with.
    with contextlib.suppress(RuntimeError):
        thread.start()
        thread.join(FLUSH_SECONDS)
    return not thread.is_alive()


def _flush(provider: object) -> None:
    flush = getattr(provider, "force_flush", None)
    if callable(flush):
        _within(flush)


def _nothing() -> None:
    """Do nothing: nothing was set up."""
