"""A contender's processes: started, watched, ended. Each leads a session, by which its CPU is accounted."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import accounting
from benchmarks.cast import Contender
from benchmarks.endpoints import LOOPBACK, Endpoint, free_port
from callmq_demo.keeper import own_environment
from callmq_demo.processes import end_all_at_home_in, launch

LAST_WORDS = 10.0


@dataclass
class Troupe:
    """The running processes of one contender."""

    log: Path
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    @property
    def leaders(self) -> list[int]:
        return [child.pid for child in self.children]

    def cpu_seconds(self) -> float:
        return accounting.cpu_seconds(self.leaders)

    def peak_mib(self) -> float:
        return accounting.peak_mib(self.leaders)

    def ended(self) -> bool:
        return any(child.poll() is not None for child in self.children)

    def ready(self) -> bool:
        """Whether every process with a readiness endpoint says that it consumes."""
        return all(_is_ready(url) for url in self.health)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(json.load(answer)["ready"])
    except (OSError, urllib.error.HTTPError):
        return False


def knows_processes(contender: Contender) -> bool:
    """Whether this tree's ``callmq work`` runs several processes by itself."""
    command = [str(contender.python), "-m", "callmq", "work", "--help"]
    return "--processes" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def environment(contender: Contender, folder: Path, url: str, endpoint: Endpoint, traces: Endpoint) -> dict[str, str]:
    """Return a contender's whole environment, without anything of the caller's."""
    if not contender.is_callmq:
        own = {"BENCH_AMQP_URL": url, "BENCH_ENDPOINT_URL": endpoint.url, **contender.environment}
        return own_environment(folder, own)
    own = {
        "CALLMQ_AMQP_URL": url,
        "CALLMQ_ENDPOINT_URL": endpoint.url,
        "CALLMQ_STATE_DIR": str(folder),
        "CALLMQ_DIAL_RATE": "0",
        "CALLMQ_LOG_LEVEL": "warning",
        "SIGNALWIRE_PROJECT_ID": "bench",
        "SIGNALWIRE_API_TOKEN": "bench-token",
    }
    if contender.environment:
        own["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.url.rpartition("/api/")[0]
    return own_environment(folder, {**own, **contender.environment})


@contextmanager
def playing(contender: Contender, folder: Path, settings: Mapping[str, str]) -> Iterator[Troupe]:
    """Run a contender, all its processes; ended at the end, whatever happens."""
    troupe = Troupe(folder / f"{contender.name}.log")
    own = contender.processes > 1 and knows_processes(contender)
    command = [str(contender.python), *contender.command]
    command += ["--processes", str(contender.processes)] if own else []
    try:
        for _ in range(1 if own else contender.processes):
            address = f"{LOOPBACK}:{free_port()}"
            more = {"CALLMQ_HEALTH_ADDR": address} if contender.is_callmq else {}
            troupe.health += [f"http://{address}/readyz"] if contender.is_callmq else []
            troupe.children.append(launch(command, folder, {**settings, **more}, troupe.log))
        yield troupe
    finally:
        for child in troupe.children:
            child.terminate()
        until = time.monotonic() + LAST_WORDS
        with suppress(subprocess.TimeoutExpired):
            for child in troupe.children:
                child.wait(max(0.0, until - time.monotonic()))
        end_all_at_home_in(folder)
        for child in troupe.children:
            child.wait()
