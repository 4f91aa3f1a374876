"""The demo's own programs: the sandbox, and a worker that is started again whenever it dies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import httpx

from callmq_demo.processes import end, launch

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
PROJECT, TOKEN = "sandbox", "sandbox-token"  # the sandbox's documented default
_PAUSE = 0.05
_LAST_WORDS = 2.0
_STOP_SECONDS = 20.0
_FUTILE_STARTS = 3
# What a program needs of ours: where things are, and whom TLS believes. Nothing else is handed on.
_HANDED_ON = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


class NotReadyError(Exception):
    """Something of the demo did not start or can't be reached; a sentence for a person."""


def own_environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return a program's whole environment: private, without the caller's settings and credentials."""
    handed_on = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    own = {"HOME": str(folder), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "OTEL_SDK_DISABLED": "true"}
    return {**handed_on, **own, **more}


class SandboxProcess:
    """``callmq sandbox`` on a free port. ``url`` and ``control`` are known once ``ready`` has returned."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "sandbox.log"
        timing = ("--cps", "0", "--ring", "0", "--answer", "0")
        command = (sys.executable, "-m", "callmq", "sandbox", "--port", "0", *timing, "--json")
        self._child = launch(command, folder, own_environment(folder, {}), self._log)
        self.url = self.control = ""

    async def ready(self, seconds: float = 30.0) -> None:
        """Wait until it says where it listens. Raises `NotReadyError`."""
        try:
            async with asyncio.timeout(seconds):
                while not (said := _first_document(self._log)):
                    if self._child.poll() is not None:
                        raise NotReadyError(f"The sandbox ended ({self._child.returncode}):\n{last_words(self._log)}")
                    await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            raise NotReadyError(f"The sandbox did not listen in {seconds:g} s:\n{last_words(self._log)}") from error
        self.url, self.control = said["url"], said["control"]

    def end(self) -> None:
        """End it."""
        end(self._child, _LAST_WORDS)


class WorkerKeeper:
    """``callmq work``, started again when it dies, as an init system would; each time with a fresh health port."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._log = folder / "worker.log"
        self._child: subprocess.Popen[bytes] | None = None
        self._health = ""
        self._was_ready = False
        self.restarts = 0

    @property
    def pid(self) -> int:
        """The present worker's process id, 0 where there is none."""
        return self._child.pid if self._child else 0

    def start(self) -> None:
        """Start one."""
        self._was_ready = False
        address = f"{LOOPBACK}:{_free_port()}"
        self._health = f"http://{address}/readyz"
        environment = own_environment(self._folder, {**self._environment, "CALLMQ_HEALTH_ADDR": address})
        self._child = launch((sys.executable, "-m", "callmq", "work"), self._folder, environment, self._log)

    def start_again(self) -> None:
        """Start the next one."""
        self.restarts += 1
        self.start()

    async def keep(self) -> None:
        """Start it again whenever it has died, until cancelled. Raises `NotReadyError` where that is futile."""
        futile = 0
        while True:
            await asyncio.sleep(_PAUSE)
            if self._child is None or self._child.poll() is None:
                continue
            futile = 0 if self._was_ready else futile + 1
            if futile >= _FUTILE_STARTS:
                ended = f"The worker ended {futile} times before it was ready"
                raise NotReadyError(f"{ended} (exit code {self._child.returncode}):\n{last_words(self._log)}")
            self.start_again()

    async def ready(self, seconds: float = 30.0) -> None:
        """Wait until it consumes. Raises `NotReadyError` with what is in the way."""
        said = "no answer"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    said = await self.failing()
                    if not said:
                        break
                    await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            words = last_words(self._log)
            raise NotReadyError(f"The worker was not ready in {seconds:g} s ({said}):\n{words}") from error
        self._was_ready = True

    async def failing(self) -> str:
        """Say what keeps the worker from working; empty where nothing does."""
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            try:
                answer = await client.get(self._health)
            except httpx.HTTPError:
                return "it does not answer yet"
        document = answer.json()
        return "" if document["ready"] else json.dumps(document["failing"])

    def kill(self) -> None:
        """Kill -9 it."""
        if self._child is not None:
            os.kill(self._child.pid, signal.SIGKILL)

    async def stop(self) -> int | None:
        """Send SIGTERM and wait; the answer is its exit code, None where it did not end."""
        child, self._child = self._child, None
        if child is None:
            return None
        child.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await asyncio.to_thread(child.wait)
        except TimeoutError:
            return None
        finally:
            if child.poll() is None:
                end(child, 0.0)
        return child.returncode

    def end(self) -> None:
        """End it, settled or not."""
        child, self._child = self._child, None
        if child is not None:
            end(child, _LAST_WORDS)


def last_words(log: Path, lines: int = 6) -> str:
    """Return the end of a log."""
    return "\n".join(line[:300] for line in log.read_text(errors="replace").splitlines()[-lines:])


def _first_document(log: Path) -> dict[str, str]:
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            document: dict[str, str] = json.loads(line)
            return document
    return {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
