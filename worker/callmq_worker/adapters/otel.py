"""Traces by OpenTelemetry: a tracer provider set up from the standard ``OTEL_*`` settings."""

import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter, SpanExportResult

from callmq_worker.adapters import otel_settings
from callmq_worker.adapters.otel_settings import TracingSettingsError
from callmq_worker.core.redact import mask_text

LOG: Final = logging.getLogger("callmq.otel")
FLUSH_SECONDS: Final = 5.0
WARN_EVERY_SECONDS: Final = 300.0


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
