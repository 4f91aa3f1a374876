"""HTTP/1.1 under httpx on the loop's own transports: one request at a time on a connection, its first byte known.

httpx's own pool costs 10 to 40 times this at 50 requests in flight, and other clients don't say when a request begins
to leave. The parser is llhttp's, by httptools; what is here is only who writes when, and what came of it.
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Final, Protocol

import httpx

from callmq_worker.adapters.http1_connection import Connection, Head, Origin
from callmq_worker.adapters.names import Names

_LINE_BREAKERS: Final = re.compile(rb"[\r\n\x00]")
_PORTS: Final = {"http": 80, "https": 443}


class Passage(Protocol):
    """What a request's extension ``passage`` must be: asked before the first byte, and told that it leaves."""

    left: bool

    async def ask(self) -> None:
        """Return when the first byte may leave; raise whatever to keep it here."""
        ...


class Http1Transport(httpx.AsyncBaseTransport):
    """At most ``concurrency`` requests at a time; connections are kept for ``idle`` seconds.

    A request has its body as bytes, and three extensions: ``passage`` (see `Passage`), ``fresh`` (true: a connection of
    its own, since a kept one may be closing unseen) and ``timeout`` with ``connect`` in seconds. Raises
    `httpx.TransportError`; where ``passage.left`` is still false then, no byte of the request left.
    """

    def __init__(self, context: ssl.SSLContext, concurrency: int, idle: float) -> None:
        self._context = context
        self._free = asyncio.Semaphore(concurrency)
        self._idle = idle
        self._names = Names()
        self._kept: dict[Origin, deque[Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return its answer as soon as the head is whole; the body comes as it is read."""
        head = _head(request)
        body = request.read()
        await self._free.acquire()
        connection: Connection | None = None
        try:
            connection = await self._connection(request)
            status, headers = await _exchange(connection, head + body, request.extensions["passage"])
        except BaseException:
            if connection is not None:
                connection.abort()
            self._free.release()
            raise
        answer = _Body(self, connection, keep=not request.extensions["fresh"])
        return httpx.Response(status, headers=headers, stream=answer)

    async def _connection(self, request: httpx.Request) -> Connection:
        url = request.url
        origin = Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
        if not request.extensions["fresh"]:
            kept = self._take(origin)
            if kept is not None:
                return kept
        seconds = request.extensions["timeout"]["connect"]
        try:
            async with asyncio.timeout(seconds):
                return await Connection.open(origin, self._context if url.scheme == "https" else None, self._names)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("no connection") from error

    def _take(self, origin: Origin) -> Connection | None:
        """Return the connection that was used last; close those that were kept too long."""
        kept = self._kept.get(origin)
        if not kept:
            return None
        oldest = time.monotonic() - self._idle
        while kept and kept[0].idle_since < oldest:
            kept.popleft().abort()
        while kept:
            connection = kept.pop()
            if connection.usable:
                return connection
        return None

    def let_go(self, connection: Connection, *, keep: bool) -> None:
        """Take back the connection of an answer that was read, or given up; ``keep`` it for the next request."""
        self._free.release()
        if keep and connection.reusable:
            connection.idle_since = time.monotonic()
            self._kept.setdefault(connection.origin, deque()).append(connection)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Close what is kept. What is in use closes with its answer."""
        for kept in self._kept.values():
            while kept:
                kept.pop().abort()


async def _exchange(connection: Connection, request: bytes, passage: Passage) -> Head:
    await passage.ask()
    if not connection.usable:
        raise httpx.ConnectError("closed before the first byte")
    passage.left = True
    return await connection.exchange(request)


class _Body(httpx.AsyncByteStream):
    """The body of one answer, as it arrives."""

    def __init__(self, transport: Http1Transport, connection: Connection, *, keep: bool) -> None:
        self._transport = transport
        self._keep = keep
        self._connection: Connection | None = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._connection.read() if self._connection is not None else b""
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.let_go(connection, keep=self._keep)


def _head(request: httpx.Request) -> bytes:
    """Return the request line and headers. ValueError where one of them would break its line."""
    parts = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    parts += [name + b": " + value for name, value in request.headers.raw]
    if any(map(_LINE_BREAKERS.search, parts)):
        raise ValueError("a header must not break its line")
    return b"\r\n".join([*parts, b"", b""])
