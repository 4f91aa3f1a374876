"""RabbitMQ from its official image, by Docker or Podman, on loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from typing import TYPE_CHECKING

from callmq_demo.administration import Administration
from callmq_demo.faults import BrokerError
from callmq_demo.layout import LOOPBACK, USER, free_ports
from callmq_demo.node import answers_amqp
from callmq_demo.processes import undisturbed, wait_until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

IMAGE = "docker.io/library/rabbitmq:4.1.4-management"
_ENGINE_SECONDS = 20
_PULL_SECONDS = 600


def find_engine() -> str | None:
    """Find the container engine that answers: a client without its engine does not count."""
    for name in ("docker", "podman"):
        engine = shutil.which(name)
        if engine and _runs([engine, "info"]):
            return engine
    return None


class ContainerBroker:
    """A named container, published on 127.0.0.1 only and removed at the end; use as a context manager."""

    def __init__(self, engine: str, *, image: str = IMAGE, patience: float = 90.0) -> None:
        self._engine = engine
        self._image = image
        self._patience = patience
        self._name = f"callmq-demo-{secrets.token_hex(4)}"
        self._ports = free_ports()
        self._password = secrets.token_hex(16)

    def __enter__(self) -> Self:
        """Start."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove it."""
        self.stop()

    @property
    def amqp_url(self) -> str:
        """The default vhost's URL."""
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{self._ports.amqp}/"

    @property
    def administration(self) -> Administration:
        """The HTTP API."""
        return Administration(self.amqp_url, f"http://{USER}:{self._password}@{LOOPBACK}:{self._ports.management}")

    def describe(self) -> str:
        """Say for a person what this is."""
        return (
            f"RabbitMQ {self.administration.version()} in the container {self._name} on {LOOPBACK}:{self._ports.amqp}"
        )

    def stop(self) -> None:
        """Remove the container; absent is fine."""
        with undisturbed():
            _runs([self._engine, "rm", "--force", "--volumes", self._name])

    def _start(self) -> None:
        published = {self._ports.amqp: 5672, self._ports.management: 15672}
        flags = [flag for outer, inner in published.items() for flag in ("-p", f"{LOOPBACK}:{outer}:{inner}")]
        # Named and not given: a password on a command line can be read by everybody.
        secret = {"RABBITMQ_DEFAULT_USER": USER, "RABBITMQ_DEFAULT_PASS": self._password}
        names = [flag for name in secret for flag in ("-e", name)]
        command = [self._engine, "run", "--detach", "--rm", "--name", self._name, *flags, *names, self._image]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **secret},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PULL_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            raise BrokerError(f"{self._engine} did not start {self._image} in {_PULL_SECONDS} s.") from late
        if done.returncode:
            raise BrokerError(f"{self._engine} could not start {self._image}: {done.stderr.strip()[-500:]}")
        api = self.administration
        if not wait_until(lambda: answers_amqp(self._ports.amqp) and api.answers(), self._patience, pause=0.5):
            raise BrokerError(f"{self._image} did not answer in {self._patience:g} s.")


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=_ENGINE_SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
