"""The laws of the dispatcher, on real sockets: what left, what did not, and that it is known which."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme

from callmq_worker.adapters import http
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent, Withheld
from endpoints import DONE, OK, Connection, Endpoint, Gate, answering, dispatching, full_backlog, order, serving

both = pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "reused"])


async def unsent(url: str, *, context: ssl.SSLContext | None = None, deadline: float = 10.0) -> str:
    """Dispatch what can't be sent, twice the same; return the reason. ``leave`` is never asked."""
    gate = Gate()
    async with dispatching(url, context=context) as dispatcher:
        answers = [await dispatcher.dispatch(order(fresh=f, deadline=deadline), gate) for f in (True, False)]
    assert gate.asked == 0
    assert isinstance(answers[0], NotSent)
    assert answers[0] == answers[1]
    return answers[0].reason


# Not sent, for certain


async def test_a_host_that_does_not_exist():
    assert await unsent("https://no-such-host.invalid/x") == "host not found"


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
async def test_a_host_that_can_not_exist(host):
    await unsent(f"https://{host}/x")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_refused_connection(scheme):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert await unsent(f"{scheme}://127.0.0.1:{closed.getsockname()[1]}/x") == "connection refused"


async def test_a_connection_that_nobody_takes(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.2)
    with full_backlog() as port:
        assert await unsent(f"http://127.0.0.1:{port}/x") == "connect time-out"


async def test_a_connection_that_nobody_takes_before_the_deadline():
    with full_backlog() as port:
        assert await unsent(f"http://127.0.0.1:{port}/x", deadline=0.2) == "no answer in time"


AUTHORITY = trustme.CA()
OTHER_AUTHORITY = trustme.CA()


def server_context(name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize(
    ("name", "authority"),
    [("localhost", OTHER_AUTHORITY), ("elsewhere.example", AUTHORITY), ("localhost", None)],
    ids=["unknown authority", "another host's", "the system's authorities"],
)
async def test_a_certificate_that_is_not_to_be_trusted(name, authority):
    async with Endpoint(Connection.end, server_context(name)) as endpoint:
        endpoint.host = "localhost"
        context = client_context(authority) if authority else None
        assert await unsent(endpoint.url, context=context) == "certificate not trusted"
    assert b"".join(endpoint.arrived) == b""


async def test_a_trusted_certificate():
    async with Endpoint(serving, server_context()) as endpoint:
        endpoint.host = "localhost"
        gate = Gate()
        async with dispatching(endpoint.url, context=client_context(AUTHORITY)) as dispatcher:
            assert await dispatcher.dispatch(order(), gate) == Answered(200, DONE)
            assert await dispatcher.dispatch(order(fresh=False), gate) == Answered(200, DONE)
    assert gate.asked == 2


async def test_no_tls_where_tls_is_expected():
    async with Endpoint(lambda connection: connection.send(OK)) as endpoint:
        assert await unsent(endpoint.url.replace("http:", "https:")) == "TLS failed"


async def test_a_handshake_that_never_ends(monkeypatch):
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.2)
    async with Endpoint(Connection.end) as endpoint:
        assert await unsent(endpoint.url.replace("http:", "https:")) == "connect time-out"


@both
async def test_no_free_connection(fresh):
    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url, concurrency=1) as dispatcher:
        first, second = Gate(), Gate()
        holding = asyncio.create_task(dispatcher.dispatch(order(fresh=fresh, deadline=10), first))
        while not endpoint.arrived or not endpoint.arrived[0]:
            await asyncio.sleep(0.005)
        answer = await dispatcher.dispatch(order(fresh=fresh, deadline=0.2), second)
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
    assert isinstance(answer, NotSent)
    assert (first.asked, second.asked) == (1, 0)
    assert len(endpoint.connections) == 1


# Withheld


@both
async def test_what_may_not_leave_does_not_leave_by_a_byte(fresh):
    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        gate = Gate(opens=False)
        assert await dispatcher.dispatch(order(fresh=fresh), gate) == Withheld()
        await endpoint.over()
    assert gate.asked == 1
    assert endpoint.arrived == [b""]


async def test_what_may_not_leave_on_a_used_connection_does_not_either():
    async with Endpoint(serving) as endpoint, dispatching(endpoint.url) as dispatcher:
        assert await dispatcher.dispatch(order(fresh=False), Gate()) == Answered(200, DONE)
        first = endpoint.arrived
        assert await dispatcher.dispatch(order(fresh=False), Gate(opens=False)) == Withheld()
        await endpoint.over()
    assert endpoint.arrived == first


@both
async def test_nothing_has_arrived_when_leave_is_asked(fresh):
    async with Endpoint(serving) as endpoint, dispatching(endpoint.url) as dispatcher:
        seen = []

        async def leave() -> bool:
            await asyncio.sleep(0.05)  # long enough for a byte that left too early to arrive
            seen.append(endpoint.arrived)
            return True

        assert await dispatcher.dispatch(order(fresh=fresh), leave) == Answered(200, DONE)
    assert seen == [[b""]]


@both
async def test_a_deadline_that_ends_while_leave_is_asked_sends_nothing(fresh):
    async def leave() -> bool:
        await asyncio.Event().wait()
        return True

    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        assert await dispatcher.dispatch(order(fresh=fresh, deadline=0.2), leave) == NotSent("no answer in time")
        await endpoint.over()
    assert endpoint.arrived == [b""]


async def test_a_leave_that_fails_sends_nothing():
    async def leave() -> bool:
        raise RuntimeError("of the test")

    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        assert isinstance(await dispatcher.dispatch(order(), leave), NotSent)
        await endpoint.over()
    assert endpoint.arrived == [b""]


# Cancellation


@both
async def test_a_cancelled_request_ends_as_cancelled_and_lets_go(fresh):
    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        task = asyncio.create_task(dispatcher.dispatch(order(fresh=fresh), Gate()))
        while not endpoint.arrived or not endpoint.arrived[0]:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await endpoint.over()


async def test_cancelled_while_leave_is_asked_nothing_left():
    asked = asyncio.Event()

    async def leave() -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    async with Endpoint(Connection.end) as endpoint, dispatching(endpoint.url) as dispatcher:
        task = asyncio.create_task(dispatcher.dispatch(order(), leave))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await endpoint.over()
    assert endpoint.arrived == [b""]


# A connection that went stale


async def once_per_connection(connection: Connection) -> None:
    """Answer one request and promise to keep the connection; whoever uses it again learns that it was closing."""
    await connection.request()
    await connection.send(OK)
    await connection.reader.readexactly(1)
    connection.reset()


async def test_an_unsafe_command_never_meets_a_stale_connection():
    async with Endpoint(once_per_connection) as endpoint, dispatching(endpoint.url) as dispatcher:
        answers = [await dispatcher.dispatch(order(fresh=True), Gate()) for _ in range(60)]
    assert answers == [Answered(200, DONE)] * 60
    assert len(endpoint.connections) == 60


async def test_a_reused_connection_may_be_stale_and_that_is_said():
    async with Endpoint(once_per_connection) as endpoint, dispatching(endpoint.url) as dispatcher:
        answers = [await dispatcher.dispatch(order(fresh=False), Gate()) for _ in range(2)]
    assert answers[0] == Answered(200, DONE)
    assert isinstance(answers[1], NoAnswer)
    assert len(endpoint.connections) == 1


async def test_a_server_that_closes_when_idle_disturbs_no_unsafe_command():
    async with Endpoint(answering(OK)) as endpoint, dispatching(endpoint.url) as dispatcher:
        answers = [await dispatcher.dispatch(order(fresh=True), Gate()) for _ in range(60)]
    assert answers == [Answered(200, DONE)] * 60
