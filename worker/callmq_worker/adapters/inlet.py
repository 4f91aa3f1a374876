"""A connection's way in: frames that a lane or a publisher waits for go straight to it, the others to the library.

The library reads each frame with three waits and a lock, decodes it by name, and hands it through a queue a channel and
a task a message.
"""

import asyncio
import socket
import ssl
import struct
from typing import Any, Final, Protocol

from aiormq.connection import SSLContextProvider, TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

_FRAME: Final = struct.Struct(">BHI")
_AROUND: Final = 8  # bytes of a frame around its content: seven before, one behind
_END: Final = 0xCE
METHOD, HEADER, BODY = 1, 2, 3
_KINDS: Final = frozenset((METHOD, HEADER, BODY, 8))
_CHANNEL_CLOSE: Final = b"\x00\x14\x00\x28"
_CHANNEL_CLOSE_OK: Final = b"\x00\x14\x00\x29"
_HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"
_SIGN_OF_LIFE: Final = 1.0  # seconds
SILENCE: Final = 8.0  # seconds


class Taker(Protocol):
    """Who takes frames of one channel at once, as they arrive."""

    def take(self, kind: int, data: bytes, begin: int, end: int) -> bool:
        """Take the frame whose content is ``data[begin:end]``; False: it is for the library."""
        ...

    def shut(self) -> None:
        """Write nothing on the channel from now on: the broker closed it, and the library will say so."""
        ...


class Inlet(asyncio.StreamReaderProtocol):
    """Splits what arrives into frames. What nobody takes reaches the library's reader unchanged and in its order."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._reader = reader
        self._now = asyncio.get_running_loop().time
        self._takers: dict[int, Taker] = {}
        self._parts: list[bytes] = []  # of a frame that is not yet whole
        self._held = 0
        self._needed = _AROUND
        self._foreign = False
        self._alive_at = 0.0

    def attend(self, channel: int, taker: Taker) -> None:
        """Offer the frames of a channel to this taker first, until the channel closes."""
        self._takers[channel] = taker

    def leave(self, channel: int, taker: Taker) -> None:
        """Offer it nothing more."""
        if self._takers.get(channel) is taker:
            del self._takers[channel]

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        if self._foreign:
            self._reader.feed_data(data)
            return
        if self._parts:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._parts)
        kept = self._split(data)
        self._parts = [data[kept:]] if kept < len(data) else []
        self._held = len(data) - kept

    def eof_received(self) -> bool | None:
        """Let the library see that the stream ends in mid-frame, and then its end."""
        self._give_rest()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the library see it."""
        self._give_rest()
        super().connection_lost(exc)

    def _give_rest(self) -> None:
        if self._parts:
            self._reader.feed_data(b"".join(self._parts))
            self._parts = []

    def _split(self, data: bytes) -> int:
        """Go through the whole frames; return where the first one begins that is not whole."""
        size = len(data)
        at = passed = taken = 0
        self._needed = _AROUND
        while size - at >= _AROUND:
            kind, channel, length = _FRAME.unpack_from(data, at)
            after = at + _AROUND + length
            if kind not in _KINDS or (after <= size and data[after - 1] != _END):
                self._foreign = True  # no frame, perhaps the broker's "AMQP": the library says what is wrong
                after = size
                break
            if after > size:
                self._needed = after - at
                break
            taker = self._takers.get(channel)
            if taker is not None:
                if taker.take(kind, data, at + 7, after - 1):
                    if passed < at:
                        self._reader.feed_data(data[passed:at])
                    passed = after
                    taken += 1
                elif data.startswith((_CHANNEL_CLOSE, _CHANNEL_CLOSE_OK), at + 7) and kind == METHOD:
                    self._takers.pop(channel).shut()  # its number may soon be another channel's
            at = after
        if self._foreign:
            at = size
        if passed < at:
            self._reader.feed_data(data[passed:at])
        elif taken:
            self._tell_alive()
        return at

    def _tell_alive(self) -> None:
        """Let the library see a frame now and then: it takes a connection without any for a dead one."""
        now = self._now()
        if now - self._alive_at >= _SIGN_OF_LIFE:
            self._alive_at = now
            self._reader.feed_data(_HEARTBEAT)


class Inlets(TransportFactory):
    """Makes the library's streams with an inlet between; the newest is ``inlet``."""

    inlet: Inlet

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect. Raises AMQPConnectionError."""
        provider: SSLContextProvider = kwargs.pop("ssl_context_provider")
        secured: ssl.SSLContext | None = await provider.get_context() if url.scheme == "amqps" else None
        reader = asyncio.StreamReader()
        self.inlet = Inlet(reader)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_connection(
                lambda: self.inlet, host=url.host or "", port=url.port or 0, ssl=secured, **kwargs
            )
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self._bound(transport)
        return reader, asyncio.StreamWriter(transport, self.inlet, reader, loop)

    def _bound(self, transport: asyncio.Transport) -> None:
        """Have the kernel give up a peer that acknowledges nothing, long before heartbeats tell."""
        plain = transport.get_extra_info("socket")
        if plain is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * SILENCE))
