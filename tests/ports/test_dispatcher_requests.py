"""What the dispatcher sends: exactly one request, as it was given, past proxies and cookies."""

from __future__ import annotations

import asyncio

import pytest

from callmq_worker.adapters.http import Account
from callmq_worker.core.outcome import Answered
from endpoints import AUTHORIZATION, DONE, OK, Connection, Endpoint, Gate, answering, dispatching, order, serving


async def sent(**changes) -> tuple[bytes, dict[bytes, bytes], bytes]:
    async with Endpoint(answering(OK)) as endpoint, dispatching(endpoint.url) as dispatcher:
        await dispatcher.dispatch(order(**changes), Gate())
    head, _, body = endpoint.arrived[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    pairs = [tuple(h.split(b": ", 1)) for h in headers]
    assert len(dict(pairs)) == len(pairs)
    return line, dict(pairs), body


async def test_the_request_is_exactly_this():
    line, headers, body = await sent(body=b'{"command":"dial"}', key="order-17")
    assert line == b"POST /api/calling/calls HTTP/1.1"
    assert headers.pop(b"Host").startswith(b"127.0.0.1:")
    assert headers == {
        b"Authorization": AUTHORIZATION.encode(),
        b"Content-Type": b"application/json",
        b"Accept": b"application/json",
        b"Accept-Encoding": b"identity",
        b"User-Agent": b"callmq",
        b"Idempotency-Key": b'"order-17"',
        b"Content-Length": b"18",
    }
    assert body == b'{"command":"dial"}'


@pytest.mark.parametrize(
    "body", [b"{}", bytes(range(256)) * 1024, "caf\u00e9 \u2603".encode(), b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"]
)
async def test_the_body_arrives_byte_for_byte(body):
    _, headers, arrived = await sent(body=body)
    assert (arrived, headers[b"Content-Length"]) == (body, b"%d" % len(body))


@pytest.mark.parametrize(
    ("key", "header"),
    [
        ("k", b'"k"'),
        ('a"b', b'"a\\"b"'),
        ("a\\b", b'"a\\\\b"'),
        ('\\"', b'"\\\\\\""'),
        ("!~,;=", b'"!~,;="'),
        (None, None),
    ],
)
async def test_the_key_is_a_quoted_string(key, header):
    assert (await sent(key=key))[1].get(b"Idempotency-Key") == header


@pytest.mark.parametrize(
    "key", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\r\n\r\nGET / HTTP/1.1", "a\x00", "\u00e9", "\ud800"]
)
async def test_no_key_can_add_a_header(key):
    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        assert not isinstance(await dispatcher.dispatch(order(key=key), Gate()), Answered)
        await dispatcher.close()
        if endpoint.connections:
            await endpoint.over()
    assert b"".join(endpoint.arrived) == b""


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_asked(name, monkeypatch):
    async with Endpoint(serving) as proxy, Endpoint(serving) as endpoint:
        monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with dispatching(endpoint.url) as dispatcher:
            assert await dispatcher.dispatch(order(), Gate()) == Answered(200, DONE)
    assert (len(proxy.connections), len(endpoint.connections)) == (0, 1)


async def test_a_cookie_is_not_sent_back():
    sweet = OK.replace(b"\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n", 1)

    async def act(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(sweet)

    async with Endpoint(act) as endpoint, dispatching(endpoint.url) as dispatcher:
        for fresh in (False, False, True):
            assert await dispatcher.dispatch(order(fresh=fresh), Gate()) == Answered(200, DONE)
    assert len(endpoint.connections) == 2
    assert b"cookie" not in b"".join(endpoint.arrived).lower()


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "reused"])
async def test_many_at_once_get_each_its_own_answer(fresh):
    async def echo(connection: Connection) -> None:
        while True:
            body = (await connection.request()).partition(b"\r\n\r\n")[2]
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with Endpoint(echo) as endpoint, dispatching(endpoint.url, concurrency=10) as dispatcher:
        orders = [order(body=b"%d" % n, fresh=fresh, deadline=20.0) for n in range(80)]
        answers = await asyncio.gather(*(dispatcher.dispatch(o, Gate()) for o in orders))
    assert answers == [Answered(200, n) for n in range(80)]


async def test_renewed_credentials_are_used_from_the_next_request_on_and_not_before():
    renewed = "Basic cmVuZXdlZDp0b2tlbg=="
    async with Endpoint(serving) as endpoint, dispatching(endpoint.url) as dispatcher:

        async def leave() -> bool:  # the request is under way, and nothing of it left yet
            dispatcher.renew(Account("default", endpoint.url, renewed))
            return True

        for each in (leave, Gate()):
            assert await dispatcher.dispatch(order(), each) == Answered(200, DONE)
    used = [line for arrived in endpoint.arrived for line in arrived.split(b"\r\n") if line.startswith(b"Auth")]
    assert used == [b"Authorization: " + word.encode() for word in (AUTHORIZATION, renewed)]


async def test_an_answer_that_repeats_a_renewed_secret_is_cleaned_of_it():
    echo = b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"echo": "secret-2"}'
    async with Endpoint(answering(echo)) as endpoint, dispatching(endpoint.url) as dispatcher:
        dispatcher.renew(Account("default", endpoint.url, AUTHORIZATION, (b"secret-2",)))
        answer = await dispatcher.dispatch(order(), Gate())
    assert answer == Answered(200, {"echo": "[redacted]"})
