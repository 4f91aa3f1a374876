"""An installed RabbitMQ, run as a private node: own ports, own folder, loopback only, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from callmq_demo.administration import Administration, vhost_of
from callmq_demo.faults import BrokerError
from callmq_demo.layout import LOOPBACK, Layout
from callmq_demo.processes import end, end_all_at_home_in, is_held, launch, undisturbed, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Self

# The distribution's own script: the wrapper in sbin changes the directory, the user and the log paths.
_SERVER_PLACES = (
    "usr/lib/rabbitmq/bin/rabbitmq-server",
    "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server",
    "opt/rabbitmq/sbin/rabbitmq-server",
    "opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "usr/local/opt/rabbitmq/sbin/rabbitmq-server",
)
# Long enough to say goodbye to its clients; a full stop takes 6 s, for data that are thrown away with the folder.
_LAST_WORDS = 2.0
_EPMD_PLACES = ("usr/lib/erlang/erts-*/bin/epmd", "usr/lib64/erlang/erts-*/bin/epmd", "opt/erlang/erts-*/bin/epmd")


def find_server() -> Path | None:
    """Find rabbitmq-server: CALLMQ_RABBITMQ_SERVER names it, else it is looked for where packages put it."""
    named = os.environ.get("CALLMQ_RABBITMQ_SERVER")
    return Path(named) if named else _first(_SERVER_PLACES)


def answers_amqp(port: int) -> bool:
    """Whether a broker on this loopback port answers an AMQP 0-9-1 header with connection.start."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=5) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            frame = connection.recv(11, socket.MSG_WAITALL)
    except OSError:
        return False
    return frame[:1] == b"\x01" and frame[7:] == b"\x00\x0a\x00\x0a"


class PrivateNode:
    """A RabbitMQ node of its own, on 127.0.0.1 only, with the management plugin; use as a context manager.

    ``settings`` are further lines of rabbitmq.conf. ``amqp_url``, ``management_url`` and ``administration`` exist
    from ``start`` to ``stop``. Any number of nodes run side by side, as root or as an ordinary user.
    """

    def __init__(
        self,
        *,
        server: Path | None = None,
        settings: Mapping[str, str] | None = None,
        patience: float = 90.0,
    ) -> None:
        self._server = server or find_server()
        self._settings = dict(settings or {})
        self._patience = patience
        self._layout: Layout | None = None
        self._broker: subprocess.Popen[bytes] | None = None
        self._epmd: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop."""
        self.stop()

    @property
    def layout(self) -> Layout:
        """Folder, ports and files of the running node."""
        if self._layout is None:
            raise BrokerError("The RabbitMQ node is not running.")
        return self._layout

    @property
    def amqp_url(self) -> str:
        """The default vhost's URL."""
        return self.layout.amqp_url

    @property
    def management_url(self) -> str:
        """The HTTP API's URL, with its user."""
        return self.layout.management_url

    @property
    def administration(self) -> Administration:
        """The HTTP API."""
        return Administration(self.amqp_url, self.management_url)

    @property
    def pid(self) -> int:
        """The Erlang process's id, as the node itself wrote it."""
        return int(self.layout.pid_file.read_text())

    def describe(self) -> str:
        """Say for a person what this is."""
        return f"a private RabbitMQ {self.administration.version()} on {LOOPBACK}:{self.layout.ports.amqp}"

    def start(self) -> None:
        """Return when AMQP and the HTTP API answer; BrokerError with the log's end otherwise, with nothing left."""
        if self._server is None:
            raise BrokerError("RabbitMQ is not installed: no rabbitmq-server was found (Debian: rabbitmq-server).")
        for tries_left in (2, 1, 0):
            try:
                with undisturbed():  # or a folder that nobody knows of would stay
                    self._layout = Layout(self._settings)
                self.boot()
            except BaseException as error:
                ports = self._layout.ports if self._layout else None
                self.stop()
                # Somebody else may have taken a port between the look and the start: then others will do.
                if isinstance(error, BrokerError) and tries_left and ports and not ports.are_free():
                    continue
                raise
            return

    def stop(self) -> None:
        """End what was started and remove its folder; a second call does nothing."""
        with undisturbed():
            if self._layout is None:
                return
            self._end()
            shutil.rmtree(self._layout.folder, ignore_errors=True)
            self._layout = None

    def boot(self) -> None:
        """Start the node in its folder: the first time, and again after ``crash``."""
        layout = self.layout
        layout.pid_file.unlink(missing_ok=True)
        self._start_epmd()
        self._broker = self._launch(str(self._server))
        api = self.administration
        self._await(self._broker, lambda: answers_amqp(layout.ports.amqp) and api.answers())

    def crash(self) -> None:
        """Kill the node as a power cut would; its folder stays for ``boot``."""
        with undisturbed():
            if self._broker is not None:
                self._broker.kill()
            self._end()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the node's process still: its sockets stay open and nothing answers."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            wait_until(lambda: is_held(pid), _LAST_WORDS)
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Lend the AMQP URL of a fresh vhost; it is deleted at the end."""
        with self.administration.vhost() as amqp_url:
            yield amqp_url

    def delete_vhost(self, amqp_url: str) -> None:
        """Delete the vhost of this URL with all in it, now."""
        self.administration.delete_vhost(amqp_url)

    def ctl(self, *arguments: str, seconds: float = 60.0) -> str:
        """Run rabbitmqctl; the answer is its standard output. BrokerError where it fails or takes too long."""
        command = [str(Path(self._server or "").with_name("rabbitmqctl")), "--quiet", *arguments]
        try:
            done = subprocess.run(
                command,
                env=self.layout.environment(),
                cwd=self.layout.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                check=True,
            )
        except subprocess.TimeoutExpired as late:
            raise BrokerError(f"rabbitmqctl {arguments[0]} did not answer in {seconds:g} s.") from late
        except subprocess.CalledProcessError as failed:
            raise BrokerError(f"rabbitmqctl {arguments[0]} failed: {failed.stderr or failed.stdout}") from failed
        return done.stdout

    def close_connections(self, amqp_url: str, reason: str = "closed by a test") -> None:
        """Have the broker close every connection of this URL's vhost (320, connection-forced)."""
        self.ctl("close_all_connections", "--vhost", vhost_of(amqp_url), reason)

    def set_memory_alarm(self, *, on: bool) -> None:
        """Raise or clear the memory alarm, which blocks every connection that publishes, in all vhosts."""
        mark = "0.0000001" if on else "0.4"
        alarms = self.ctl("eval", f"vm_memory_monitor:set_vm_memory_high_watermark({mark}), rabbit_alarm:get_alarms().")
        if ("memory" in alarms) is not on:
            raise BrokerError(f"The memory alarm did not change: {alarms.strip()}")

    def _start_epmd(self) -> None:
        epmd = shutil.which("epmd") or _first(_EPMD_PLACES)
        if epmd is None:
            return  # Erlang then starts one itself, with our HOME, which is how it is found and ended.
        port = self.layout.ports.epmd
        self._epmd = self._launch(str(epmd), "-port", str(port), "-address", LOOPBACK)
        self._await(self._epmd, lambda: _answers_as_epmd(port))

    def _launch(self, *command: str) -> subprocess.Popen[bytes]:
        return launch(command, self.layout.folder, self.layout.environment(), self.layout.boot_log)

    def _await(self, child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        came = wait_until(lambda: child.poll() is not None or ready(), self._patience)
        if came and child.poll() is None:
            return
        why = f"did not answer in {self._patience:g} s" if child.poll() is None else f"ended ({child.returncode})"
        raise BrokerError(f"The RabbitMQ node {why}. It wrote:\n{self.layout.last_words()}")

    def _end(self) -> None:
        for child in (self._broker, self._epmd):
            if child is not None:
                end(child, _LAST_WORDS)
        self._broker = self._epmd = None
        end_all_at_home_in(self.layout.folder)


def _first(patterns: Sequence[str]) -> Path | None:
    return next((found for pattern in patterns for found in sorted(Path("/").glob(pattern))), None)


def _answers_as_epmd(port: int) -> bool:
    """Whether it is Erlang's port mapper that listens there, and not somebody who only takes connections."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"\x00\x01n")  # its question for names; the answer begins with its own port
            return connection.recv(4, socket.MSG_WAITALL) == port.to_bytes(4, "big")
    except OSError:
        return False
