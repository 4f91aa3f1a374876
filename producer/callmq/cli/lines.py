"""Lines of any length from a stream of any length, in constant memory."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import chain
from typing import Final

from callmq_contracts.codec import MAX_BODY_BYTES

CHUNK: Final = 65_536
# One byte more than a body may have: enough to be refused as too large, whatever followed.
KEPT: Final = MAX_BODY_BYTES + 1
_AHEAD: Final = 64
_BLANKS: Final = b" \t\r"

Read = Callable[[int], bytes]


def read_lines(read: Read) -> Iterator[bytes]:
    """Yield each line that is not blank, without its end and surrounding blanks, cut at `KEPT` bytes.

    Of a line that goes on after so many bytes, the blanks before them count. ``read(n)`` returns up to ``n`` bytes and
    none at the end.
    """
    return chain.from_iterable(read_blocks(read))


def read_blocks(read: Read) -> Iterator[list[bytes]]:
    """Yield the same lines, those that ended with each reading together, so that none waits for the next reading."""
    line, beyond = bytearray(), False
    while chunk := read(CHUNK):
        first, *others = chunk.split(b"\n")
        room = KEPT + 1 - len(line)
        line += first[:room]
        beyond = beyond or bool(first[room:].strip(_BLANKS))
        if others:
            rest = others.pop()
            yield _finished(line, others, beyond=beyond)
            line[:], beyond = rest, False
    yield _finished(line, [], beyond=beyond)


def _finished(first: bytearray, others: list[bytes], *, beyond: bool) -> list[bytes]:
    """Return lines as they are yielded. ``beyond``: the first one goes on, so that its blanks count as well."""
    if beyond:
        return [bytes(first[:KEPT]), *_finished(bytearray(), others, beyond=False)]
    lines = (bytes(first), *others)
    return [stripped for line in lines if (stripped := line.strip(_BLANKS)[:KEPT])]


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
