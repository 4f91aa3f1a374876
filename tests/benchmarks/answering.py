"""A small HTTP server that answers every POST alike after a while: the slow endpoint, and the sink of traces.

``python -m benchmarks.answering --port 8080 --delay 0.05 --log receipts.log --body '{}'``. Each request is one line
of the log: its Idempotency-Key; with ``--spans``, how many spans it brought.
"""

import argparse
import asyncio
import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path

import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

LOOPBACK = "127.0.0.1"
FLUSH = 0.2
Line = Callable[[dict[bytes, bytes], bytes], str]


def key_of(headers: dict[bytes, bytes], _: bytes) -> str:
    return headers.get(b"idempotency-key", b"-").decode()


def spans_of(headers: dict[bytes, bytes], body: bytes) -> str:
    if headers.get(b"content-encoding") == b"gzip":
        body = gzip.decompress(body)
    told = ExportTraceServiceRequest.FromString(body)
    return str(sum(len(scope.spans) for resource in told.resource_spans for scope in resource.scope_spans))


class Answering(asyncio.Protocol):
    """One connection: requests with a Content-Length, one after the other."""

    def __init__(self, delay: float, answer: bytes, line: Line, log: list[str]) -> None:
        self._delay, self._answer, self._line, self._log = delay, answer, line, log
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            lines = [line.partition(b":") for line in self._buffer[:end].split(b"\r\n")[1:]]
            headers = {name.strip().lower(): value.strip() for name, _, value in lines}
            whole = end + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._buffer) < whole:
                return
            self._log.append(self._line(headers, self._buffer[end + 4 : whole]))
            self._buffer = self._buffer[whole:]
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._reply)
            else:
                self._reply()

    def _reply(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._answer)


async def serve(port: int, delay: float, body: bytes, line: Line, path: Path) -> None:
    log: list[str] = []
    kind = b"application/json" if body else b"application/x-protobuf"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)
    loop = asyncio.get_running_loop()
    await loop.create_server(partial(Answering, delay, answer, line, log), LOOPBACK, port, backlog=1024)
    with path.open("a", encoding="utf-8") as file:
        while True:
            await asyncio.sleep(FLUSH)
            lines, log[:] = "".join(f"{line}\n" for line in log), []
            file.write(lines)
            file.flush()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--body", default="")
    parser.add_argument("--spans", action="store_true")
    given = parser.parse_args()
    line = spans_of if given.spans else key_of
    uvloop.run(serve(given.port, given.delay, given.body.encode(), line, given.log))


if __name__ == "__main__":
    main()
