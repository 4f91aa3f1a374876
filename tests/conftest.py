"""What tests run against: one private RabbitMQ node a session, one vhost a test."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from callmq_demo.broker import GivenBroker, PrivateNode
from callmq_demo.node import find_server
from needs import missing
from stores import PostgresServer, RedisServer, find_postgres, find_redis

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_sessionstart() -> None:
    """End as tidily by SIGTERM, which is what ``timeout`` sends, as by Ctrl-C: no node is left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def node() -> Iterator[PrivateNode | GivenBroker]:
    """Lend the broker of this session: a private node, or the one of CALLMQ_TEST_AMQP_URL and ..._MANAGEMENT_URL."""
    given = os.environ.get("CALLMQ_TEST_AMQP_URL")
    if given:
        yield GivenBroker(given, os.environ["CALLMQ_TEST_MANAGEMENT_URL"])
        return
    if find_server() is None:
        missing("rabbitmq-server")
    with PrivateNode() as private:
        yield private


@pytest.fixture
def private_node(node: PrivateNode | GivenBroker) -> PrivateNode:
    """Lend the session's node to a test that does to it what only its owner may: alarms, crashes, rabbitmqctl."""
    if isinstance(node, GivenBroker):
        pytest.skip("the given broker is not ours to disturb")
    return node


@pytest.fixture
def amqp_url(node: PrivateNode | GivenBroker) -> Iterator[str]:
    """Lend the URL of a fresh vhost."""
    with node.vhost() as url:
        yield url


@pytest.fixture
def tmp_ledger_url(tmp_path: Path) -> str:
    """Name a SQLite ledger that does not exist yet."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Lend the PostgreSQL server of this session."""
    if find_postgres() is None:
        missing("postgresql (make stores installs it)")
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Lend the Redis server of this session."""
    if find_redis() is None:
        missing("redis-server (make stores installs it)")
    server = RedisServer()
    yield server
    server.remove()


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """Lend the name of a fresh PostgreSQL database."""
    with postgres.database() as name:
        yield name


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Lend the URL of an empty Redis."""
    redis_server.ask("FLUSHALL")
    return redis_server.url()
