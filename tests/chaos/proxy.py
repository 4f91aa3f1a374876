"""A TCP proxy on loopback, through which one worker reaches the broker: what passes can be held, cut or lost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Self

CHUNK = 65_536


class Link:
    """One connection: the worker's side and the broker's side."""

    def __init__(self, worker: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.worker, self.broker = worker, broker
        self.halved = False

    def reset(self) -> None:
        for side in (self.worker, self.broker):
            reset(side)

    def halve(self) -> None:
        """Take the broker's side away; the worker's stays open and silent."""
        self.halved = True
        reset(self.broker)


class Proxy:
    """Use as a context manager; the broker is at ``port`` of this."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.links: set[Link] = set()
        self.refuses = False
        self._flows = asyncio.Event()
        self._flows.set()
        self._left: int | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.light()
        self.reset()

    @property
    def ports(self) -> set[int]:
        """The ports from which it speaks to the broker, and by which the broker knows the worker's connections."""
        return {link.broker.get_extra_info("sockname")[1] for link in self.links if not link.halved}

    def reset(self) -> int:
        """Reset all connections; return how many."""
        links = tuple(self.links)
        for link in links:
            link.reset()
        return len(links)

    def halve(self) -> int:
        """Take the broker's side of all connections away; return how many."""
        links = tuple(self.links)
        for link in links:
            link.halve()
        return len(links)

    def darken(self) -> None:
        """Let nothing pass in either direction, and close nothing."""
        self._flows.clear()

    def light(self) -> None:
        """Let pass again, what was held included."""
        self._flows.set()

    async def cut_after(self, size: int, patience: float) -> bool:
        """Let so many further bytes pass to the broker, then reset. False: so many did not come in time."""
        self._left = size
        until = asyncio.get_running_loop().time() + patience
        while self._left is not None and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.02)
        cut, self._left = self._left is None, None
        return cut

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            reset(writer)
            return
        try:
            back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        link = Link(writer, forth)
        self.links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, reader, forth, limited=True))
                both.create_task(self._pump(link, back, writer, limited=False))
        except* OSError:
            link.reset()
        finally:
            self.links.discard(link)

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limited: bool
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                await self._flows.wait()
                if link.halved:
                    continue  # what the worker says now is heard by nobody
                if limited and self._left is not None:
                    if len(data) >= self._left:
                        writer.write(data[: self._left])
                        self._left = None
                        link.reset()
                        return
                    self._left -= len(data)
                writer.write(data)
                await writer.drain()
        except OSError:
            if not link.halved:
                raise
        if not link.halved:
            writer.close()
        elif limited:
            link.worker.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a reset, not with a goodbye."""
    raw = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, AttributeError, ValueError):  # it was closed already
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
