"""The ledgers that must keep the port's laws. A new one joins by a class here; the suite stays as it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import uvloop

from callmq_worker.adapters.memory import MemoryLedger, MemoryStore
from callmq_worker.adapters.postgres import PostgresLedger
from callmq_worker.adapters.redis import RedisLedger
from callmq_worker.adapters.sqlite import SqliteLedger
from intents import Time
from needs import missing
from stores import PostgresServer, RedisServer, find_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from callmq_worker.ports import Ledger


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the dispatcher's tests on both loops: its transport is a protocol of the loop, and workers run on uvloop."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    return {**loops, "uvloop": uvloop.new_event_loop} if "dispatcher" in item.path.name else loops


class Bench(Protocol):
    """One store, any number of ledgers on it. ``spec`` says how another process opens one; None: it can't."""

    time: Time
    spec: dict[str, Any] | None

    def connect(self) -> Ledger: ...

    async def close(self) -> None: ...


class MemoryBench:
    spec = None

    def __init__(self, _request: pytest.FixtureRequest) -> None:
        self.time = Time()
        self._store = MemoryStore()

    def connect(self) -> Ledger:
        return MemoryLedger(self.time, self._store)

    async def close(self) -> None:
        pass


class SqliteBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.time = Time()
        self._path = request.getfixturevalue("tmp_path") / "ledger.db"
        self.spec = {"module": "callmq_worker.adapters.sqlite", "name": "SqliteLedger", "args": [str(self._path)]}
        self._opened: list[SqliteLedger] = []

    def connect(self) -> Ledger:
        self._opened.append(SqliteLedger(self._path, now=self.time))
        return self._opened[-1]

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()


class PostgresBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.time = Time()
        self._url = request.getfixturevalue("postgres").url(request.getfixturevalue("database"))
        self.spec = {"module": "callmq_worker.adapters.postgres", "name": "PostgresLedger", "args": [self._url]}
        self._opened: list[PostgresLedger] = []

    def connect(self) -> Ledger:
        self._opened.append(PostgresLedger(self._url, time=lambda _stores: self.time()))
        return self._opened[-1]

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()


class RedisBench:
    def __init__(self, request: pytest.FixtureRequest) -> None:
        self.time = Time()
        self._url = request.getfixturevalue("redis_url")
        self.spec = {"module": "callmq_worker.adapters.redis", "name": "RedisLedger", "args": [self._url]}
        self._opened: list[RedisLedger] = []

    def connect(self) -> Ledger:
        self._opened.append(RedisLedger(self._url, time=lambda _stores: self.time()))
        return self._opened[-1]

    async def close(self) -> None:
        for ledger in self._opened:
            await ledger.close()


BENCHES = {"memory": MemoryBench, "sqlite": SqliteBench, "postgres": PostgresBench, "redis": RedisBench}


@pytest.fixture(params=BENCHES)
def built(request: pytest.FixtureRequest) -> Bench:
    """Make the store outside the loop, where fixtures may be asked for."""
    return BENCHES[request.param](request)


@pytest.fixture
async def bench(built: Bench) -> AsyncIterator[Bench]:
    world = built
    yield world
    await world.close()


@pytest.fixture
def ledger(bench: Bench) -> Ledger:
    return bench.connect()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Name a file in a folder; neither is there yet."""
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def connect(path: Path) -> AsyncIterator[Callable[..., SqliteLedger]]:
    """Lend the way to open SQLite ledgers, at ``path`` unless told otherwise."""
    opened: list[SqliteLedger] = []

    def connected(where: Path = path, **options: Any) -> SqliteLedger:
        opened.append(SqliteLedger(where, **options))
        return opened[-1]

    yield connected
    for ledger in opened:
        await ledger.close()


@pytest.fixture
async def opened() -> AsyncIterator[Callable[[Any], Any]]:
    """Lend a hand that closes what it is given at the end."""
    ledgers: list[Ledger] = []

    def keep(ledger: Ledger) -> Ledger:
        ledgers.append(ledger)
        return ledger

    yield keep
    for ledger in ledgers:
        await ledger.close()


@pytest.fixture
def postgres_ledgers(
    opened: Callable[[Any], Any], postgres: PostgresServer, database: str
) -> Callable[..., PostgresLedger]:
    """Lend the way to open PostgreSQL ledgers, on the test's database unless told otherwise."""
    usual = postgres.url(database)
    return lambda url=usual, **options: opened(PostgresLedger(url, **options))


@pytest.fixture
def redis_ledgers(opened: Callable[[Any], Any], redis_url: str) -> Callable[..., RedisLedger]:
    """Lend the way to open Redis ledgers, on the session's server unless told otherwise."""
    return lambda url=redis_url, **options: opened(RedisLedger(url, **options))


@pytest.fixture
def told(redis_server: RedisServer) -> Iterator[Callable[[str, str], None]]:
    """Lend the way to change a setting of the session's server; all are set back."""
    before: dict[str, str] = {}

    def tell(name: str, value: str) -> None:
        before.setdefault(name, redis_server.ask("CONFIG", "GET", name)[name.encode()].decode())
        redis_server.ask("CONFIG", "SET", name, value)

    yield tell
    for name, value in before.items():
        redis_server.ask("CONFIG", "SET", name, value)


@pytest.fixture
def own() -> Iterator[Callable[..., RedisServer]]:
    """Lend servers with other settings."""
    if find_redis() is None:
        missing("redis-server (make stores installs it)")
    servers: list[RedisServer] = []

    def started(**settings: str) -> RedisServer:
        servers.append(RedisServer(**settings))
        return servers[-1]

    yield started
    for server in servers:
        server.remove()
