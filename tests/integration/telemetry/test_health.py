"""Probes over real sockets."""

import asyncio
import http.client
import json
import socket

import pytest

from callmq_worker.adapters.health import (
    HealthAddressError,
    HealthServer,
    Metric,
    Sample,
    exposition,
    parse_address,
)


@pytest.fixture
async def health():
    """Lend a server, and the answer that its readiness gives."""
    state = {"answer": (True, {})}
    metrics = [
        Metric("callmq_deliveries_total", "counter", "Deliveries taken.", [Sample(3)]),
        Metric(
            "callmq_outcomes_total",
            "counter",
            "Settled deliveries.",
            [
                Sample(2, {"command": "dial", "outcome": "succeeded"}),
                Sample(1, {"command": 'a"b\\c\nd', "outcome": "x"}),
            ],
        ),
        Metric("callmq_in_flight", "gauge", "Being worked on.", [Sample(0.5)]),
    ]
    server = HealthServer(
        "127.0.0.1", 0, lambda: state["answer"]() if callable(state["answer"]) else state["answer"], lambda: metrics
    )
    await server.start()
    yield server, state
    await server.stop()


async def ask(server, path, method="GET"):
    def blocking():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request(method, path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body, answer

    return await asyncio.to_thread(blocking)


async def test_alive(health):
    status, body, answer = await ask(health[0], "/livez")
    assert (status, json.loads(body)) == (200, {"live": True})
    assert answer.headers["cache-control"] == "no-store"


async def test_ready_and_not(health):
    server, state = health
    assert (await ask(server, "/readyz"))[:2] == (200, '{"ready": true, "failing": {}}')
    state["answer"] = (False, {"ledger": "away since +15551234567", "broker": None, "paused": {"default": "http 401"}})
    status, body, _ = await ask(server, "/readyz")
    assert status == 503
    assert json.loads(body) == {
        "ready": False,
        "failing": {"ledger": "away since ***67", "paused": {"default": "http 401"}},
    }


async def test_a_readiness_that_breaks_is_not_ready(health):
    server, state = health
    state["answer"] = lambda: 1 / 0
    status, body, _ = await ask(server, "/readyz")
    assert (status, json.loads(body)["failing"]) == (503, {"readiness": "could not be found out: ZeroDivisionError"})


async def test_metrics_are_prometheus_text(health):
    status, body, answer = await ask(health[0], "/metrics")
    assert status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert body == (
        "# HELP callmq_deliveries_total Deliveries taken.\n"
        "# TYPE callmq_deliveries_total counter\n"
        "callmq_deliveries_total 3\n"
        "# HELP callmq_outcomes_total Settled deliveries.\n"
        "# TYPE callmq_outcomes_total counter\n"
        'callmq_outcomes_total{command="dial",outcome="succeeded"} 2\n'
        'callmq_outcomes_total{command="a\\"b\\\\c\\nd",outcome="x"} 1\n'
        "# HELP callmq_in_flight Being worked on.\n"
        "# TYPE callmq_in_flight gauge\n"
        "callmq_in_flight 0.5\n"
    )


async def test_other_questions(health):
    assert (await ask(health[0], "/"))[0] == 404
    status, _, answer = await ask(health[0], "/readyz", "POST")
    assert (status, answer.headers["allow"]) == (405, "GET, HEAD")
    status, body, _ = await ask(health[0], "/livez", "HEAD")
    assert (status, body) == (200, "")


async def test_it_stops_and_can_be_had_again(health):
    server, _ = health
    port = server.port
    await server.stop()
    with pytest.raises(OSError, match="refused"):
        await ask(server, "/livez")
    again = HealthServer("127.0.0.1", port, lambda: (True, {}))
    await again.start()
    assert (await ask(again, "/metrics"))[:2] == (200, "")
    await again.stop()


async def test_a_taken_address_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HealthServer("127.0.0.1", taken.getsockname()[1], lambda: (True, {}))
        with pytest.raises(HealthAddressError, match="CALLMQ_HEALTH_ADDR"):
            await server.start()
        await server.stop()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8087", ("127.0.0.1", 8087)),
        ("[::1]:8087", ("::1", 8087)),
        (":8087", ("0.0.0.0", 8087)),
        (" localhost:0 ", ("localhost", 0)),
        ("off", None),
        ("OFF", None),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8087",
        "host",
        "host:",
        "host:x",
        "host:65536",
        "host:-1",
        "::1:8087",
        "http://h:80",
        "h h:1",
        "u@h:1",
        "h:\uff11",
    ],
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


def test_nothing_measured_is_nothing_said():
    assert exposition([]) == ""
