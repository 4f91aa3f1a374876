"""One connection of the HTTP transport: a protocol of the event loop, with llhttp reading what comes back."""

import asyncio
import math
import ssl
from collections import deque
from typing import Final, NamedTuple, cast

import httptools
import httpx
from aiohappyeyeballs import start_connection

from callmq_worker.adapters.names import Names

MAX_HEAD_BYTES: Final = 65_536
_MUCH: Final = 262_144  # bytes of a body that nobody reads, after which nothing more is taken
_NEXT_ADDRESS: Final = 0.25  # seconds after which a host's next address is tried beside the first
_FIRST_FINAL: Final = 200
_SWITCHING: Final = 101
_LENGTHS: Final = (b"content-length", b"transfer-encoding")


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str
    port: int


Head = tuple[int, list[tuple[bytes, bytes]]]


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. What the peer does meanwhile is noted, and told to whoever waits."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.idle_since = math.inf
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._ended: Exception | None = None  # why nothing more will come
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._chunks: deque[bytes] = deque()
        self._held = self._head_bytes = 0
        self._awaits_head: asyncio.Future[Head] | None = None
        self._awaits_chunk: asyncio.Future[None] | None = None
        self._headed = self._complete = self._paused = self._kept = self._until_end = False

    @classmethod
    async def open(cls, origin: Origin, context: ssl.SSLContext | None, names: Names) -> "Connection":
        """Connect, with TLS where there is a context. Raises OSError, `ssl.SSLError` among them, or UnicodeError."""
        loop, name = asyncio.get_running_loop(), origin.host if context else None
        found = await names.addresses(origin.host, origin.port)
        if len(found) == 1:
            address = found[0][4]
            _, connection = await loop.create_connection(
                lambda: cls(origin), str(address[0]), int(address[1]), ssl=context, server_hostname=name
            )
            return connection
        connected = await start_connection(found, happy_eyeballs_delay=_NEXT_ADDRESS)
        try:
            _, connection = await loop.create_connection(
                lambda: cls(origin), sock=connected, ssl=context, server_hostname=name
            )
        except BaseException:
            connected.close()
            raise
        return connection

    @property
    def usable(self) -> bool:
        """Whether a request may be written, as far as can be known here."""
        return self._ended is None and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether the exchange came to its end on both sides, and the peer keeps the connection."""
        whole = self._complete and not self._transport.get_write_buffer_size()
        return whole and self._kept and self.usable

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    async def exchange(self, request: bytes) -> Head:
        """Write a request and return the status and headers of its final answer. Raises `httpx.TransportError`."""
        if self._headed:
            self._parser = httptools.HttpResponseParser(self)
            self._begin()
        self._awaits_head = self._loop.create_future()
        self._transport.write(request)
        return await self._awaits_head

    async def read(self) -> bytes:
        """Return the next part of the body, nothing at its end. Raises `httpx.TransportError` where it broke off."""
        while not self._chunks and not self._complete:
            if self._ended is not None:
                raise self._ended
            self._awaits_chunk = self._loop.create_future()
            await self._awaits_chunk
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        self._held -= len(chunk)
        if self._paused and self._held < _MUCH:
            self._paused = False
            self._transport.resume_reading()
        return chunk

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the loop's transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what came of the answer."""
        if self._awaits_head is None or self._complete:
            self._end(httpx.RemoteProtocolError("more than an answer"))  # nobody asked for this
            return
        if not self._headed:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(httpx.RemoteProtocolError("no HTTP/1.1"))
            return
        if not self._headed and self._head_bytes > MAX_HEAD_BYTES:
            self._end(httpx.RemoteProtocolError("a head that does not end"))
        elif self._held > _MUCH and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Take the peer's end as the end of both sides: there is no request without an answer."""
        self._close(httpx.RemoteProtocolError("closed before the answer's end"))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits that nothing more will come."""
        self._close(httpx.ReadError("connection reset") if error else httpx.RemoteProtocolError("closed"))
        del self._parser  # it holds this object, and both would stay until the garbage collector comes

    def _close(self, why: Exception) -> None:
        if self._until_end and not isinstance(why, httpx.ReadError):
            self._complete = True
        self._end(why)

    def _end(self, why: Exception) -> None:
        if self._ended is None:
            self._ended = why
        if self._awaits_head is not None and not self._awaits_head.done():
            self._awaits_head.set_exception(why)
        self._wake()
        self._transport.abort()

    def _wake(self) -> None:
        if self._awaits_chunk is not None and not self._awaits_chunk.done():
            self._awaits_chunk.set_result(None)

    # What the parser tells.

    def on_message_begin(self) -> None:
        """Trust the connection with no further request where a second answer begins."""
        if self._complete:
            self._kept = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; not a trailer, of which there could be any number."""
        if not self._headed:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand over the head, unless it is an interim one."""
        status, headers, self._headers = self._parser.get_status_code(), self._headers, []
        if self._headed or (status < _FIRST_FINAL and status != _SWITCHING):
            return
        self._headed = True
        # Without a length the end of the connection is the end of the body.
        self._until_end = not any(name.lower() in _LENGTHS for name, _ in headers)
        if self._awaits_head is not None and not self._awaits_head.done():
            self._awaits_head.set_result((status, headers))

    def on_body(self, chunk: bytes) -> None:
        """Keep a part of the body until it is read; not that of a second answer, which nobody asked for."""
        if not self._complete:
            self._chunks.append(chunk)
            self._held += len(chunk)
            self._wake()

    def on_message_complete(self) -> None:
        """Note the end of the answer; interim ones end as well."""
        if self._headed:
            self._kept = not self._complete and self._parser.should_keep_alive()
            self._complete = True
            self._wake()
