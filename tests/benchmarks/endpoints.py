"""What the contenders POST to: a private nginx, a small server that takes its time, and a sink for traces."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from callmq_demo.install import main as install
from callmq_demo.keeper import own_environment
from callmq_demo.processes import end, launch, wait_until

LOOPBACK = "127.0.0.1"
PLACE = "/api/calling/calls"
ANSWER = '{"id":"0e9c80d7-a149-4917-892d-420043709f45","status":"queued","type":"phone","direction":"outbound-api"}'
HERE = Path(__file__).parent
QUOTED = re.compile(r'^(?:\\x22|")?(.*?)(?:\\x22|")?$')
PATIENCE, LAST_WORDS = 10.0, 2.0
NGINX = """\
daemon off; master_process off; worker_rlimit_nofile 4096;
pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 2048; }}
http {{
  log_format keys '$http_idempotency_key';
  access_log {log} keys buffer=64k flush=200ms;
  keepalive_requests 1000000000; keepalive_timeout 75s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen {host}:{port} backlog=1024;
    location = {place} {{ default_type application/json; return 200 '{answer}'; }}
  }}
}}
"""


class UnavailableError(Exception):
    """Something that the benchmark needs can't be had; a sentence for a person."""


@dataclass
class Endpoint:
    """Where to POST, and the log with one line a request."""

    url: str
    log: Path
    read: int = 0

    def lines(self) -> list[str]:
        """Return what was written since the last look: the idempotency key of each request."""
        with self.log.open("rb") as file:
            file.seek(self.read)
            lines = file.read()
        self.read += len(lines)
        return [QUOTED.sub(r"\1", line) for line in lines.decode().splitlines()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), timeout=5).close()
    except OSError:
        return False
    return True


def find_nginx() -> str:
    """Find nginx, installed by apt-get where it is missing and the rights allow. Raises `UnavailableError`."""
    place = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    if shutil.which("nginx", path=place) is None and install(["nginx"]):
        raise UnavailableError("nginx is missing and could not be installed: apt-get install nginx.")
    found = shutil.which("nginx", path=place)
    if found is None:
        raise UnavailableError("nginx was installed, but is not on the path.")
    return found


@contextmanager
def running(command: list[str], folder: Path, port: int, name: str) -> Iterator[None]:
    """Keep a server running that listens on this port. Raises `UnavailableError`."""
    environment = own_environment(folder, {"PYTHONPATH": str(HERE.parent)})
    child = launch(command, folder, environment, folder / f"{name}.out")
    try:
        wait_until(lambda: child.poll() is not None or listens(port), PATIENCE)
        if child.poll() is not None:
            raise UnavailableError(f"{name} ended: {(folder / f'{name}.out').read_text()[-300:]}")
        yield
    finally:
        end(child, LAST_WORDS)


@contextmanager
def nginx(folder: Path) -> Iterator[Endpoint]:
    """Lend an endpoint that answers at once."""
    port, log, conf = free_port(), folder / "receipts-0.log", folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, log=log, host=LOOPBACK, port=port, place=PLACE, answer=ANSWER))
    log.touch()
    with running([find_nginx(), "-p", str(folder), "-c", str(conf)], folder, port, "nginx"):
        yield Endpoint(f"http://{LOOPBACK}:{port}{PLACE}", log)


@contextmanager
def answering(folder: Path, name: str, *options: str) -> Iterator[Endpoint]:
    """Lend a server of `benchmarks.answering` with these options."""
    port, log = free_port(), folder / f"{name}.log"
    log.touch()
    command = [sys.executable, "-m", "benchmarks.answering", "--port", str(port), "--log", str(log), *options]
    with running(command, folder, port, name):
        yield Endpoint(f"http://{LOOPBACK}:{port}{PLACE}", log)


@contextmanager
def endpoints(folder: Path, delays: tuple[int, ...]) -> Iterator[dict[int, Endpoint]]:
    """Lend an endpoint for each delay in milliseconds."""
    with ExitStack() as stack:
        lent = {}
        for delay in dict.fromkeys(delays):
            slow = ("--delay", str(delay / 1000), "--body", ANSWER)
            server = answering(folder, f"receipts-{delay}", *slow) if delay else nginx(folder)
            lent[delay] = stack.enter_context(server)
        yield lent


def nginx_version() -> str:
    said = subprocess.run([find_nginx(), "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition("/")[2]
