"""The message on the wire, property by property, as the wire description's table has it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aio_pika import DeliveryMode
from aio_pika.abc import AbstractQueue
from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from callmq import Client, End, Update
from callmq_contracts.commands.call import EndParams, UpdateParams

CALL = "0E9C80D7-a149-4917-892d-420043709f45"


async def test_every_property_of_the_table(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    expires = datetime.now(UTC) + timedelta(hours=1)
    async with Client(amqp_url, app_id="billing.eu") as client:
        result = await client.send(
            dial,
            key="order-17-dial-1",
            expires_at=expires,
            account="sales",
            campaign="spring",
            priority="bulk",
            correlation_id="c-1",
            reply_to="answers",
            headers={"x-note": "mine"},
        )
    message = await commands.get()
    assert (message.exchange, message.routing_key) == ("callmq.commands", "dial")
    assert message.content_type == "application/json"
    assert message.content_encoding is None
    assert message.delivery_mode is DeliveryMode.PERSISTENT
    assert message.message_id == result.message_id
    assert message.message_id != "order-17-dial-1"
    assert message.timestamp is not None
    assert before <= message.timestamp <= datetime.now(UTC)
    assert message.correlation_id == "c-1"
    assert message.reply_to == "answers"
    assert message.app_id == "billing.eu"
    assert message.expiration is None
    assert message.user_id is None
    assert not message.priority  # the property, not our header: RabbitMQ 4 would let it overtake
    headers = {n: v for n, v in message.headers.items() if n != "x-delivery-count"}  # the queue adds it
    assert headers == {
        "idempotency-key": "order-17-dial-1",
        "expires-at": expires.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "account": "sales",
        "campaign": "spring",
        "priority": "bulk",
        "x-note": "mine",
    }


async def test_what_was_not_said_is_absent(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        await client.send(dial, key="order-1")
    message = await commands.get()
    assert set(message.headers) - {"x-delivery-count"} == {"idempotency-key"}
    assert (message.app_id, message.correlation_id, message.reply_to) == (None, None, None)


async def test_message_ids_are_unique_per_publish(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        results = [await client.send(dial, key="order-1") for _ in range(20)]
    assert len({result.message_id for result in results}) == 20


async def test_bytes_go_out_byte_for_byte(amqp_url: str, commands: AbstractQueue) -> None:
    body = b'{ "params" : {"b":1.0,  "a":1e2} ,\t"command":"dial"}'
    async with Client(amqp_url) as client:
        await client.send(body, key="order-1")
    message = await commands.get()
    assert message.body == body
    assert message.routing_key == "dial"


@pytest.mark.parametrize(
    "body",
    [
        {"command": "calling.end", "id": CALL, "params": {}},
        End(id=CALL, params=EndParams()),
        {"command": "update", "params": {"id": CALL, "status": "completed"}},
        Update(params=UpdateParams(id=CALL, status="completed")),
        b'{"command":"calling.end","id":"%s","params":{}}' % CALL.encode(),
    ],
)
async def test_the_call_id_is_copied_from_the_body(amqp_url: str, commands: AbstractQueue, body: Any) -> None:
    async with Client(amqp_url) as client:
        assert (await client.send(body, key="order-1")).ok
    assert (await commands.get()).headers["call-id"] == CALL.lower()


async def test_the_running_trace_goes_along(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    parent = trace.SpanContext(0xABCDEF, 0x1234, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = otel.attach(trace.set_span_in_context(trace.NonRecordingSpan(parent)))
    try:
        async with Client(amqp_url) as client:
            await client.send(dial, key="order-1")
    finally:
        otel.detach(token)
    assert (await commands.get()).headers["traceparent"] == f"00-{0xABCDEF:032x}-{0x1234:016x}-01"


async def test_the_span_follows_the_conventions_and_tells_nobody_s_number(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("callmq.tracing._tracer", provider.get_tracer("callmq"))
    async with Client(amqp_url) as client:
        result = await client.send(dial, key="ring-+15550101", correlation_id="+15550101")
        await commands.unbind("callmq.commands", "#")
        unroutable = await client.send(dial, key="ring-+15550101")
    good, bad = exporter.get_finished_spans()
    assert (good.name, good.kind) == ("send callmq.commands:dial", trace.SpanKind.PRODUCER)
    assert dict(good.attributes or {}) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "callmq.commands:dial",
        "messaging.rabbitmq.destination.routing_key": "dial",
        "messaging.message.id": result.message_id,
        "messaging.message.body.size": len((message := await commands.get()).body),
        "server.address": "127.0.0.1",
        "server.port": int(re.findall(r":(\d+)", amqp_url)[-1]),
    }
    context = good.get_span_context()
    assert context is not None
    assert str(message.headers["traceparent"]).startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
    assert not unroutable.ok
    assert dict(bad.attributes or {})["error.type"] == "unroutable"
    assert bad.status.status_code is trace.StatusCode.ERROR
    assert "1555" not in good.to_json() + bad.to_json()
