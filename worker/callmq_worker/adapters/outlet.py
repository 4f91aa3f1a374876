"""One channel's way out: what is written in one turn of the loop leaves as one piece, in its order."""

import asyncio

from aiormq.abc import AbstractChannel, ChannelFrame


class Outlet:
    """Gathers frames for a channel of aiormq and hands them to its connection's writer."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._waiting: list[bytes] = []
        self._pumping: asyncio.Task[None] | None = None
        self._called = False
        self._shut = False
        self.number = channel.number

    @property
    def closed(self) -> bool:
        """Whether nothing can leave any more."""
        return self._shut or self._channel.is_closed

    def shut(self) -> None:
        """Let nothing out any more: one frame on a channel that both sides closed ends the whole connection."""
        self._shut = True
        self._waiting = []

    def write(self, frames: bytes) -> None:
        """Send whole frames with what else is written in this turn of the loop. Never waits."""
        if self.closed:
            return
        self._waiting.append(frames)
        if not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def flushed(self) -> None:
        """Wait until all that was written is with the connection's writer, ahead of what others send from now on."""
        self._flush()
        if self._pumping is not None:
            await asyncio.shield(self._pumping)

    def _flush(self) -> None:
        self._called = False
        if not self._waiting or self._pumping is not None:
            return
        queue = self._channel.connection.write_queue
        if queue.full():
            self._pumping = asyncio.get_running_loop().create_task(self._pump())
        else:
            queue.put_nowait(self._taken())

    async def _pump(self) -> None:
        try:
            while self._waiting:
                await self._channel.connection.write_queue.put(self._taken())
        finally:
            self._pumping = None

    def _taken(self) -> ChannelFrame:
        payload, self._waiting = b"".join(self._waiting), []
        return ChannelFrame(payload=payload, should_close=False)
