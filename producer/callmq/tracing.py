"""The producer's span, by OpenTelemetry's conventions for messaging with RabbitMQ."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace

from callmq.address import Address
from callmq.message import Outgoing
from callmq.results import Confirmed, PublishResult

_tracer = trace.get_tracer("callmq")


class PublishSpan:
    """One publish. ``headers`` are the W3C headers of its context."""

    def __init__(self, span: trace.Span) -> None:
        """Read the headers of the running context, which is the span's."""
        self._span = span
        self.headers: dict[str, str] = {}
        propagate.inject(self.headers)

    def end_with(self, result: PublishResult) -> None:
        """Mark anything but a confirmation as an error of the kind that the result has."""
        if self._span.is_recording() and not isinstance(result, Confirmed):
            self._span.set_attribute("error.type", result.name)
            self._span.set_status(trace.StatusCode.ERROR, result.reason)


@contextmanager
def publish_span(outgoing: Outgoing, message_id: str, exchange: str, address: Address) -> Iterator[PublishSpan]:
    """Trace one publish. No key, body or correlation id becomes an attribute: they may hold a phone number."""
    attributes: dict[str, str | int] = {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": f"{exchange}:{outgoing.routing_key}",
        "messaging.rabbitmq.destination.routing_key": outgoing.routing_key,
        "messaging.message.id": message_id,
        "messaging.message.body.size": len(outgoing.body),
        "server.address": address.host,
        "server.port": address.port,
    }
    name = f"send {exchange}:{outgoing.routing_key}"
    with _tracer.start_as_current_span(name, kind=trace.SpanKind.PRODUCER, attributes=attributes) as span:
        yield PublishSpan(span)
