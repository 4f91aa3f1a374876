"""Real spans reach a real OTLP receiver as the conventions have them, and its absence disturbs nobody."""

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Wire
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from callmq_contracts.envelope import Envelope
from callmq_contracts.reply import REPLY_TYPE
from callmq_worker.adapters import otel as adapter
from callmq_worker.adapters.otel import build_provider, setup_tracing
from callmq_worker.adapters.otel_observer import SCHEMA, NoObserver, OtelObserver
from callmq_worker.core import spans
from callmq_worker.core.outcome import Answered
from callmq_worker.core.publications import Publication

NUMBER = "+15551234567"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1", "baggage": "tenant=blue"}


def attributes(holder):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in holder.attributes}


@pytest.fixture
def traced(otel, receiver):
    """Return an observer whose spans reach the receiver, and what ends the tracing."""
    otel(EXPORTER_OTLP_ENDPOINT=receiver.url, BSP_SCHEDULE_DELAY="600000")
    provider, end = build_provider("callmq", "1.2.3")
    yield OtelObserver(provider.get_tracer("callmq", schema_url=SCHEMA)), end
    end()


def carry(observer, parent=PARENT):
    """Make the spans of one delivery, as the engine does, and return the headers of its request and of its reply."""
    envelope = Envelope("dial", message_id="m-1", correlation_id=NUMBER)
    known = ("callmq.commands", "callmq.dial", envelope, 12)
    with observer.span("consumer", lambda: spans.delivery(*known), parent) as delivery:
        delivery.set("callmq.outcome", "succeeded")
        with observer.span("internal", lambda: spans.ledger("claim", "sqlite")):
            pass
        with observer.span("client", lambda: spans.request("https://u:p@space.example/api?to=1", 1)) as post:
            sent = observer.headers()
            told, error = spans.answer(Answered(503))
            for key, value in told.items():
                post.set(key, value)
            post.fail(error)
        reply = Publication("callmq.replies", "-.dial.succeeded", b"{}", type=REPLY_TYPE)
        with observer.span("producer", lambda: spans.publication(reply)):
            return sent, observer.headers()


def test_one_delivery_is_one_tree_below_its_producer(traced, receiver):
    observer, end = traced
    sent, replied = carry(observer)
    assert not receiver.requests, "nothing is sent before the batch is due"
    end()
    found = receiver.spans
    delivery = found["process callmq.commands:dial:callmq.dial"]
    claim, post = found["ledger claim"], found["POST"]
    reply = found["send callmq.replies:{app_id}.{command}.{outcome}"]
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    assert delivery.parent_span_id.hex() == "b7ad6b7169203331"
    assert {span.parent_span_id for span in (claim, post, reply)} == {delivery.span_id}
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in delivery.links] == [(TRACE, "b7ad6b7169203331")]
    assert sent["traceparent"] == f"00-{TRACE}-{post.span_id.hex()}-01"
    assert replied["traceparent"] == f"00-{TRACE}-{reply.span_id.hex()}-01"
    assert (replied["tracestate"], replied["baggage"]) == ("vendor=1", "tenant=blue")
    kinds = [span.kind for span in (delivery, claim, post, reply)]
    assert kinds == [Wire.SPAN_KIND_CONSUMER, Wire.SPAN_KIND_INTERNAL, Wire.SPAN_KIND_CLIENT, Wire.SPAN_KIND_PRODUCER]


def test_attributes_arrive_typed_and_masked(traced, receiver):
    observer, end = traced
    carry(observer)
    end()
    delivery = receiver.spans["process callmq.commands:dial:callmq.dial"]
    assert attributes(delivery) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "callmq.commands:dial:callmq.dial",
        "messaging.rabbitmq.destination.routing_key": "dial",
        "messaging.message.id": "m-1",
        "messaging.message.conversation_id": "***67",
        "messaging.message.body.size": 12,
        "callmq.account": "default",
        "callmq.redelivered": False,
        "callmq.outcome": "succeeded",
    }
    assert delivery.status.code == Status.STATUS_CODE_UNSET
    post = receiver.spans["POST"]
    assert attributes(post) == {
        "http.request.method": "POST",
        "url.full": "https://space.example/api?to=REDACTED",
        "server.address": "space.example",
        "server.port": 443,
        "http.request.resend_count": 1,
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert post.status.code == Status.STATUS_CODE_ERROR
    assert "555123" not in str(receiver.requests)


def test_the_resource_says_who_speaks_and_settings_win(otel, receiver):
    otel(
        EXPORTER_OTLP_TRACES_ENDPOINT=f"{receiver.url}/own/path",
        EXPORTER_OTLP_HEADERS="x-tenant=blue",
        EXPORTER_OTLP_COMPRESSION="gzip",
        SERVICE_NAME="dialler",
        RESOURCE_ATTRIBUTES="deployment.environment.name=test,service.version=9",
    )
    provider, end = build_provider("callmq", "1.2.3")
    with OtelObserver(provider.get_tracer("callmq")).span("internal", lambda: ("step", {})):
        pass
    end()
    assert receiver.resource["service.name"] == "dialler"
    assert receiver.resource["service.version"] == "9"
    assert receiver.resource["deployment.environment.name"] == "test"
    assert receiver.resource["service.instance.id"]
    assert (receiver.headers[0]["path"], receiver.headers[0]["x-tenant"]) == ("/own/path", "blue")


def test_a_message_without_context_starts_a_trace_whatever_runs_here(traced, receiver):
    observer, end = traced
    with (
        observer.span("internal", lambda: ("outer", {})),
        observer.span("consumer", lambda: ("stray", {}), {"traceparent": "nonsense"}),
    ):
        pass
    end()
    outer, stray = receiver.spans["outer"], receiver.spans["stray"]
    assert stray.trace_id != outer.trace_id
    assert not stray.parent_span_id
    assert not stray.links


async def test_tasks_keep_their_own_running_step(traced, receiver):
    observer, end = traced
    entered = asyncio.Barrier(20)

    async def work(number):
        with observer.span("internal", lambda: (f"outer {number}", {})):
            await entered.wait()
            with observer.span("internal", lambda: (f"inner {number}", {})):
                await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(20)))
    end()
    for number in range(20):
        assert receiver.spans[f"inner {number}"].parent_span_id == receiver.spans[f"outer {number}"].span_id


async def test_an_exception_fails_its_step_without_its_text_and_a_cancellation_does_not(traced, receiver):
    observer, end = traced

    async def waits():
        with observer.span("internal", lambda: ("cancelled", {})):
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    with pytest.raises(json.JSONDecodeError), observer.span("internal", lambda: ("failed", {})):
        json.loads(f"{NUMBER} canary")

    def fails():
        with observer.span("internal", lambda: ("told", {})) as told:
            told.fail("fault")
            raise ValueError("canary")

    with pytest.raises(ValueError, match="canary"):
        fails()
    end()
    failed = receiver.spans["failed"]
    assert attributes(failed) == {"error.type": "json.decoder.JSONDecodeError"}
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert not failed.events
    assert attributes(receiver.spans["told"]) == {"error.type": "fault"}
    assert receiver.spans["cancelled"].status.code == Status.STATUS_CODE_UNSET
    assert "canary" not in str(receiver.requests)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"EXPORTER_OTLP_ENDPOINT": ""},
        {"TRACES_EXPORTER": "none", "EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        {"SDK_DISABLED": "true", "EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
    ],
)
def test_where_nothing_is_wanted_context_still_passes_through(otel, settings):
    otel(**settings)
    assert build_provider("callmq", "1") is None
    sent, replied = carry(OtelObserver())
    assert sent == replied == PARENT
    assert OtelObserver().headers() == {}


def test_a_sampler_is_followed(otel, receiver):
    otel(EXPORTER_OTLP_ENDPOINT=receiver.url, TRACES_SAMPLER="always_off")
    provider, end = build_provider("callmq", "1")
    sent, _ = carry(OtelObserver(provider.get_tracer("callmq")))
    end()
    assert not receiver.requests
    assert sent["traceparent"].endswith("-00")


def test_no_observer_does_nothing():
    assert carry(NoObserver()) == ({}, {})


def test_grpc_works_where_it_is_installed(otel):
    taken = []

    class Service(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request, context):  # noqa: N802 - the service's own name for it
            taken.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    otel(EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", EXPORTER_OTLP_PROTOCOL="grpc")
    provider, end = build_provider("callmq", "1")
    carry(OtelObserver(provider.get_tracer("callmq")))
    end()
    server.stop(0).wait()
    assert sum(len(scope.spans) for r in taken for rs in r.resource_spans for scope in rs.scope_spans) == 4


def test_a_silent_receiver_holds_up_neither_the_work_nor_the_end(otel, receiver, monkeypatch, caplog):
    monkeypatch.setattr(adapter, "FLUSH_SECONDS", 0.2)
    receiver.answering.clear()
    otel(EXPORTER_OTLP_ENDPOINT=receiver.url, BSP_MAX_QUEUE_SIZE="8", BSP_MAX_EXPORT_BATCH_SIZE="4")
    provider, end = build_provider("callmq", "1")
    observer = OtelObserver(provider.get_tracer("callmq"))
    for _ in range(4):
        carry(observer)
    assert receiver.asked.wait(30)
    for _ in range(100):
        carry(observer)
    end()
    assert not receiver.answering.is_set(), "all that was done while the receiver had not answered"
    receiver.answering.set()
    for thread in threading.enumerate():
        if thread.name == "callmq-flush":
            thread.join()
    assert len(receiver.requests) == 1, "what was left is given up"
    assert "already shutdown" not in caplog.text


def test_what_a_message_says_in_its_headers_is_not_repeated_in_logs(caplog):
    logger = logging.getLogger("opentelemetry")
    before = logger.handlers[:], logger.propagate
    setup_tracing("callmq", "1")
    try:
        hostile = {"baggage": f"{NUMBER}-canary,=,;;", "traceparent": "canary", "tracestate": "canary"}
        for _ in range(5):
            with OtelObserver().span("consumer", lambda: ("step", {}), hostile):
                pass
    finally:
        logger.handlers, logger.propagate = before
    assert [r.getMessage() for r in caplog.records] == ["trouble with tracing"]
    assert "canary" not in str([vars(r) for r in caplog.records])


def test_nothing_stays_current():
    assert context_api.get_current() == {}
    assert not trace.get_current_span().get_span_context().is_valid
