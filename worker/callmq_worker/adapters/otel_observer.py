"""The observer: steps as OpenTelemetry spans. What the sampler drops is dropped first, and costs next to nothing."""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import Tracer
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from callmq_worker.core.redact import mask_numbers
from callmq_worker.ports import Describe, Span

SCOPE: Final = "callmq"
SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"
# The wire says W3C, whatever OTEL_PROPAGATORS says.
_PROPAGATOR: Final = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
# These look at nothing but the ids, so they can be asked before a step has its name and attributes.
_EARLY: Final = (ParentBased, StaticSampler, TraceIdRatioBased)
_NOBODYS: Final = (trace.ProxyTracer, trace.NoOpTracer)
_KINDS: Final = {
    "consumer": SpanKind.CONSUMER,
    "producer": SpanKind.PRODUCER,
    "client": SpanKind.CLIENT,
    "internal": SpanKind.INTERNAL,
}


class _Step:
    """One span, current while its ``with`` block runs. Ends as failed by whatever exception leaves the block."""

    __slots__ = ("_describe", "_failed", "_kind", "_mask", "_parent", "_span", "_token", "_tracer")

    def __init__(
        self, observer: "OtelObserver", kind: str, describe: Describe, parent: Mapping[str, str] | None
    ) -> None:
        self._tracer = observer.tracer
        self._mask = observer.mask
        self._kind = _KINDS[kind]
        self._describe = describe
        self._parent = parent
        self._failed = False

    def __enter__(self) -> Span:
        mask = self._mask
        context, links = self._origin()
        name, told = self._describe()
        attributes = {k: mask(v) if isinstance(v, str) else v for k, v in told.items()}
        self._span = self._tracer.start_span(mask(name), context, self._kind, attributes, links)
        self._token = context_api.attach(trace.set_span_in_context(self._span, context))
        return self

    def __exit__(self, kind: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        context_api.detach(self._token)
        # A cancellation is no failure, and an exception's text may hold anything: only its type is told.
        if kind is not None and issubclass(kind, Exception) and not self._failed:
            self.fail(kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}")
        self._span.end()

    @property
    def recording(self) -> bool:
        return bool(self._span.is_recording())

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


class _NoStep:
    """A step that nobody sees."""

    recording: Final = False

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def set(self, name: str, value: str | float | bool) -> None:  # noqa: FBT001 - the port's signature
        pass

    def fail(self, kind: str) -> None:
        pass


_NO_STEP: Final = _NoStep()


# The headers of the delivery that runs here and that nobody sees: it has no steps, and all it publishes passes them on.
_passing: Final[ContextVar[Mapping[str, str] | None]] = ContextVar("callmq_passing", default=None)


class _Passage(_NoStep):
    """A delivery that is not sampled: its context is current, for logs, and nothing is recorded."""

    __slots__ = ("_context", "_headers", "_ours", "_token")

    def __init__(self, context: SpanContext, headers: Mapping[str, str]) -> None:
        self._context = context
        self._headers = headers

    def __enter__(self) -> Span:
        passing = trace.set_span_in_context(NonRecordingSpan(self._context), Context())
        self._token: Token[Context] = context_api.attach(passing)
        self._ours = _passing.set(self._headers)
        return self

    def __exit__(self, *_: object) -> None:
        _passing.reset(self._ours)
        context_api.detach(self._token)


class OtelObserver:
    """Spans through OpenTelemetry's API. Without a provider nothing is recorded, but trace context is passed on.

    ``mask`` is applied to every text that enters a span: phone numbers, and what else the caller wants hidden.
    """

    def __init__(self, tracer: trace.Tracer | None = None, mask: Callable[[str], str] = mask_numbers) -> None:
        """Use ``tracer``, by default that of the provider which is set up for the process."""
        self.tracer = tracer or trace.get_tracer(SCOPE, schema_url=SCHEMA)
        self.mask = mask
        self._sampler = self.tracer.sampler if isinstance(self.tracer, Tracer) else None
        # An agent's own tracer is neither: it sees each span.
        self._early = isinstance(self.tracer, _NOBODYS) or isinstance(self._sampler, _EARLY)

    def span(
        self, kind: str, describe: Describe, parent: Mapping[str, str] | None = None
    ) -> AbstractContextManager[Span]:
        """Time a step. ``parent``: a message's W3C headers (none in them: a new trace), else the running step."""
        if parent is None:
            if _passing.get() is not None:
                return _NO_STEP
        elif self._early and (unseen := _unseen(parent, self._sampler)) is not None:
            return unseen
        return _Step(self, kind, describe, parent)

    def headers(self) -> Mapping[str, str]:
        """Return ``traceparent``, ``tracestate`` and ``baggage`` of the running step, as far as there are any."""
        passing = _passing.get()
        if passing is not None:
            return passing
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        return carrier


def _unseen(parent: Mapping[str, str], sampler: Sampler | None) -> _Passage | None:
    """Return what stands for a delivery that is dropped. None: it is recorded, or takes the longer way.

    ``sampler`` None: there is no provider, so nobody sees any, and the trace context passes as it came.
    """
    if not parent and sampler is None:
        return _Passage(trace.INVALID_SPAN_CONTEXT, {})
    if len(parent) != 1 or (found := _TRACEPARENT.fullmatch(parent.get("traceparent", ""))) is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    remote = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(found[3], 16)))
    if sampler is None:
        return _Passage(remote, parent)
    context = trace.set_span_in_context(NonRecordingSpan(remote), Context())
    if sampler.should_sample(context, trace_id, "").decision is not Decision.DROP:
        return None
    passed_on = SpanContext(trace_id, span_id, is_remote=True)
    return _Passage(passed_on, {"traceparent": f"00-{found[1]}-{found[2]}-00"})


class NoObserver:
    """No traces, no headers; for commands that run once, and for tests."""

    def span(
        self,
        kind: str,  # noqa: ARG002 - the port's signature
        describe: Describe,  # noqa: ARG002
        parent: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Do nothing."""
        return _NO_STEP

    def headers(self) -> Mapping[str, str]:
        """Return nothing."""
        return {}
