"""Lines of any length from a stream of any length, in constant memory."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final

from callmq_contracts.codec import MAX_BODY_BYTES

CHUNK: Final = 65_536
# One byte more than a body may have: enough to be refused as too large, whatever followed.
KEPT: Final = MAX_BODY_BYTES + 1
_AHEAD: Final = 64

Read = Callable[[int], bytes]


def read_lines(read: Read) -> Iterator[bytes]:
    """Yield each line that is not blank, without its end and surrounding blanks, cut at `KEPT` bytes.

    ``read(n)`` returns up to ``n`` bytes and none at the end.
    """
    line = bytearray()
    while chunk := read(CHUNK):
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part[: KEPT + 1 - len(line)]
            yield from _finished(line)
            line.clear()
        line += rest[: KEPT + 1 - len(line)]
    yield from _finished(line)


def _finished(line: bytearray) -> Iterator[bytes]:
    stripped = bytes(line).strip(b" \t\r")[:KEPT]
    if stripped:
        yield stripped


async def lines_in_background(read: Read) -> AsyncIterator[bytes]:
    """Yield the same lines while the event loop runs on: a thread reads, at most 64 lines ahead.

    The thread does not hold the process up when it waits at a terminal.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | BaseException | None] = asyncio.Queue(_AHEAD)

    def put(line: bytes | BaseException | None) -> None:
        putting = lines.put(line)
        try:
            asyncio.run_coroutine_threadsafe(putting, loop).result()
        except RuntimeError:  # the loop is closed: nobody listens any more
            putting.close()
            raise

    def pump() -> None:
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):
            try:
                for line in read_lines(read):
                    put(line)
                put(None)
            except OSError as error:
                put(error)

    threading.Thread(target=pump, name="callmq lines", daemon=True).start()
    while isinstance(line := await lines.get(), bytes):
        yield line
    if line is not None:
        raise line
