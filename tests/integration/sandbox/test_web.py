"""The web server itself, spoken to in raw bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest

from callmq_worker.adapters.web import Answer, Limits, Request, Response, Takeover, WebServer, Wire


async def echo(request: Request) -> Answer:
    match request.path:
        case "/broken":
            raise RuntimeError("a secret of ours")
        case "/illegal":
            return Response(200, (("a", "b\r\nc: d"),))
        case "/mine":
            return Takeover(mine)
        case "/empty":
            return Response(204)
        case _:
            return Response(200, (("x-method", request.method),), request.body or str(dict(request.query)).encode())


async def mine(wire: Wire) -> None:
    await wire.send(b"my own words")


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    running = WebServer(echo, limits=Limits(body=1000, head=2000, idle=30, connections=5))
    await running.start()
    yield running
    await running.stop()


@asynccontextmanager
async def connection(server: WebServer, host: str = "127.0.0.1") -> AsyncIterator[Wire]:
    wire = Wire(*await asyncio.open_connection(host, server.port))
    try:
        yield wire
    finally:
        wire.writer.close()
        with suppress(OSError):
            await wire.writer.wait_closed()


async def say(server: WebServer, data: bytes, *, eof: bool = True, host: str = "127.0.0.1") -> bytes:
    async with connection(server, host) as wire:
        await wire.send(data)
        if eof:
            wire.writer.write_eof()
        return await wire.reader.read()


def get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *headers, "", ""]).encode("latin-1")


async def test_two_requests_in_one_packet_are_answered_in_turn(server):
    answered = await say(server, get("/?a=1") + get("/?b=2", "connection: close"), eof=False)
    assert answered.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answered.index(b"'a'") < answered.index(b"'b'")


async def test_head_gets_the_headers_only(server):
    answered = await say(server, get("/?a=1", method="HEAD") + get("/", "connection: close"), eof=False)
    assert b"content-length: 10\r\n" in answered
    assert b"{'a'" not in answered
    assert answered.count(b"x-method: GET") == 2


async def test_http_1_0_is_answered_and_closed(server):
    assert (await say(server, b"GET / HTTP/1.0\r\n\r\n", eof=False)).startswith(b"HTTP/1.1 200 OK")


async def test_nothing_more_than_a_status_where_there_is_no_body(server):
    answered = await say(server, get("/empty") + get("/", "connection: close"), eof=False)
    assert answered.startswith(b"HTTP/1.1 204 No Content")
    assert answered.count(b"content-length") == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
)
async def test_bad_http_is_told_so(server, data):
    answered = await say(server, data)
    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answered.endswith(b'{"error":"Bad Request"}')


async def test_a_request_cut_short_gets_no_traceback(server):
    answered = await say(server, b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc")
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"Traceback" not in answered


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (get("/", "content-length: 1001", method="POST"), b"413"),
        (get("/", "content-length: 99999999999999999999", method="POST"), b"413"),
        (get("/", "content-length: 1001", method="POST") + b"a" * 1001, b"413"),
        (get("/", "transfer-encoding: chunked", method="POST") + b"3e9\r\n" + b"a" * 1001 + b"\r\n0\r\n\r\n", b"413"),
        (get("/", "a: " + "b" * 2000), b"431"),
        (b"GET /" + b"a" * 100_000, b"431"),
    ],
)
async def test_what_is_too_large_is_refused(server, data, status):
    assert (await say(server, data, eof=False)).startswith(b"HTTP/1.1 " + status)


async def test_a_client_that_sends_on_still_reads_the_refusal(server):
    data = get("/", "content-length: 5000000", method="POST") + b"a" * 5_000_000
    assert (await say(server, data)).startswith(b"HTTP/1.1 413")


async def test_a_body_at_the_limit_is_taken(server):
    data = get("/", "content-length: 1000", "connection: close", method="POST") + b"a" * 1000
    assert (await say(server, data, eof=False)).endswith(b"\r\n\r\n" + b"a" * 1000)


async def test_a_client_that_asks_first_is_told_to_go_on(server):
    async with connection(server) as wire:
        await wire.send(get("/", "content-length: 3", "expect: 100-continue", "connection: close", method="POST"))
        assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        await wire.send(b"abc")
        assert (await wire.reader.read()).endswith(b"abc")


@pytest.mark.parametrize("path", ["/broken", "/illegal"])
async def test_our_own_faults_stay_ours(server, path, caplog):
    answered = await say(server, get(path))
    assert b"secret" not in answered
    assert b"Traceback" not in answered
    assert (path == "/illegal") == (answered == b"")
    assert caplog.records
    assert (await say(server, get("/", "connection: close"))).startswith(b"HTTP/1.1 200")


async def test_a_takeover_has_the_connection_to_itself(server):
    assert await say(server, get("/mine") + get("/")) == b"my own words"


async def test_a_silent_client_is_let_go():
    impatient = WebServer(echo, limits=Limits(idle=0.05))
    await impatient.start()
    assert await say(impatient, b"", eof=False) == b""
    assert (await say(impatient, b"GET / HT", eof=False)).startswith(b"HTTP/1.1 408 ")
    assert (await say(impatient, get("/"), eof=False)).startswith(b"HTTP/1.1 200 OK")
    await impatient.stop()


async def test_idle_connections_make_room_for_new_ones(server):
    async with AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(connection(server)) for _ in range(5)]
        for wire in idle:
            await wire.send(get("/"))
            await wire.reader.readuntil(b"\r\n\r\n")
        assert (await say(server, get("/", "connection: close"))).startswith(b"HTTP/1.1 200")
        assert (await idle[0].reader.read()).endswith(b"{}"), "the longest idle one was closed"


async def test_a_hook_sees_the_connection_before_anything_is_read():
    seen = []

    async def refuse(client) -> bool:
        seen.append(client.getpeername())
        return len(seen) > 1

    choosy = WebServer(echo, on_accept=refuse)
    await choosy.start()
    assert await say(choosy, b"") == b""
    assert (await say(choosy, get("/"))).startswith(b"HTTP/1.1 200")
    await choosy.stop()


async def test_a_taken_port_is_an_error(server):
    with pytest.raises(OSError, match="in use"):
        await WebServer(echo, port=server.port).start()


async def test_it_can_be_stopped_twice_and_without_a_start(server):
    await WebServer(echo).stop()
    await server.stop()
    await server.stop()
    with pytest.raises(ConnectionRefusedError):
        await say(server, get("/"))


async def test_ipv6_where_there_is_any():
    six = WebServer(echo, host="::1")
    try:
        await six.start()
    except OSError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    assert (await say(six, get("/", "connection: close"), host="::1")).startswith(b"HTTP/1.1 200")
    await six.stop()
