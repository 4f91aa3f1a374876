"""The workers of a campaign: real processes, each with a proxy to the broker, a log and a probe; ended by pid."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chaos.proxy import Proxy

START_SECONDS = 60.0
TESTS = str(Path(__file__).parents[1])
WORK = ("-m", "callmq", "work")


@dataclass(frozen=True, slots=True)
class Weight:
    """The memory of one worker at one moment, in MB. ``done``: the requests that came from its place until then."""

    at: float
    worker: int
    life: int
    size: float
    done: int = 0


@dataclass
class Worker:
    """One place of the crew, with the process that fills it at present."""

    number: int
    proxy: Proxy
    log: Path
    probe: int
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    asked: bool = False
    ends: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.asked = self.asked or number == signal.SIGTERM
            self.process.send_signal(number)

    def crash(self) -> str | None:
        """Say how the process ended, where it ended and nobody had made it."""
        code = None if self.process is None else self.process.poll()
        if code in (None, -signal.SIGKILL) or (self.asked and code in (0, 1)):
            return None
        return f"worker {self.number}, life {self.lives} ended by itself with {code}: {self.log}"

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def confine(self, size: int) -> None:
        """Let no file grow beyond ``size`` bytes under this process; -1: any."""
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (size, -1))

    def memory(self) -> float:
        """Return its own memory in MB, without what files lend it; 0 where there is no process."""
        with contextlib.suppress(OSError, AssertionError):
            for line in Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Anonymous:"):
                    return int(line.split()[1]) / 1e3
        return 0.0

    async def ready(self) -> None:
        """Return when it says that it is ready; raises where it ended or says so for too long."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._says_ready():
                if self.process is None or self.process.poll() is not None:
                    raise AssertionError(f"worker {self.number} ended: {self.log}")
                await asyncio.sleep(0.1)

    async def _says_ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.probe)
        except OSError:
            return False
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n")
            return b" 200 " in await reader.readline()
        except OSError:
            return False
        finally:
            writer.close()


class Crew:
    """All workers. ``environment`` says what one is started with; ``more`` is changed between phases."""

    def __init__(self, workers: list[Worker], environment: Callable[[Worker], dict[str, str]]) -> None:
        self.workers, self._environment = workers, environment
        self.more: dict[str, str] = {}
        self.memory: list[Weight] = []
        self._crashes: list[str] = []

    def start(self, worker: Worker, program: tuple[str, ...] = WORK) -> None:
        """Start one; ``program``: what Python is to run."""
        self._look_at(worker)
        told = {**os.environ, **self._environment(worker), **self.more}
        if program is not WORK:
            told["PYTHONPATH"] = TESTS
        with worker.log.open("ab") as log:
            command = [sys.executable, *program]
            worker.process = subprocess.Popen(command, env=told, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        worker.lives, worker.asked = worker.lives + 1, False

    async def begin(self) -> None:
        for worker in self.workers:
            self.start(worker)
        await asyncio.gather(*(worker.ready() for worker in self.workers))

    def _look_at(self, worker: Worker) -> None:
        if crash := worker.crash():
            self._crashes.append(crash)

    def crashes(self) -> list[str]:
        """Say which workers ended by themselves, and which said that they did not know why something failed."""
        for worker in self.workers:
            self._look_at(worker)
            if b'"level":"CRITICAL"' in worker.log.read_bytes():
                self._crashes.append(f"worker {worker.number} met an error that nobody catches: {worker.log}")
        return list(dict.fromkeys(self._crashes))

    async def gone(self, worker: Worker, seconds: float) -> bool:
        """Wait until one has ended by itself; say whether it did."""
        until = time.monotonic() + seconds
        while worker.process is not None and worker.process.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return worker.process is None or worker.process.poll() is not None

    async def retire(self, worker: Worker, seconds: float = 40.0) -> int:
        """Ask one to end and return its exit code; -9 where it had to be killed."""
        worker.signal(signal.SIGTERM)
        process = worker.process
        assert process is not None
        await self.gone(worker, seconds)
        worker.kill()
        code = process.wait()
        worker.ends.append(code)
        return code

    async def end(self) -> list[int]:
        return list(await asyncio.gather(*(self.retire(worker) for worker in self.workers)))

    def kill(self) -> None:
        for worker in self.workers:
            worker.signal(signal.SIGCONT)
            worker.kill()

    async def weigh(self, done: Callable[[int], int]) -> None:
        """Note the memory of each, again and again. ``done``: how many requests came from a place."""
        while True:
            for worker in self.workers:
                if size := worker.memory():
                    number = worker.number
                    self.memory.append(Weight(time.monotonic(), number, worker.lives, size, done(number)))
            await asyncio.sleep(1)
