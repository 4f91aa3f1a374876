"""Looks at everything that a worker needs and changes nothing: no POST, no declaration, no new file."""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aio_pika.abc import AbstractConnection

from callmq_contracts.names import Names
from callmq_worker.adapters import topology
from callmq_worker.adapters.amqp import Hosts, bounded
from callmq_worker.adapters.browse import look, server_of
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.health import parse_address
from callmq_worker.adapters.host import descriptor_limit, place_of
from callmq_worker.adapters.management import Management
from callmq_worker.adapters.otel_settings import exporters, problems
from callmq_worker.adapters.reach import NotReachableError, is_loopback, reach
from callmq_worker.core import diagnosis
from callmq_worker.core.diagnosis import Check, State
from callmq_worker.core.layout import HASH_PLUGIN, Shards, control_lanes, lanes
from callmq_worker.opening import (
    as_offered,
    connected,
    management_url,
    opened_ledger,
    opened_management,
    wanted_layout,
)
from callmq_worker.operations.topology import look as look_through
from callmq_worker.ports import BrokerAwayError, LedgerAbsentError, LedgerAwayError, LedgerUnusableError
from callmq_worker.settings import SQLITE, Settings, SettingsError, load

MANAGEMENT: Final = "management"
_ALL: Final = 1_000_000


async def examine(environment: Mapping[str, str] | None = None) -> AsyncIterator[Check]:
    """Yield every check as it is made."""
    environment = os.environ if environment is None else environment
    settings: Settings | None = None
    try:
        settings = load(environment)
        yield Check("settings", State.OK, f"complete; accounts: {len(settings.accounts)}")
    except SettingsError as error:
        for line in error.errors:
            yield Check("settings", State.WRONG, line, "See docs/operations.md, or 'callmq work --help'.")
        try:
            settings = load(environment, broker_only=True)
        except SettingsError:
            return
    try:
        parse_address(settings.health_addr)
    except ValueError as error:
        yield Check("settings", State.WRONG, f"CALLMQ_HEALTH_ADDR: {error}", "Mend it, or set it to off.")
    yield diagnosis.retention(settings.retention, settings.least_retention)
    yield diagnosis.descriptors(descriptor_limit(), settings.concurrency)
    for each in settings.accounts:
        files = sum(path is not None for path in (each.project_id_file, each.api_token_file))
        for check in diagnosis.account(each.name, files, each.restrictions):
            yield check
    async for check in _ledger(settings):
        yield check
    async for check in _broker(settings, environment):
        yield check
    async for check in _endpoints(settings):
        yield check
    async for check in _telemetry(environment):
        yield check


async def _ledger(settings: Settings) -> AsyncIterator[Check]:
    if settings.ledger_url.startswith(SQLITE):
        try:
            place = place_of(Path(settings.ledger_url.removeprefix(SQLITE)))
        except OSError as error:
            todo = "Run this as the workers' user, and look at CALLMQ_LEDGER_URL."
            yield Check("ledger", State.WRONG, f"its place can't be looked at ({type(error).__name__})", todo)
            return
        for check in diagnosis.ledger_place(place):
            yield check
        if not place.exists:
            yield Check("ledger", State.OK, "there is none yet: the first worker makes it")
            return
        if not place.writable:
            return
    try:
        async with opened_ledger(settings) as ledger:
            unknown = len(await ledger.unknowns(_ALL))
            owed = len(await ledger.owed(_ALL))
            losable = await ledger.losable()
    except LedgerAbsentError as error:
        yield Check("ledger", State.OK, str(error))
    except LedgerUnusableError as error:
        yield Check("ledger", State.WRONG, str(error), "Set CALLMQ_LEDGER_URL to another place.")
    except LedgerAwayError as error:
        yield Check("ledger", State.AWAY, str(error), "No worker sends anything until it answers.")
    else:
        todo = "Look at them: callmq unknown list." if unknown else "A running worker publishes them." if owed else ""
        state = State.WARNING if unknown or owed else State.OK
        mode = "some of it can be lost" if losable else "every commit synced"
        yield Check("ledger", state, f"answers ({ledger.system}, {mode}); {unknown} unknown, {owed} replies owed", todo)
        for sentence in losable:
            yield Check("ledger", State.WARNING, sentence, "See docs/ledgers.md.")


async def _broker(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Check]:
    where = Hosts(settings.amqp_urls).masked()
    try:
        url = management_url(environment)
    except SettingsError as error:
        yield Check(MANAGEMENT, State.WRONG, error.errors[0], "Mend it, or leave it out.")
        url = None
    try:
        async with connected(settings, "doctor") as connection, opened_management(settings, url) as management:
            yield Check("broker", State.OK, f"{where} takes this user")
            if any(u.startswith("amqp://") and not is_loopback(u) for u in settings.amqp_urls):
                todo = "Use amqps:// unless the network between is yours alone."
                yield Check("broker", State.WARNING, "password and phone numbers travel unencrypted", todo)
            yield diagnosis.version(*server_of(connection))
            here = await as_offered(settings)
            if here.control_shards != settings.control_shards:
                todo = f"Run 'rabbitmq-plugins enable {HASH_PLUGIN}' on each node, or take the setting away."
                yield Check("shards", State.WARNING, "CALLMQ_CONTROL_SHARDS has no effect: its plugin is off", todo)
            async for check in _queues(here, connection):
                yield check
            async for check in _managed(here, management):
                yield check
    except BrokerAwayError as error:
        yield Check("broker", State.AWAY, str(error), "Look at CALLMQ_AMQP_URL, the user's rights and the broker.")


async def _queues(settings: Settings, connection: AbstractConnection) -> AsyncIterator[Check]:
    names = Names(settings.prefix)
    faults = await topology.verify(connection, wanted_layout(settings))
    for fault in faults:
        yield Check("topology", State.WRONG, fault, "Run 'callmq topology declare', or start a worker that may.")
    if faults:
        return
    yield Check("topology", State.OK, "every exchange and queue is there")
    channel = await bounded(connection.channel(publisher_confirms=False))
    shards = Shards(settings.control_shards, settings.control_shards)
    control = (lane for account in settings.account_names for lane in control_lanes(names, account, shards))
    for lane in (*control, *lanes(names)):
        _, waiting, consumers = await look(channel, lane.queue)
        yield diagnosis.lane(lane.name, waiting, consumers)
    for name, verb in ((names.dead, "dead"), (names.unknown, "unknown")):
        _, waiting, _ = await look(channel, name)
        yield diagnosis.depth(name, waiting, verb)


async def _managed(settings: Settings, management: Management | None) -> AsyncIterator[Check]:
    names = Names(settings.prefix)
    if management is None:
        yield diagnosis.consumer_timeout(settings.http_deadline, None, names)
        yield diagnosis.clock(0.0, None)
        return
    try:
        wrong = await look_through(management, wanted_layout(settings))
        for (kind, name), why in wrong.items():
            yield Check("topology", State.WRONG, f"{kind} '{name}' {why}", "Run 'callmq topology verify'.")
        if not wrong:
            yield Check("topology", State.OK, "arguments, policies and bindings are as they must be")
        queues = await management.listed("queues")
        yield diagnosis.clock(SystemClock().now(), management.date)
        yield diagnosis.consumer_timeout(settings.http_deadline, queues, names)
        yield diagnosis.alarms(await management.nodes())
    except BrokerAwayError as error:
        yield Check(MANAGEMENT, State.AWAY, str(error), "Mend it, or leave CALLMQ_MANAGEMENT_URL out.")


async def _endpoints(settings: Settings) -> AsyncIterator[Check]:
    for url in dict.fromkeys(account.url for account in settings.accounts):
        if not urlsplit(url).hostname:
            continue  # the settings' own check has said so
        try:
            yield Check("endpoint", State.OK, f"{await reach(url)}; nothing was sent")
        except NotReachableError as error:
            yield Check("endpoint", State.AWAY, str(error), "Until then commands are retried and nothing is lost.")


async def _telemetry(environment: Mapping[str, str]) -> AsyncIterator[Check]:
    names = exporters(environment)
    for problem in problems(environment, names):
        yield Check("telemetry", State.WRONG, problem, "A worker does not start with it.")
    if "otlp" not in names:
        yield Check("telemetry", State.OK, "off: no OTEL_EXPORTER_OTLP_ENDPOINT")
        return
    url = _otlp_url(environment)
    try:
        yield Check("telemetry", State.OK, await reach(url))
    except NotReachableError as error:
        yield Check("telemetry", State.WARNING, str(error), "Traces are dropped until then; commands go on.")


def _otlp_url(environment: Mapping[str, str]) -> str:
    for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        url = environment.get(name, "").strip()
        if url:
            return url if "://" in url else f"grpc://{url}"
    return "http://localhost:4318"
