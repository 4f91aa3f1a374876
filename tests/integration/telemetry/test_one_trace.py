"""One trace from the producer's publish to the reply's: a real broker, worker process, endpoint and receiver."""

import asyncio
import os
import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from callmq import tracing
from callmq_contracts.examples import EXAMPLES
from world import environment, world


@pytest.fixture
def producer_traces(receiver, monkeypatch):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("callmq"))
    yield provider
    provider.shutdown()


def tell(spans):
    """Return each span's name with its parent's name."""
    names = {s.span_id: s.name for s in spans}
    return [(s.name, names.get(s.parent_span_id)) for s in sorted(spans, key=lambda s: s.start_time_unix_nano)]


@pytest.mark.usefixtures("producer_traces")
async def test_publish_receive_ledger_request_and_reply_are_one_trace(amqp_url, tmp_path, receiver):
    body = {**EXAMPLES["dial"][0]}
    async with world(amqp_url, tmp_path / "l.db") as w:
        told = {**os.environ, **environment(amqp_url, w.ledger, w.sandbox.url),
                "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}  # fmt: skip
        process = subprocess.Popen([sys.executable, "-m", "callmq", "work"], env=told, stderr=subprocess.DEVNULL)
        try:
            async with asyncio.timeout(30):
                while not (sent := await w.client.send(body, key="canary-key")).ok:
                    await asyncio.sleep(0.05)
            assert sent.ok
            await w.reply("canary-key")
            process.terminate()
            assert await asyncio.to_thread(process.wait, 20) == 0
        finally:
            process.kill()
            process.wait()
    every = [s for r in receiver.requests for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans]
    spans = [s for s in every if s.trace_id == next(e.trace_id for e in every if e.name.startswith("process "))]
    published = next(name for name, parent in tell(spans) if parent is None)
    process_name = "process callmq.commands:dial:callmq.dial"
    assert published == "send callmq.commands:dial"
    assert tell(spans) == [
        (published, None),
        (process_name, published),
        ("ledger claim", process_name),
        ("POST", process_name),
        ("ledger mark", "POST"),
        ("ledger record", process_name),
        ("send callmq.replies:{app_id}.{command}.{outcome}", process_name),
    ]
    reply_headers = w.keys[0][1].headers
    last = max(spans, key=lambda s: s.start_time_unix_nano)
    assert reply_headers["traceparent"].split("-")[1:3] == [last.trace_id.hex(), last.span_id.hex()]
    told = str(every)
    assert body["params"]["to"] not in told
    assert trace.get_current_span() is trace.INVALID_SPAN
