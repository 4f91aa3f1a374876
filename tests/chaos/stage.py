"""Where a campaign takes place: a private node, a vhost, a sandbox, a ledger file, proxies, workers, an observer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from callmq_contracts.address import parse_addresses
from callmq_demo.administration import vhost_of
from callmq_worker.adapters.web import Answer, Request, Response
from callmq_worker.core.layout import SINGLE, Shards
from callmq_worker.sandbox.endpoint import PATH
from callmq_worker.sandbox.journal import Entry
from callmq_worker.sandbox.server import Sandbox
from callmq_worker.sandbox.settings import SandboxSettings
from chaos.crew import Crew, Worker
from chaos.observer import Observer
from chaos.producer import Producer
from chaos.proxy import Proxy
from journal import essence
from world import TOKEN, environment

TIERS = "1s,2s,4s"
DEADLINE, LEASE = 3.0, 4.5
CONCURRENCY = 32
HEALTHY = {"CALLMQ_HTTP_DEADLINE": "30", "CALLMQ_LEASE": "45"}
DISTURBED = {"CALLMQ_HTTP_DEADLINE": str(DEADLINE), "CALLMQ_LEASE": str(LEASE)}


class Doors(Sandbox):
    """An endpoint with a door for each worker.

    ``through``: whose door a request of the journal came through. ``carried``: the essence of what came, and of what
    was to be answered, and its status, of each request that was looked at.
    """

    def __init__(self, settings: SandboxSettings) -> None:
        super().__init__(settings)
        self.through: dict[int, int] = {}
        self.counts: Counter[int] = Counter()
        self.carried: dict[int, tuple[str | None, str | None, int]] = {}

    def door(self, worker: Worker) -> str:
        return f"{self.origin}/{worker.number}{PATH}"

    async def _answer(self, request: Request) -> Answer:
        number, _, path = request.path[1:].partition("/")
        if number.isdigit():
            self.through[self.journal.received + 1] = int(number)
            self.counts[int(number)] += 1
            request = replace(request, path=f"/{path}")
        return await super()._answer(request)

    def _carry_out(self, request: Request, entry: Entry) -> Response:
        response = super()._carry_out(request, entry)
        self.carried[entry.number] = (essence(request.body), essence(response.body or None), response.status)
        return response


Node = Any  # a private node, or a cluster of them


@dataclass
class Stage:
    node: Node
    url: str
    folder: Path
    sandbox: Doors
    crew: Crew
    observer: Observer
    producer: Producer
    shards: Shards = SINGLE
    failover: list[tuple[str, float]] = field(default_factory=list)

    @property
    def administration(self) -> Any:
        return self.node.administration

    @property
    def vhost(self) -> str:
        return quote(vhost_of(self.url), safe="")

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def workers(self) -> list[Worker]:
        return self.crew.workers

    @property
    def mortal(self) -> list[Worker]:
        """All but one, whose memory is watched over a long life."""
        return self.workers[1:] or self.workers

    async def api(self, method: str, path: str, body: object = None) -> Any:
        return await asyncio.to_thread(self.administration.call, method, path, body)

    async def evaluate(self, text: str) -> str:
        return await asyncio.to_thread(self.node.ctl, "eval", text)

    async def seen(self, count: int, seconds: float = 20.0) -> bool:
        """Wait until the endpoint received so many more requests, or time is up; say whether it did."""
        wanted, until = self.sandbox.journal.received + count, time.monotonic() + seconds
        while self.sandbox.journal.received < wanted and time.monotonic() < until:
            await asyncio.sleep(0.02)
        return self.sandbox.journal.received >= wanted


@contextlib.asynccontextmanager
async def stage(node: Node, url: str, folder: Path, workers: int, shards: int = 1) -> AsyncIterator[Stage]:
    """Set it; take it down at the end. Where the URL has several hosts, workers connect to them without a proxy."""
    settings = SandboxSettings(
        project_id="project", api_token=TOKEN, cps=0.0, ring_seconds=0.0, answer_seconds=0.0, talk_seconds=86_400.0,
        operation_seconds=86_400.0, rate_limit=0, seed=1, journal_size=5_000_000,
    )  # fmt: skip
    addresses = parse_addresses(url)
    async with contextlib.AsyncExitStack() as held:
        sandbox = await held.enter_async_context(Doors(settings))
        places = []
        for number in range(1, workers + 1):
            proxy = await held.enter_async_context(Proxy(addresses[0].port))
            places.append(Worker(number, proxy, folder / f"worker-{number}.log", _free_port()))
        observer = Observer(url)
        producer = Producer(url, observer, sandbox)
        here = Stage(node, url, folder, sandbox, None, observer, producer, Shards(shards, shards))  # type: ignore[arg-type]
        here.crew = Crew(places, lambda worker: _told(here, worker))
        await observer.prepare(here.administration, here.vhost)
        held.callback(here.crew.kill)
        tasks = [asyncio.create_task(work) for work in (observer.listen(), here.crew.weigh(sandbox.counts.__getitem__))]
        try:
            yield here
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _told(here: Stage, worker: Worker) -> dict[str, str]:
    url, parts = here.url, urlsplit(here.url)
    if len(parse_addresses(url)) == 1:
        url = urlunsplit(parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{worker.proxy.port}"))
    more = {
        "CALLMQ_RETRY_TIERS": TIERS,
        "CALLMQ_CONCURRENCY": str(CONCURRENCY),
        "CALLMQ_HEALTH_ADDR": f"127.0.0.1:{worker.probe}",
        "CALLMQ_LOG_LEVEL": "info",
        "CALLMQ_GRACE": "8",
        "CALLMQ_CONTROL_SHARDS": str(here.shards.used),
    }
    return environment(url, here.ledger, here.sandbox.door(worker), **more)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
