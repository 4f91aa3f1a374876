"""From settings to what an operator's verb works with; the wiring of the desk, as `wiring` is the worker's."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from aio_pika.abc import AbstractConnection

from callmq_contracts.names import Names
from callmq_worker.adapters import topology
from callmq_worker.adapters.amqp import Connection, Hosts, bounded, connect
from callmq_worker.adapters.browse import QueueShelf
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.depths import QueueDepths
from callmq_worker.adapters.management import Management
from callmq_worker.adapters.publishing import RabbitPublisher
from callmq_worker.core.layout import CONSISTENT_HASH, Layout, Shards, dial_lanes, layout
from callmq_worker.ledgers import open_ledger
from callmq_worker.operations.desk import Desk
from callmq_worker.ports import BrokerAwayError, Ledger, LedgerAwayError
from callmq_worker.reading import Reading
from callmq_worker.settings import SQLITE, Settings, SettingsError

MANAGEMENT: Final = "CALLMQ_MANAGEMENT_URL"


def wanted_layout(settings: Settings, dial_queues: int = 0) -> Layout:
    """Return the layout that these settings mean, with so many queues an account for dials that wait."""
    names = Names(settings.prefix)
    shards = Shards(settings.control_shards, settings.control_shards)
    wanted = layout(names, settings.tiers, settings.account_names, shards)
    waiting = [q for a in settings.account_names for q in dial_lanes(names, a, dial_queues).queues]
    return replace(wanted, queues=(*wanted.queues, *waiting))


async def as_offered(settings: Settings) -> Settings:
    """Return the settings as this broker allows them: without its plugin each control lane is one queue.

    Raises `BrokerAwayError`.
    """
    if settings.control_shards == 1:
        return settings
    async with connected(settings, "look") as connection:
        offered = await topology.offers(connection, CONSISTENT_HASH)
    return settings if offered else replace(settings, control_shards=1)


@asynccontextmanager
async def connected(settings: Settings, purpose: str) -> AsyncIterator[Connection]:
    """Lend a connection to the broker. Raises `BrokerAwayError`."""
    connection = await connect(Hosts(settings.amqp_urls), f"callmq {version('callmq')} {purpose}")
    try:
        yield connection
    finally:
        with suppress(BrokerAwayError):  # what was to be confirmed has been
            await bounded(connection.close(), 3.0)


@asynccontextmanager
async def opened_ledger(settings: Settings) -> AsyncIterator[Ledger]:
    """Lend the workers' ledger. Raises `LedgerAwayError`, also where there is none yet: none is made here."""
    _refuse_new(settings.ledger_url)
    ledger = await open_ledger(settings.ledger_url, SystemClock(), wait=False, make=False)
    try:
        yield ledger
    finally:
        await ledger.close()


def _refuse_new(url: str) -> None:
    if url.startswith(SQLITE) and not Path(url.removeprefix(SQLITE)).exists():
        raise LedgerAwayError(
            "The file that CALLMQ_LEDGER_URL (or CALLMQ_STATE_DIR) means does not exist: run this on the workers' "
            "host, with their settings."
        )


@asynccontextmanager
async def opened_shelf(settings: Settings) -> AsyncIterator[QueueShelf]:
    """Lend the queues to look into. Raises `BrokerAwayError`."""
    async with connected(settings, "browse") as connection:
        yield QueueShelf(connection)


@asynccontextmanager
async def opened_depths(settings: Settings) -> AsyncIterator[QueueDepths]:
    """Lend the queues to measure. Raises `BrokerAwayError`."""
    async with connected(settings, "lanes") as connection:
        yield QueueDepths(connection)


@asynccontextmanager
async def opened_desk(settings: Settings) -> AsyncIterator[Desk]:
    """Lend everything. Raises `LedgerAwayError` and `BrokerAwayError`."""
    async with (
        opened_ledger(settings) as ledger,
        opened_shelf(settings) as shelf,
        connected(settings, "publish") as connection,
    ):
        publisher = RabbitPublisher()
        publisher.use(connection)
        user = unquote(urlsplit(settings.amqp_urls[0]).username or "guest")
        yield Desk(ledger, shelf, publisher, Names(settings.prefix), SystemClock(), settings.retention, user)


class BrokerGround:
    """The broker's exchanges, queues and bindings, on one connection."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    async def declare(self, wanted: Layout) -> tuple[str, ...]:
        """Declare what is missing; return a sentence for each thing that is wrong."""
        return await topology.declare(self._connection, wanted)

    async def verify(self, wanted: Layout) -> tuple[str, ...]:
        """Change nothing; return a sentence for each exchange or queue that is missing."""
        return await topology.verify(self._connection, wanted)


@asynccontextmanager
async def opened_ground(settings: Settings) -> AsyncIterator[BrokerGround]:
    """Lend the broker's topology. Raises `BrokerAwayError`."""
    async with connected(settings, "topology") as connection:
        yield BrokerGround(connection)


def management_url(environment: Mapping[str, str] | None = None) -> str | None:
    """Return CALLMQ_MANAGEMENT_URL (or its file's content), None where it is not set. Raises `SettingsError`."""
    r = Reading(os.environ if environment is None else environment, {})
    url = r.text(MANAGEMENT)
    if url:
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            good = False
        if not good:
            r.fault(MANAGEMENT, "must be http:// or https:// with a host, such as http://user:password@host:15672.")
    if r.errors:
        raise SettingsError(r.errors)
    return url


@asynccontextmanager
async def opened_management(settings: Settings, url: str | None) -> AsyncIterator[Management | None]:
    """Lend the management API where its URL was given."""
    if url is None:
        yield None
        return
    management = Management(url, settings.amqp_urls[0])
    try:
        yield management
    finally:
        await management.close()
