"""What one process of several tells its parent, line by line; the parent's end ends it as well."""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import orjson

from callmq_worker.adapters.health import Metric, Readiness, Sample

LOG: Final = logging.getLogger("callmq.reports")
EVERY: Final = 0.5


@dataclass(frozen=True, slots=True)
class Report:
    """A process's readiness, what is in its way, and its metrics."""

    ready: bool
    failing: Mapping[str, Any]
    metrics: Sequence[Metric]

    def dump(self) -> bytes:
        """Return one line of JSON."""
        return orjson.dumps(self, option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def load(cls, line: bytes) -> "Report":
        """Read what `dump` wrote."""
        told = orjson.loads(line)
        metrics = [
            Metric(m["name"], m["kind"], m["help"], [Sample(s["value"], s["labels"]) for s in m["samples"]])
            for m in told["metrics"]
        ]
        return cls(told["ready"], told["failing"], metrics)


@dataclass(eq=False, slots=True)
class Reporter:
    """Reports through an inherited socket twice a second; ``orphaned`` is called when the parent is gone."""

    descriptor: int
    readiness: Readiness
    metrics: Callable[[], Sequence[Metric]]
    orphaned: Callable[[], None]
    _tasks: tuple[asyncio.Task[None], ...] = ()

    async def start(self) -> None:
        """Begin to report. Raises OSError where the descriptor is no socket."""
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=self.descriptor))
        self._tasks = (asyncio.create_task(self._report(writer)), asyncio.create_task(self._watch(reader)))

    async def stop(self) -> None:
        """Report no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _report(self, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                ready, failing = self.readiness()
                writer.write(Report(ready, dict(failing), self.metrics()).dump())
                await writer.drain()
                await asyncio.sleep(EVERY)
        except ConnectionError:
            return  # the watch tells
        finally:
            writer.close()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):  # a parent that was killed with unread reports resets the socket
            await reader.read()
        LOG.error("the parent process is gone, stopping")
        self.orphaned()
