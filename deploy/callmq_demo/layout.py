"""The folder, ports, files and environment of one private RabbitMQ node."""

from __future__ import annotations

import os
import random
import secrets
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from callmq_demo.faults import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = "127.0.0.1"
NODE_NAME = "callmq@localhost"
USER = "callmq"

# Below the ports that Linux hands to outgoing connections, so that a node that comes back finds its own still free.
_FIRST_PORT, _LAST_PORT = 15_000, 32_000
_CTL_PORTS = 10

# As docs/brokers.md advises: else a message in a delay tier whose lane had no leader is tried again after 3 minutes.
ADVANCED = "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].\n"

# Schedulers that sleep when idle: the node shares its machine with what is being tested.
_ERL_ARGS = "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, slots=True)
class Ports:
    """All on 127.0.0.1; ``ctl`` is the first of ten for rabbitmqctl's own listener."""

    amqp: int
    management: int
    distribution: int
    epmd: int
    ctl: int

    def are_free(self) -> bool:
        """Whether nothing listens on any of them now."""
        own = (self.amqp, self.management, self.distribution, self.epmd)
        return all(_is_free(port) for port in (*own, *range(self.ctl, self.ctl + _CTL_PORTS)))


def free_ports() -> Ports:
    """Pick ports that nothing listens on now."""
    for _ in range(200):
        first = random.randrange(_FIRST_PORT, _LAST_PORT)  # noqa: S311 - a port is no secret
        ports = Ports(first, first + 1, first + 2, first + 3, first + 4)
        if ports.are_free():
            return ports
    raise BrokerError(f"No free ports between {_FIRST_PORT} and {_LAST_PORT} on {LOOPBACK}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Every address, not only loopback: another's wildcard listener would get in the way as well.
            probe.bind(("", port))
        except OSError:
            return False
    return True


class Layout:
    """A new private folder (mode 700) with everything that one node reads and writes."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.ports = free_ports()
        self.password = secrets.token_hex(16)
        self.folder = Path(tempfile.mkdtemp(prefix="callmq-node-"))
        self.boot_log = self.folder / "boot.log"
        self.pid_file = self.folder / "pid"
        self._write(settings)

    @property
    def amqp_url(self) -> str:
        """The default vhost's URL."""
        return f"amqp://{USER}:{self.password}@{LOOPBACK}:{self.ports.amqp}/"

    @property
    def management_url(self) -> str:
        """The HTTP API's URL, with its user."""
        return f"http://{USER}:{self.password}@{LOOPBACK}:{self.ports.management}"

    def environment(self) -> dict[str, str]:
        """Give all that the node and rabbitmqctl read; nothing is taken over from the caller but PATH and TMPDIR."""
        folder, ports = self.folder, self.ports
        return {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),  # noqa: S108 - the system's default, as tempfile has it
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_INETRC": str(folder / "inetrc"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d" / "*.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CTL_DIST_PORT_MIN": str(ports.ctl),
            "RABBITMQ_CTL_DIST_PORT_MAX": str(ports.ctl + _CTL_PORTS - 1),
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_PID_FILE": str(self.pid_file),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERL_ARGS,
            # The start script then becomes the broker instead of waiting for it: one process, whose id is known.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def last_words(self, lines: int = 14) -> str:
        """Give what the node said of its failure, or the end of its output where it names none."""
        text = self.boot_log.read_text(errors="replace") if self.boot_log.exists() else ""
        said = [line[:200] for line in text.splitlines() if line.strip()]
        bad = next((at for at, line in enumerate(said) if "[error]" in line or "BOOT FAILED" in line), -lines)
        return "\n".join(said[bad:][:lines])

    def _write(self, settings: Mapping[str, str]) -> None:
        for name in ("log", "data", "generated", "conf.d"):
            (self.folder / name).mkdir()
        conf = {
            "listeners.tcp.1": f"{LOOPBACK}:{self.ports.amqp}",
            "management.tcp.ip": LOOPBACK,
            "management.tcp.port": str(self.ports.management),
            "default_user": USER,
            "default_pass": self.password,
            "default_user_tags.administrator": "true",
            "vm_memory_high_watermark.relative": "0.4",
            "log.file.level": "info",
            **settings,
        }
        (self.folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in conf.items()))
        # The node's name must resolve, also on a machine without /etc/hosts.
        (self.folder / "inetrc").write_text('{host, {127,0,0,1}, ["localhost"]}.\n{lookup, [file, native]}.\n')
        (self.folder / "advanced.config").write_text(ADVANCED)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_consistent_hash_exchange].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16).upper())
        cookie.chmod(0o400)
