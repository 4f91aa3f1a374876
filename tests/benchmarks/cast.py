"""Who takes part: each contender's command, environment and way of publishing."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import envelopes
from benchmarks.envelopes import QUEUE, Envelope

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "contenders"
WORKER_PYTHON = Path(os.environ.get("CALLMQ_BENCH_WORKER_PYTHON") or sys.executable)
HERE_PATH = {"PYTHONPATH": str(HERE)}
# What the documentation advises where nobody looks at events: no gossip, no mingle, no heartbeat between workers.
CELERY = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING", "-O", "fair")
TASKIQ = ("--workers", "1", "--max-async-tasks", "100", "--log-level", "WARNING", "--ack-type", "when_executed")
DRAMATIQ = ("dramatiq_job", "--processes", "1", "--threads", "100", "--path", str(HERE))
# As dramatiq declares its queues itself, so that both declarations agree.
DRAMATIQ_QUEUE = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{QUEUE}.XQ"}
TRACES = {"OTEL_SDK_DISABLED": "false"}
CALLMQ_QUEUES = ("callmq.control", "callmq.dial")


@dataclass(frozen=True)
class Contender:
    """``command`` starts after the Python of its virtual environment; ``processes`` is for callmq only."""

    name: str
    title: str
    command: tuple[str, ...]
    envelope: Envelope = envelopes.bare
    venv: str = "bench"
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, object] = field(default_factory=dict)
    is_callmq: bool = False
    processes: int = 1

    @property
    def python(self) -> Path:
        """The Python that runs it."""
        return WORKER_PYTHON if self.is_callmq else venv_python(self.venv)

    @property
    def queues(self) -> tuple[str, ...]:
        """Where its commands wait."""
        return CALLMQ_QUEUES if self.is_callmq else (QUEUE,)


def venv_python(name: str) -> Path:
    """Name the Python of one of the benchmark's own virtual environments, which is called as its requirements are."""
    return ROOT / ".cache" / f"{name}-venv" / "bin" / "python"


def _callmq(name: str, title: str, envelope: Envelope, *, traced: bool = True, processes: int = 1) -> Contender:
    return Contender(
        name,
        title,
        ("-m", "callmq", "work"),
        envelope,
        venv="callmq",
        environment=TRACES if traced else {},
        is_callmq=True,
        processes=processes,
    )


def _script(name: str, title: str, file: str, venv: str = "bench") -> Contender:
    return Contender(name, title, (str(HERE / file),), venv=venv)


def _celery(name: str, title: str, *options: str) -> Contender:
    command = ("-m", "celery", "--app", "celery_job", "worker", *CELERY, *options)
    return Contender(name, title, command, envelopes.celery, environment=HERE_PATH)


TIGHT = _script("tight", "a tight loop: aiormq + pyreqwest, uvloop, batched acknowledgements", "tight.py")
CALLMQ = _callmq("callmq", "callmq: ledger (SQLite FULL), tracing (1 in 10, OTLP)", envelopes.callmq_play)

CAST = (
    TIGHT,
    CALLMQ,
    _script("first-day", "aio-pika + httpx, the first day's script", "first_day.py"),
    _script("faststream-httpx", "FastStream + httpx", "faststream_httpx.py", "bench-faststream"),
    _script("faststream-aiohttp", "FastStream + aiohttp", "faststream_aiohttp.py", "bench-faststream"),
    Contender(
        "taskiq-aiohttp",
        "taskiq-aio-pika + aiohttp",
        ("-m", "taskiq", "worker", "taskiq_aiohttp:broker", "--app-dir", str(HERE), *TASKIQ),
        envelopes.taskiq,
        environment=HERE_PATH,
    ),
    _celery(
        "celery-prefork", "Celery prefork, 4 processes + requests", "--concurrency", "4", "--prefetch-multiplier", "25"
    ),
    _celery(
        "celery-gevent",
        "Celery gevent, 100 greenlets + requests",
        "--pool",
        "gevent",
        "--concurrency",
        "100",
        "--prefetch-multiplier",
        "1",
    ),
    Contender(
        "dramatiq",
        "dramatiq, 100 threads + requests",
        ("-m", "dramatiq", *DRAMATIQ),
        envelopes.dramatiq,
        environment={**HERE_PATH, "dramatiq_queue_prefetch": "100"},
        arguments=DRAMATIQ_QUEUE,
    ),
)
MORE = (
    _callmq("callmq-untraced", "callmq without tracing", envelopes.callmq_play, traced=False),
    _callmq("callmq-dial", "callmq, dials: each on a fresh connection", envelopes.callmq_dial),
    _callmq("callmq-dial-2", "callmq, dials, two processes", envelopes.callmq_dial, processes=2),
)
EVERYONE = {contender.name: contender for contender in (*CAST, *MORE)}
