"""A small HTTP server that answers every POST alike after a while: the slow endpoint, and the sink of traces.

``python -m benchmarks.answering --port 8080 --delay 0.05 --log receipts.log --body '{}'``. Each request is one line of the
log: its Idempotency-Key, or the size of its body where it has none.
"""

import argparse
import asyncio
from functools import partial
from pathlib import Path

import uvloop

LOOPBACK = "127.0.0.1"
FLUSH = 0.2


class Answering(asyncio.Protocol):
    """One connection: requests with a Content-Length, one after the other."""

    def __init__(self, delay: float, answer: bytes, log: list[str]) -> None:
        self._delay, self._answer, self._log = delay, answer, log
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            headers = dict(
                (name.strip().lower(), value.strip())
                for name, _, value in (line.partition(b":") for line in self._buffer[:end].split(b"\r\n")[1:])
            )
            whole = end + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._log.append(headers.get(b"idempotency-key", str(whole - end - 4).encode()).decode())
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._reply)
            else:
                self._reply()

    def _reply(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._answer)


async def serve(port: int, delay: float, body: bytes, path: Path) -> None:
    log: list[str] = []
    kind = b"application/json" if body else b"application/x-protobuf"
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)
    loop = asyncio.get_running_loop()
    await loop.create_server(partial(Answering, delay, answer, log), LOOPBACK, port, backlog=1024)
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
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.delay, given.body.encode(), given.log))


if __name__ == "__main__":
    main()
