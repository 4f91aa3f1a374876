"""Real worker processes of one test, ended by pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from callmq_contracts.examples import EXAMPLES
from world import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

DIAL = EXAMPLES["dial"][0]


class Processes:
    """``callmq work``, as often as it is started."""

    def __init__(self, w, log) -> None:
        self.w, self.log, self.running = w, log, []

    def start(self, **more: str) -> subprocess.Popen:
        told = {**os.environ, **environment(str(self.w.amqp_url), self.w.ledger, self.w.sandbox.url, **more)}
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "callmq", "work"], env=told, stderr=log)
        self.running.append(process)
        return process

    @contextlib.contextmanager
    def all(self) -> Iterator[Processes]:
        try:
            yield self
        finally:
            for process in self.running:
                if process.poll() is None:
                    process.kill()
                process.wait()


async def until_routed(w, key, body=DIAL):
    """Publish as soon as a worker has made the topology."""
    async with asyncio.timeout(30):
        while not (await w.client.send(body, key=key)).ok:
            await asyncio.sleep(0.05)
