"""What the sampler drops: nothing is made for it, its context passes on, and the decision is the sampler's own."""

from __future__ import annotations

import random

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

from callmq_worker.adapters.otel_observer import OtelObserver

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def parent(flags: str = "00", trace_id: str = TRACE, **more: str) -> dict[str, str]:
    return {"traceparent": f"00-{trace_id}-{SPAN}-{flags}", **more}


class Thorough(Sampler):
    """Decides as another does, but is of a kind that must see name and attributes."""

    def __init__(self, decider: Sampler) -> None:
        self._decider = decider

    def should_sample(self, *args, **kwargs):
        return self._decider.should_sample(*args, **kwargs)

    def get_description(self) -> str:
        return "thorough"


def observing(sampler: Sampler) -> tuple[OtelObserver, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelObserver(provider.get_tracer("callmq")), exporter


def untold():
    raise AssertionError("nobody will see this span")


def carried(observer: OtelObserver, headers: dict[str, str], describe=lambda: ("step", {})) -> dict[str, str]:
    """Run the steps of one delivery; return the headers that its request gets."""
    with observer.span("consumer", describe, headers) as delivery:
        delivery.set("callmq.outcome", "succeeded")
        with observer.span("client", describe) as post:
            post.fail("500")
            return dict(observer.headers())


@pytest.mark.parametrize("sampler", [ParentBased(ALWAYS_ON), ALWAYS_OFF, TraceIdRatioBased(0.0)], ids=type)
def test_nothing_is_made_and_the_trace_is_passed_on_as_not_sampled(sampler):
    observer, exporter = observing(sampler)
    assert carried(observer, parent("00"), untold) == parent("00")
    assert exporter.get_finished_spans() == ()


def test_logs_still_find_the_trace_id_and_what_follows_is_no_part_of_it():
    observer, exporter = observing(ParentBased(ALWAYS_ON))
    with observer.span("consumer", untold, parent()) as span:
        assert not span.recording
        assert f"{trace.get_current_span().get_span_context().trace_id:032x}" == TRACE
    assert not trace.get_current_span().get_span_context().is_valid
    with observer.span("internal", lambda: ("housekeeping", {})) as span:
        assert span.recording
    assert [s.name for s in exporter.get_finished_spans()] == ["housekeeping"]


def test_one_delivery_that_is_sampled_runs_beside_one_that_is_not():
    observer, exporter = observing(ParentBased(ALWAYS_ON))
    with observer.span("consumer", untold, parent("00")):
        pass
    sent = carried(observer, parent("01"))
    assert sent["traceparent"].startswith(f"00-{TRACE}-")
    assert sent["traceparent"].endswith("-01")
    assert len(exporter.get_finished_spans()) == 2


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
@pytest.mark.parametrize(
    "based", [lambda s: s, lambda s: ParentBased(s, remote_parent_sampled=s)], ids=["root", "parent"]
)
def test_the_early_decision_is_the_samplers_own(ratio, based):
    chance = random.Random(7)
    traces = [f"{chance.getrandbits(128):032x}" for _ in range(300)]
    told = []
    for sampler in (based(TraceIdRatioBased(ratio)), Thorough(based(TraceIdRatioBased(ratio)))):
        observer, exporter = observing(sampler)
        for trace_id in traces:
            carried(observer, parent("01", trace_id))
        told.append({s.context.trace_id for s in exporter.get_finished_spans()})
    assert told[0] == told[1]
    assert 0 < len(told[0]) < 300


class Agents(trace.Tracer):
    """A tracer that is not the SDK's, as agents have them."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start_span(self, name, *_args, **_kwargs):
        self.started.append(name)
        return trace.INVALID_SPAN

    start_as_current_span = start_span


@pytest.mark.parametrize("headers", [{}, parent("00"), parent("01")], ids=["none", "00", "01"])
def test_an_agents_own_tracer_sees_every_span(headers):
    tracer = Agents()
    carried(OtelObserver(tracer), headers)
    assert tracer.started == ["step", "step"]


@pytest.mark.parametrize("flags", ["00", "01"])
def test_without_a_provider_the_context_passes_as_it_came(flags):
    observer = OtelObserver(trace.NoOpTracer())
    assert carried(observer, parent(flags), untold) == parent(flags)
    assert carried(observer, {}, untold) == {}


@pytest.mark.parametrize("tracer", [None, trace.NoOpTracer()], ids=["sampler", "no provider"])
def test_state_and_baggage_pass_on_too(tracer):
    observer = OtelObserver(tracer) if tracer else observing(ParentBased(ALWAYS_ON))[0]
    sent = carried(observer, parent("00", tracestate="vendor=1", baggage="tenant=blue"))
    assert (sent["tracestate"], sent["baggage"]) == ("vendor=1", "tenant=blue")
    assert sent["traceparent"].startswith(f"00-{TRACE}-")


@pytest.mark.parametrize(
    "bad", ["", "00-x", f"00-{'0' * 32}-{SPAN}-00", f"00-{TRACE}-{'0' * 16}-00", f"ff-{TRACE}-{SPAN}-00"]
)
def test_a_traceparent_that_is_none_starts_a_trace(bad):
    observer, exporter = observing(ParentBased(ALWAYS_ON))
    sent = carried(observer, {"traceparent": bad})
    assert TRACE not in sent["traceparent"]
    assert len(exporter.get_finished_spans()) == 2
