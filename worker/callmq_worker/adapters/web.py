"""A small HTTP/1.1 server: h11 on asyncio streams, for the sandbox and for the worker's health endpoints."""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

_CHUNK: Final = 16_384
_LINGER_SECONDS: Final = 2.0
_BODYLESS: Final = frozenset({204, 304})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take. Bytes and seconds; ``idle`` bounds the wait for a whole request."""

    body: int = 1_048_576
    head: int = 32_768
    idle: float = 60.0
    connections: int = 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case, repeated ones joined by commas; HEAD arrives as GET."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer. ``content-length`` and ``date`` are added when it is sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def head(self, length: int | None = None) -> bytes:
        """Return the raw status line and headers of an answer after which the connection closes."""
        lines = [f"HTTP/1.1 {self.status} {_phrase(self.status)}", *(f"{k}: {v}" for k, v in self.headers)]
        lines += [f"content-length: {len(self.body) if length is None else length}", "connection: close", "", ""]
        return "\r\n".join(lines).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Wire:
    """The raw connection below one request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write and wait until the transport takes more."""
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Return when the client has closed its side."""
        with contextlib.suppress(OSError):
            while await self.reader.read(_CHUNK):
                pass

    def reset(self) -> None:
        """Close at once with RST; what was not yet delivered is thrown away."""
        linger_none(self.writer.get_extra_info("socket"))
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Takeover:
    """An answer that acts on the connection itself, which is closed afterwards."""

    act: Callable[[Wire], Awaitable[None]]


Answer: TypeAlias = Response | Takeover
Answerer: TypeAlias = Callable[[Request], Awaitable[Answer]]
AcceptHook: TypeAlias = Callable[[socket.socket], Awaitable[bool]]


class _RefusedError(Exception):
    """A request that is answered with a bare status, its only argument, without asking the answerer."""


@dataclass(eq=False, slots=True)
class _Connection:
    """One client: requests in, answers out, in turn."""

    wire: Wire
    answer: Answerer
    limits: Limits
    peer: str
    http: h11.Connection

    async def receive(self) -> tuple[Request, bool] | None:
        """Return the next request and whether it was a HEAD; None when the client went or fell silent."""
        try:
            async with asyncio.timeout(self.limits.idle):
                head = await self._event()
                if not isinstance(head, h11.Request):
                    return None
                self._check_head(head)
                return self._request(head, await self._body()), head.method == b"HEAD"
        except h11.RemoteProtocolError as error:
            raise _RefusedError(error.error_status_hint) from error
        except TimeoutError as error:
            if self.http.their_state is h11.IDLE and not self.http.trailing_data[0]:
                return None
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT) from error

    async def respond(self, response: Response, *, head_only: bool = False, close: bool = False) -> bool:
        """Send an answer; return whether the connection can take another request."""
        headers = [*response.headers, ("date", formatdate(usegmt=True))]
        if response.status not in _BODYLESS:
            headers.append(("content-length", str(len(response.body))))
        if close:
            headers.append(("connection", "close"))
        body = b"" if head_only or response.status in _BODYLESS else response.body
        head = h11.Response(status_code=response.status, headers=headers, reason=_phrase(response.status))
        events = head, h11.Data(data=body), h11.EndOfMessage()
        async with asyncio.timeout(self.limits.idle):
            await self.wire.send(b"".join(self.http.send(event) or b"" for event in events))
        if self.http.our_state is not h11.DONE or self.http.their_state is not h11.DONE:
            return False
        self.http.start_next_cycle()
        return True

    async def _event(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            if self.http.they_are_waiting_for_100_continue:
                await self.wire.send(self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            self.http.receive_data(await self.wire.reader.read(_CHUNK))
        return event  # type: ignore[return-value]  # NEED_DATA left the loop

    async def _body(self) -> bytes:
        body = bytearray()
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > self.limits.body:
                raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return bytes(body)

    def _check_head(self, head: h11.Request) -> None:
        if sum(len(name) + len(value) for name, value in head.headers) > self.limits.head:
            raise _RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if any(name == b"content-length" and int(value) > self.limits.body for name, value in head.headers):
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def _request(self, head: h11.Request, body: bytes) -> Request:
        headers: dict[str, str] = {}
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        try:
            target = urlsplit(head.target.decode("ascii"))
        except ValueError as error:
            raise _RefusedError(HTTPStatus.BAD_REQUEST) from error
        method = "GET" if head.method == b"HEAD" else head.method.decode("ascii")
        query = dict(parse_qsl(target.query, keep_blank_values=True))
        return Request(method, unquote(target.path), query, headers, body, self.peer)


@dataclass(eq=False, slots=True)
class WebServer:
    """Serves ``answer`` on one address until stopped.

    ``on_accept`` sees each accepted socket before anything is read from it; where it returns False, it is closed.
    Beyond ``limits.connections`` the longest idle connection makes room, else no more are accepted until one ends.
    """

    answer: Answerer
    host: str = "127.0.0.1"
    port: int = 0
    limits: Limits = Limits()
    on_accept: AcceptHook | None = None
    _listener: socket.socket | None = None
    _accepting: asyncio.Task[None] | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _idle: dict[asyncio.Task[None], None] = field(default_factory=dict)

    async def start(self) -> None:
        """Listen; ``port`` then is the one that was found. Raises OSError where the address can't be had."""
        loop = asyncio.get_running_loop()
        family, *_, address = (await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM))[0]
        self._listener = socket.create_server(address[:2], family=family, backlog=1024)
        self._listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._listener), name=f"web {self.port}")

    async def stop(self) -> None:
        """Close the listener and every connection, whatever is under way on them."""
        tasks = [task for task in (self._accepting, *self._open) if task is not None and task.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, address = await loop.sock_accept(listener)
            except OSError:
                _log.exception("could not accept a connection")
                await asyncio.sleep(0.1)  # out of file descriptors: trying at once again would spin
                continue
            task = asyncio.create_task(self._serve(client, str(address[0])))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            while len(self._open) > self.limits.connections:
                for longest in [idle for idle in self._idle if idle is not task][:1]:
                    longest.cancel()
                await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED, timeout=1)

    async def _serve(self, client: socket.socket, peer: str) -> None:
        with client, contextlib.suppress(OSError):  # the client went
            if self.on_accept is not None and not await self.on_accept(client):
                return
            wire = Wire(*await asyncio.open_connection(sock=client))
            http = h11.Connection(h11.SERVER, max_incomplete_event_size=self.limits.head)
            try:
                await self._converse(_Connection(wire, self.answer, self.limits, peer, http))
            except h11.LocalProtocolError:
                _log.exception("an answer was no HTTP")
            except asyncio.CancelledError:
                wire.writer.transport.abort()
                raise
            finally:
                await _close(wire.writer)

    async def _converse(self, connection: _Connection) -> None:
        task = asyncio.current_task()
        more = True
        while more and task is not None:
            self._idle[task] = None
            try:
                received = await connection.receive()
            except _RefusedError as refused:
                await connection.respond(plain(refused.args[0]), close=True)
                await _linger(connection.wire)
                break
            finally:
                self._idle.pop(task, None)
            if received is None:
                break
            answer: Answer = plain(HTTPStatus.INTERNAL_SERVER_ERROR)
            try:
                answer = await self.answer(received[0])
            except Exception:  # noqa: BLE001 - whatever went wrong is ours, and no client sees it
                _log.exception("no answer to %s %s", received[0].method, received[0].path)
            if isinstance(answer, Takeover):
                await answer.act(connection.wire)
                break
            more = await connection.respond(answer, head_only=received[1])


def plain(status: int) -> Response:
    """Return a JSON answer that only names its status."""
    return Response(status, (("content-type", "application/json"),), b'{"error":"%s"}' % _phrase(status).encode())


def linger_none(sock: socket.socket) -> None:
    """Make the coming close of a socket a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown"


async def _linger(wire: Wire) -> None:
    """Read on after a refusal: closing with unread bytes would reset the connection under the answer."""
    with contextlib.suppress(OSError):
        wire.writer.write_eof()
        async with asyncio.timeout(_LINGER_SECONDS):
            await wire.gone()


async def _close(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_LINGER_SECONDS):
            writer.close()
            await writer.wait_closed()
    writer.transport.abort()  # a client that does not read gets no more time
