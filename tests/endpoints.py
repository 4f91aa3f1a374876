"""Endpoints of raw sockets on loopback, each doing to its connections what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.http import Account, HttpDispatcher
from callmq_worker.adapters.otel_observer import NoObserver
from callmq_worker.ports import Request

AUTHORIZATION = "Basic Y2FuYXJ5OnRva2Vu"
OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"id": "a"}'
DONE = {"id": "a"}


@dataclass
class Connection:
    """One accepted connection: what arrived so far, and the means to answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    arrived: bytearray = field(default_factory=bytearray)

    async def request(self) -> bytes:
        """Read one whole request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.arrived += head
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        body = await self.reader.readexactly(length)
        self.arrived += body
        return head + body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def end(self) -> None:
        """Read until the other side closes or resets."""
        with contextlib.suppress(ConnectionError):
            while data := await self.reader.read(65_536):
                self.arrived += data

    def reset(self) -> None:
        """Close with a reset, not with a goodbye."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Act = Callable[[Connection], Awaitable[None]]


class Endpoint:
    """Listens, does the act on each connection, and remembers all of them. ``ended`` counts those that are over."""

    def __init__(self, act: Act, context: ssl.SSLContext | None = None) -> None:
        self._act = act
        self._context = context
        self.connections: list[Connection] = []
        self.ended = asyncio.Semaphore(0)
        self.host = "127.0.0.1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in self.connections:
            connection.writer.transport.abort()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://{self.host}:{self.port}/api/calling/calls"

    @property
    def arrived(self) -> list[bytes]:
        return [bytes(c.arrived) for c in self.connections]

    async def over(self, count: int = 1) -> None:
        """Wait until so many more connections are over."""
        async with asyncio.timeout(20):
            for _ in range(count):
                await self.ended.acquire()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        try:
            await self._act(connection)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away
        finally:
            writer.transport.close()
            self.ended.release()


def answering(data: bytes, *, then: Act | None = None) -> Act:
    """Read each request, send these bytes, and then close, or do what is said."""

    async def act(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        if then is not None:
            await then(connection)

    return act


async def serving(connection: Connection) -> None:
    """Answer every request that comes on the connection."""
    while True:
        await connection.request()
        await connection.send(OK)


class Gate:
    """A ``leave`` that counts how often it was asked."""

    def __init__(self, *, opens: bool = True) -> None:
        self.opens = opens
        self.asked = 0

    async def __call__(self) -> bool:
        self.asked += 1
        return self.opens


def order(**changes: object) -> Request:
    told = {"account": "default", "body": b'{"command":"dial"}', "key": "k", "fresh": True, "deadline": 10.0}
    return Request(**{**told, **changes})


@contextlib.asynccontextmanager
async def dispatching(
    url: str, *, concurrency: int = 100, context: ssl.SSLContext | None = None
) -> AsyncIterator[HttpDispatcher]:
    """Lend the real dispatcher for one account."""
    accounts = {"default": Account("default", url, AUTHORIZATION)}
    dispatcher = HttpDispatcher(accounts, concurrency, SystemClock(), NoObserver(), context)
    try:
        yield dispatcher
    finally:
        await dispatcher.close()


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """Lend the port of a listener that takes nobody any more: further connections get no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
