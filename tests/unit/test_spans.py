"""Spans carry the names that the installed OpenTelemetry conventions have, and nothing that may not be seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.attributes import db_attributes as db
from opentelemetry.semconv._incubating.attributes import http_attributes as http
from opentelemetry.semconv._incubating.attributes import messaging_attributes as messaging
from opentelemetry.semconv._incubating.attributes import server_attributes as server
from opentelemetry.semconv._incubating.attributes import url_attributes as url
from opentelemetry.semconv.schemas import Schemas

from callmq_contracts.catalog import CATALOG
from callmq_contracts.envelope import Envelope
from callmq_contracts.reply import REPLY_TYPE
from callmq_worker.adapters.otel_observer import SCHEMA
from callmq_worker.core import spans
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.publications import Publication

CONVENTIONS = {
    value for module in (db, http, messaging, server, url) for value in vars(module).values() if isinstance(value, str)
}
KEY = "order-17-canary"


def envelope(routing_key="dial", **known):
    return Envelope(routing_key, key=KEY, message_id="m-1", correlation_id="c-1", account="sales", **known)


def test_the_schema_is_one_that_the_package_knows():
    assert SCHEMA in {schema.value for schema in Schemas}


def test_a_delivery():
    name, attributes = spans.delivery(
        "callmq.commands", "callmq.dial", envelope(), 321, redelivered=True, delivery_tag=7
    )
    assert name == "process callmq.commands:dial:callmq.dial"
    assert attributes == {
        messaging.MESSAGING_SYSTEM: messaging.MessagingSystemValues.RABBITMQ.value,
        messaging.MESSAGING_OPERATION_NAME: "process",
        messaging.MESSAGING_OPERATION_TYPE: messaging.MessagingOperationTypeValues.PROCESS.value,
        messaging.MESSAGING_DESTINATION_NAME: "callmq.commands:dial:callmq.dial",
        messaging.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: "dial",
        messaging.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG: 7,
        messaging.MESSAGING_MESSAGE_ID: "m-1",
        messaging.MESSAGING_MESSAGE_CONVERSATION_ID: "c-1",
        messaging.MESSAGING_MESSAGE_BODY_SIZE: 321,
        "callmq.account": "sales",
        "callmq.redelivered": True,
    }


@given(st.text())
def test_only_the_catalogue_makes_span_names(routing_key):
    name, attributes = spans.delivery("callmq.commands", "callmq.unrouted", envelope(routing_key), 1)
    if routing_key and routing_key not in CATALOG:
        assert name == "process callmq.commands:*:callmq.unrouted"
        assert attributes[messaging.MESSAGING_DESTINATION_TEMPLATE] == "callmq.commands:*:callmq.unrouted"
    assert KEY not in str((name, attributes))


@pytest.mark.parametrize(
    ("exchange", "routing_key", "queue", "name"),
    [
        ("x", "k", "q", "x:k:q"),
        ("x", "k", "", "x:k"),
        ("x", "", "q", "x:q"),
        ("", "k", "q", "k:q"),
        ("x", "q", "q", "x:q"),
        ("", "q", "q", "q"),
        ("", "", "", "amq.default"),
    ],
)
def test_destinations_as_rabbitmqs_conventions_have_them(exchange, routing_key, queue, name):
    assert spans.destination(exchange, routing_key, queue) == name


def test_a_publication():
    dead = Publication("callmq.dead", "failed.retries_exhausted", b"12345", correlation_id="c-1")
    name, attributes = spans.publication(dead)
    assert name == "send callmq.dead:failed.retries_exhausted"
    assert attributes == {
        messaging.MESSAGING_SYSTEM: "rabbitmq",
        messaging.MESSAGING_OPERATION_NAME: "send",
        messaging.MESSAGING_OPERATION_TYPE: messaging.MessagingOperationTypeValues.SEND.value,
        messaging.MESSAGING_DESTINATION_NAME: "callmq.dead:failed.retries_exhausted",
        messaging.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY: "failed.retries_exhausted",
        messaging.MESSAGING_MESSAGE_CONVERSATION_ID: "c-1",
        messaging.MESSAGING_MESSAGE_BODY_SIZE: 5,
    }


def test_a_reply_is_named_by_its_template():
    name, attributes = spans.publication(Publication("callmq.replies", "billing.dial.succeeded", b"", type=REPLY_TYPE))
    assert name == "send callmq.replies:{app_id}.{command}.{outcome}"
    assert attributes[messaging.MESSAGING_DESTINATION_NAME] == "callmq.replies:billing.dial.succeeded"
    name, attributes = spans.publication(Publication("", "amq.gen-xyz", b"", type=REPLY_TYPE))
    assert name == "send {reply_to}"
    assert attributes[messaging.MESSAGING_DESTINATION_ANONYMOUS] is True
    assert attributes[messaging.MESSAGING_DESTINATION_TEMPORARY] is True


def test_a_request():
    name, attributes = spans.request("https://project:token@space.example/api/calling/calls?x=1", 2)
    assert name == "POST"
    assert attributes == {
        http.HTTP_REQUEST_METHOD: http.HttpRequestMethodValues.POST.value,
        url.URL_FULL: "https://space.example/api/calling/calls?x=REDACTED",
        server.SERVER_ADDRESS: "space.example",
        server.SERVER_PORT: 443,
        http.HTTP_REQUEST_RESEND_COUNT: 2,
    }
    _, first = spans.request("http://[::1]:8080/")
    assert (first[server.SERVER_ADDRESS], first[server.SERVER_PORT]) == ("::1", 8080)
    assert http.HTTP_REQUEST_RESEND_COUNT not in first


@pytest.mark.parametrize(
    ("came_back", "attributes", "error"),
    [
        (Answered(200), {http.HTTP_RESPONSE_STATUS_CODE: 200}, None),
        (Answered(302), {http.HTTP_RESPONSE_STATUS_CODE: 302}, None),
        (Answered(422, {"errors": ["canary"]}), {http.HTTP_RESPONSE_STATUS_CODE: 422}, "422"),
        (Answered(503), {http.HTTP_RESPONSE_STATUS_CODE: 503}, "503"),
        (NotSent("canary"), {}, "not_sent"),
        (NoAnswer("canary"), {}, "no_answer"),
        (Withheld(), {"callmq.withheld": True}, None),
    ],
)
def test_answers(came_back, attributes, error):
    assert spans.answer(came_back) == (attributes, error)


def test_the_ledger():
    system = db.DbSystemNameValues.SQLITE.value
    attributes = {db.DB_OPERATION_NAME: "claim", db.DB_SYSTEM_NAME: "sqlite"}
    assert spans.ledger("claim", system) == ("ledger claim", attributes)


def test_every_other_name_is_one_of_the_conventions():
    used = {
        *spans.delivery("x", "q", envelope("free text"), 1, delivery_tag=1)[1],
        *spans.publication(Publication("", "amq.gen", b"", type=REPLY_TYPE, correlation_id="c"))[1],
        *spans.request("http://h", 1)[1],
        *spans.answer(Answered(200))[0],
        *spans.ledger("claim", "sqlite")[1],
    }
    assert {name for name in used if not name.startswith("callmq.")} <= CONVENTIONS
