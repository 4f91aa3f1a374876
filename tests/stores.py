"""Private PostgreSQL and Redis servers on loopback, started and ended by the tests, gone with their folders."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import redis

from callmq_demo.install import find_program
from callmq_demo.layout import LOOPBACK
from callmq_demo.processes import is_held, launch, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "canary-password-of-the-store"
_PATIENCE = 60.0


def find_postgres() -> Path | None:
    return find_program("postgres")


def find_redis() -> Path | None:
    return find_program("redis-server") or find_program("valkey-server")


def free_port() -> int:
    """Find a port below 55536: a Redis cluster also takes the one 10,000 above."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            if (port := int(probe.getsockname()[1])) < 55536:
                return port


class Server(ABC):
    """One process in a folder of its own, on a port of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="callmq-store-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool: ...

    def start(self) -> None:
        log = self.folder / "log"
        self.process = launch(self.command(), self.folder, {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}, log)
        ready = wait_until(lambda: self.process.poll() is not None or self.answers(), _PATIENCE, pause=0.02)
        if not ready or self.process.poll() is not None:
            said = log.read_text()[-2000:]
            self.remove()
            raise AssertionError(f"the server did not start:\n{said}")

    def end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(_PATIENCE)
            self.process = None

    def remove(self) -> None:
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def family(self) -> list[int]:
        return [self.process.pid]

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold it still: its sockets stay open and nothing answers."""
        held = self.family()
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            assert all(wait_until(lambda pid=pid: is_held(pid), 10) for pid in held)
            yield
        finally:
            for pid in held:
                os.kill(pid, signal.SIGCONT)


class PostgresServer(Server):
    """A cluster whose superuser is ``callmq``. The server refuses to run as root, so root runs it as ``postgres``."""

    def __init__(self) -> None:
        super().__init__()
        self._bin = find_postgres().parent
        self.data = self.folder / "data"
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=TERM", "--"]
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        made = [*self._as, str(self._bin / "initdb"), "-D", str(self.data), "-U", "callmq", "-A", "scram-sha-256"]
        made += [f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(made, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        self.start()

    def command(self) -> list[str]:
        told = [f"-k{self.folder}", f"-h{LOOPBACK}", f"-p{self.port}", "-cmax_connections=200"]
        return [*self._as, str(self._bin / "postgres"), "-D", str(self.data), *told]

    def answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            self.run("SELECT 1")
            return True
        return False

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://callmq:{password}@{LOOPBACK}:{self.port}/{database}"

    def run(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def family(self) -> list[int]:
        main = self.process.pid
        return [*map(int, Path(f"/proc/{main}/task/{main}/children").read_text().split()), main]

    def reload(self) -> None:
        """Have it read its settings again, and return when new sessions see them."""
        loaded = self.run("SELECT pg_conf_load_time()")
        self.run("SELECT pg_reload_conf()")
        assert wait_until(lambda: self.run("SELECT pg_conf_load_time()") != loaded, _PATIENCE, pause=0.02)

    def crash(self) -> None:
        """End it as a power cut would its processes: nothing is flushed, connections are cut."""
        self.end(signal.SIGQUIT)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Lend the name of a fresh database."""
        name = f"t{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name}")
        yield name
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def remove(self) -> None:
        self.end(signal.SIGQUIT)
        super().remove()


class RedisServer(Server):
    """A server that keeps what it acknowledges: an append-only file, synced at each write."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        given = {"appendonly": "yes", "appendfsync": "always", "requirepass": PASSWORD, "dir": str(self.folder)}
        self.settings = {**given, "save": "", "bind": LOOPBACK, "port": str(self.port), "protected-mode": "yes"}
        self.settings |= {name.replace("_", "-"): value for name, value in settings.items()}
        self.start()

    def command(self) -> list[str]:
        file = self.folder / "redis.conf"
        file.write_text("".join(f'{name} "{value}"\n' for name, value in self.settings.items()))
        return [str(find_redis()), str(file)]

    def url(self, password: str = PASSWORD) -> str:
        return f"redis://:{password}@{LOOPBACK}:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url(), socket_timeout=10)

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def ask(self, *words: str | int) -> object:
        with self.client() as client:
            return client.execute_command(*words)

    def crash(self) -> None:
        self.end(signal.SIGKILL)
