"""How each fault is played on the connection."""

import asyncio
import gzip
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

import orjson

from callmq_worker.adapters.web import Answer, Response, Takeover, Wire
from callmq_worker.sandbox.faults import Fault

_CHUNK: Final = 65_536
_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"
_BOMB_OPENING: Final = b'{"padding":"'

Play: TypeAlias = Callable[[Fault, Response, Wire], Awaitable[None]]


async def reset(_fault: Fault, _response: Response, wire: Wire) -> None:
    """Answer with a reset."""
    wire.reset()


async def half_answer(fault: Fault, response: Response, wire: Wire) -> None:
    """Send the head and the first bytes of the body, then close."""
    size = len(response.body) // 2 if fault.size is None else fault.size
    await wire.send(response.head() + response.body[:size])


async def huge_body(fault: Fault, response: Response, wire: Wire) -> None:
    """Send a JSON document padded to a size."""
    size = max(fault.size or 0, len(_BOMB_OPENING) + 2)
    await wire.send(response.head(size) + _BOMB_OPENING)
    left = size - len(_BOMB_OPENING) - 2
    while left > 0:
        await wire.send(b"a" * min(_CHUNK, left))
        left -= _CHUNK
    await wire.send(b'"}')


async def gzip_bomb(fault: Fault, response: Response, wire: Wire) -> None:
    """Send a small compressed body that unpacks to a size."""
    packed = await asyncio.to_thread(_bomb, fault.size or 0)
    await wire.send(Response(response.status, _encoded(response, "gzip"), packed).head() + packed)


async def drip(fault: Fault, response: Response, wire: Wire) -> None:
    """Send the body byte by byte."""
    await wire.send(response.head())
    for byte in response.body:
        await wire.send(bytes([byte]))
        await asyncio.sleep(fault.seconds)


async def bad_framing(_fault: Fault, _response: Response, wire: Wire) -> None:
    """Answer with bytes that are no HTTP."""
    await wire.send(b"\x15\x03\x01 this is no answer\r\n\r\n")


_PLAYS: Final[Mapping[str, Play]] = {
    "reset_before_reading": reset,
    "reset_before_acting": reset,
    "reset_after_reading": reset,
    "half_answer": half_answer,
    "huge_body": huge_body,
    "gzip_bomb": gzip_bomb,
    "drip": drip,
    "bad_framing": bad_framing,
}
# What of these reaches the client is no whole answer.
UNANSWERED: Final = frozenset(
    {"reset_before_reading", "reset_before_acting", "reset_after_reading", "half_answer", "bad_framing"},
)


def play(fault: Fault, response: Response) -> Answer:
    """Return what a fault makes of the answer that would have been given."""
    match fault.action:
        case "status":
            return Response(fault.status, *_told(fault, ()))
        case "retry_after":
            return Response(fault.status, *_told(fault, (("retry-after", fault.retry_after),)))
        case "html_502":
            return Response(fault.status, (("content-type", "text/html"),), _HTML)
        case "compressed":
            packed = gzip.compress(response.body) if fault.encoding == "gzip" else zlib.compress(response.body)
            return Response(response.status, _encoded(response, fault.encoding), packed)
        case name:
            return Takeover(lambda wire: _PLAYS[name](fault, response, wire))


async def hold(response: Response, released: asyncio.Event, wire: Wire) -> bool:
    """Answer once ``released``, or never if the client goes first; return whether it was answered."""
    release, gone = asyncio.create_task(released.wait()), asyncio.create_task(wire.gone())
    try:
        await asyncio.wait({release, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            return False
        await wire.send(response.head() + response.body)
        return True
    finally:
        release.cancel()
        gone.cancel()
        await asyncio.gather(release, gone, return_exceptions=True)


def _told(fault: Fault, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Return headers and body as the fault says: text as it is, anything else as JSON."""
    kind = "text/plain" if isinstance(fault.body, str) else "application/json"
    given = (*fault.headers, *headers)
    if all(name.lower() != "content-type" for name, _ in given):
        given = (("content-type", kind), *given)
    if isinstance(fault.body, str):
        return given, fault.body.encode()
    return given, orjson.dumps({"error": f"Status {fault.status}"} if fault.body is None else fault.body)


def _encoded(response: Response, encoding: str) -> tuple[tuple[str, str], ...]:
    return (*response.headers, ("content-encoding", encoding))


@lru_cache(maxsize=4)
def _bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed, chunk = [packer.compress(_BOMB_OPENING)], b"a" * _CHUNK
    packed += [packer.compress(chunk[: min(_CHUNK, size - sent)]) for sent in range(0, size, _CHUNK)]
    return b"".join([*packed, packer.compress(b'"}'), packer.flush()])
