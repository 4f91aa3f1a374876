"""Three RabbitMQ nodes, each in a network namespace of its own on one bridge; gone afterwards, whatever happened."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from callmq_demo.administration import Administration
from callmq_demo.faults import BrokerError
from callmq_demo.layout import ADVANCED
from callmq_demo.node import find_server
from callmq_demo.processes import end_all_at_home_in, is_held, launch, undisturbed, wait_until

USER = "callmq"
VHOST = "chaos"
COUNT = 3
TICK_SECONDS = 10
PATIENCE = 150.0
_ERL_ARGS = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"


def lacking() -> str | None:
    """Say what this machine lacks for namespaces and nodes, None where nothing."""
    if find_server() is None:
        return "rabbitmq-server is not installed"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces need root and iproute2"
    name = f"cmq{secrets.token_hex(3)}"
    if subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode:
        return "this kernel or container allows no network namespaces"
    subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
    return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Member:
    """One node: its namespace, its folder, its process."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.number = number
        self.name = f"rabbit@n{number}"
        self.space = f"{cluster.name}-{number}"
        self.link = f"{cluster.name}v{number}"
        self.address = f"{cluster.net}.{number}"
        self.folder = cluster.folder / str(number)
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def administration(self) -> Administration:
        """Its HTTP API."""
        password = self._cluster.password
        return Administration(
            f"amqp://{USER}:{password}@{self.address}:5672", f"http://{USER}:{password}@{self.address}:15672"
        )

    @property
    def pid(self) -> int:
        """The Erlang process's id."""
        return int((self.folder / "pid").read_text())

    @property
    def up(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def plug(self) -> None:
        """Make its namespace and its link to the bridge."""
        _ip("netns", "add", self.space)
        _ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        _ip("link", "set", self.link, "master", self._cluster.name, "up")
        _ip("-n", self.space, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", self.space, "link", "set", device, "up")
        hosts = Path("/etc/netns") / self.space / "hosts"
        hosts.parent.mkdir(parents=True)
        lines = [f"{self._cluster.net}.{n} n{n}" for n in range(1, COUNT + 1)]
        hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")
        self._write()

    def unplug(self) -> None:
        """Remove what `plug` made."""
        for words in (("link", "delete", self.link), ("netns", "delete", self.space)):
            subprocess.run(["ip", *words], check=False, capture_output=True)
        shutil.rmtree(Path("/etc/netns") / self.space, ignore_errors=True)

    def boot(self) -> None:
        """Start it; returns at once."""
        (self.folder / "pid").unlink(missing_ok=True)
        command = ("ip", "netns", "exec", self.space, str(find_server()))
        self._process = launch(command, self.folder, self._environment(), self.folder / "boot.log")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        end_all_at_home_in(self.folder)

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None:
            os.kill(self.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
        self.kill()

    def freeze(self) -> None:
        """Hold its process still."""
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: is_held(self.pid), 2)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def cut(self) -> None:
        """Take its link down."""
        _ip("link", "set", self.link, "down")

    def mend(self) -> None:
        """Take its link up again."""
        _ip("link", "set", self.link, "up")

    def sees(self) -> int:
        """Return how many running nodes it sees, 0 where it does not answer or sees a partition."""
        if not self.up or not _answers(self.address):
            return 0
        try:
            nodes: list[dict[str, Any]] = self.administration.call("GET", "/api/nodes")
        except (OSError, BrokerError, ValueError):
            return 0
        return 0 if any(n.get("partitions") for n in nodes) else sum(bool(n.get("running")) for n in nodes)

    def last_words(self) -> str:
        """Return the end of what it wrote."""
        return "\n".join((self.folder / "boot.log").read_text(errors="replace").splitlines()[-12:])

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(folder / "conf.d" / "*.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERL_ARGS,
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def _write(self) -> None:
        for name in ("log", "data", "generated", "conf.d"):
            (self.folder / name).mkdir(parents=True)
        conf = {
            "listeners.tcp.1": f"{self.address}:5672",
            "management.tcp.ip": self.address,
            "management.tcp.port": "15672",
            "loopback_users": "none",
            # Made at the first boot: a vhost that comes later is awaited on all nodes, which took over 30 s once.
            "default_vhost": VHOST,
            "default_user": USER,
            "default_pass": self._cluster.password,
            "default_user_tags.administrator": "true",
            "cluster_partition_handling": "pause_minority",
            "net_ticktime": str(TICK_SECONDS),
            "cluster_formation.peer_discovery_backend": "classic_config",
            **{f"cluster_formation.classic_config.nodes.{n}": f"rabbit@n{n}" for n in range(1, COUNT + 1)},
        }
        (self.folder / "rabbitmq.conf").write_text("".join(f"{key} = {value}\n" for key, value in conf.items()))
        (self.folder / "advanced.config").write_text(ADVANCED)
        (self.folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_consistent_hash_exchange].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(self._cluster.cookie)
        cookie.chmod(0o400)


class Cluster:
    """All of them; a context manager."""

    def __init__(self) -> None:
        self.name = f"cmq{secrets.token_hex(3)}"
        self.net = f"10.{random.randint(200, 250)}.{random.randint(0, 255)}"
        self.password = secrets.token_hex(16)
        self.cookie = secrets.token_hex(16).upper()
        self.folder = Path()
        self.members: list[Member] = []

    def __enter__(self) -> Self:
        with undisturbed():
            self.folder = Path(tempfile.mkdtemp(prefix="callmq-cluster-"))
            self.members = [Member(self, number) for number in range(1, COUNT + 1)]
        try:
            _ip("link", "add", self.name, "type", "bridge")
            _ip("addr", "add", f"{self.net}.254/24", "dev", self.name)
            _ip("link", "set", self.name, "up")
            for member in self.members:
                member.plug()
                member.boot()
            self.await_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with undisturbed():
            for member in self.members:
                with suppress(OSError, ValueError):
                    member.thaw()
                member.kill()
                member.unplug()
            subprocess.run(["ip", "link", "delete", self.name], check=False, capture_output=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def administration(self) -> Administration:
        """The HTTP API of the first node that answers."""
        return next(m for m in self.members if m.up and _answers(m.address)).administration

    @property
    def url(self) -> str:
        """The AMQP URL of its vhost, with all hosts."""
        hosts = ",".join(f"{member.address}:5672" for member in self.members)
        return f"amqp://{USER}:{self.password}@{hosts}/{VHOST}"

    def leader(self, vhost: str, queue: str) -> Member:
        """Return the member that leads a queue."""
        name = self.administration.call("GET", f"/api/queues/{vhost}/{queue}")["leader"]
        return next(member for member in self.members if member.name == name)

    def part(self, member: Member) -> None:
        """Lose what it and the others send each other; clients still reach all of them."""
        self._routes("add", member)

    def rejoin(self, member: Member) -> None:
        """Undo `part`."""
        self._routes("delete", member)

    def _routes(self, verb: str, member: Member) -> None:
        for other in self.members:
            if other is not member:
                for at, to in ((member, other), (other, member)):
                    _ip("-n", at.space, "route", verb, "blackhole", f"{to.address}/32")

    def whole(self) -> bool:
        """Say whether every node sees all of them."""
        return all(member.sees() == COUNT for member in self.members)

    def await_whole(self, struck: Member | None = None) -> bool:
        """Return once all are one cluster again; True: the struck node stayed alone and had to be started again."""
        if wait_until(self.whole, PATIENCE / 5 if struck else PATIENCE, pause=0.5):
            return False
        if struck is not None:
            struck.kill()
            struck.boot()
            if wait_until(self.whole, PATIENCE, pause=0.5):
                return True
        raise BrokerError("The cluster is not whole:\n" + "\n".join(m.last_words() for m in self.members))


def _answers(address: str) -> bool:
    with suppress(OSError), socket.create_connection((address, 15672), timeout=2):
        return True
    return False
