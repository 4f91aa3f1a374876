"""From settings to objects: the only place where adapters are named."""

import asyncio
import base64
import logging
import os
import socket
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Final

from callmq_contracts.names import DIAL, Names
from callmq_worker.adapters.amqp import Hosts
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.http import Account, HttpDispatcher
from callmq_worker.adapters.logs import clean, forget_secret, register_secret
from callmq_worker.adapters.otel_observer import NoObserver, OtelObserver
from callmq_worker.adapters.rabbitmq import RabbitBroker
from callmq_worker.addresses import AccountSettings
from callmq_worker.controls import Controls
from callmq_worker.core.intake import Rules
from callmq_worker.core.layout import RETURNED_LANE, Lane, Shards, control_lane, lanes, layout, shard_lanes
from callmq_worker.course import Course
from callmq_worker.crew import Crew, count_shards
from callmq_worker.dials import Dials
from callmq_worker.engine import Engine
from callmq_worker.flight import Flight, Permits
from callmq_worker.gates import Gates
from callmq_worker.lanes import AccountLanes, Lanes, Shard
from callmq_worker.ledgers import open_ledger, until_answered
from callmq_worker.pacing import Pacing
from callmq_worker.policy import Policy, Tools
from callmq_worker.ports import Ledger, Observer
from callmq_worker.puller import Puller
from callmq_worker.rotation import Rotation
from callmq_worker.runner import Runner
from callmq_worker.seats import Seats
from callmq_worker.settings import Settings
from callmq_worker.settler import Means, Settler
from callmq_worker.telling import Telling

LOG = logging.getLogger("callmq.wiring")
SHORTEST_SECRET: Final = 6
# The same for all workers: a queue puts back out of order what comes back to it in other parts than it was taken in.
ORDERED_PREFETCH: Final = 200


@dataclass(slots=True)
class Worker:
    """A worker that is ready to run, and what it holds."""

    runner: Runner
    ledger: Ledger
    dispatcher: HttpDispatcher
    gates: Gates
    controls: Controls
    rotation: Rotation
    telling: Telling
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def run(self) -> bool:
        """Work until stopped. False: something was still in flight when the grace ended."""
        self.rotation.begin()
        telling = asyncio.create_task(self.telling.keep())
        try:
            return await self.runner.run()
        finally:
            self.rotation.end()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await self.telling.end()
            await self.dispatcher.close()
            await self.ledger.close()


async def build(settings: Settings, *, traced: bool) -> Worker:
    """Put a worker together; waits for the ledger."""
    clock = SystemClock()
    observer: Observer = OtelObserver(mask=clean) if traced else NoObserver()
    ledger = await open_ledger(settings.ledger_url, clock, wait=True)
    losable, secret, shards = await until_answered(partial(_first_answers, ledger, settings), clock)
    for sentence in losable:
        LOG.warning("the ledger may forget", extra={"fields": {"what": sentence}})
    accounts = {a.name: account_of(a) for a in settings.accounts}
    dispatcher = HttpDispatcher(accounts, settings.concurrency, clock, observer)
    names = Names(settings.prefix)
    pacing = Pacing(ledger, clock)
    controls = Controls(ledger, clock)
    gates = Gates(clock, settings.probe_interval, pacing)
    policy = _policy(settings)
    engine = Engine(policy, Tools(ledger, dispatcher, clock, observer, gates, controls, secret))
    broker = RabbitBroker(Hosts(settings.amqp_urls), f"callmq {version('callmq')}", clock)
    course = Course(partial(layout, names, settings.tiers, settings.account_names), settings.grace, settings.retention)
    runner = Runner(course, broker, ledger, gates, controls, clock)
    rotation, telling = rotation_of(settings, dispatcher, gates), Telling(gates, ledger, clock, policy.owner)
    worker = Worker(runner, ledger, dispatcher, gates, controls, rotation, telling)
    means = Means(ledger, broker.publisher, clock, observer, names, settings.tiers, runner.mend, secret)
    settler = Settler(means, lambda command, outcome: worker.outcomes.update([(command, outcome)]))
    dials = Dials(names, settings.rates, settings.account_names, settings.dial_lanes, pacing, engine.tools)
    crew = Crew(ledger, clock, policy.owner, shards)
    furnish(runner, engine, settler, dials, crew)
    return worker


async def _first_answers(ledger: Ledger, settings: Settings) -> tuple[Sequence[str], bytes, Shards]:
    """Return what may be forgotten, the secret, and how many shards there are. Raises `LedgerAwayError`."""
    return await ledger.losable(), await ledger.secret(), await count_shards(ledger, settings.control_shards)


def furnish(runner: Runner, engine: Engine, settler: Settler, dials: Dials, crew: Crew) -> None:
    """Give a runner its lanes: those that all accounts share, and each account's own."""
    concurrency = engine.policy.concurrency
    permits = Permits(concurrency)
    seats = Seats(permits.dials, lambda account: dials.rates.of(account).weight)
    own = []
    for account in dials.accounts:
        flight = Flight(engine, settler, dials, permits, runner.changes.tell)
        puller = Puller(account, engine, dials, flight, seats, runner.changes)
        shards = tuple(
            Shard(lane, Flight(engine, settler, dials, permits, runner.changes.tell), ORDERED_PREFETCH, crew)
            for lane in shard_lanes(dials.names, account, crew.wanted)
        )
        lane = control_lane(dials.names, account)
        own.append(AccountLanes(lane, shards, ORDERED_PREFETCH, puller, engine.tools.gates, runner.mend))

    def prefetch(lane: Lane) -> int:
        if lane.name == RETURNED_LANE:
            return 1  # what killed a worker is worked on alone
        return permits.dials if lane.name == DIAL else concurrency

    shared = Flight(engine, settler, dials, permits, runner.changes.tell)
    runner.begin(Lanes(lanes(dials.names), shared, prefetch), tuple(own), settler, dials.queues, crew)


def _policy(settings: Settings) -> Policy:
    return Policy(
        owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}",
        rules=Rules(
            frozenset(account.name for account in settings.accounts),
            settings.leniencies,
            settings.extra_commands,
            settings.longest_life,
            {a.name: a.restrictions for a in settings.accounts if a.restrictions is not None},
        ),
        tiers=settings.tiers,
        lease=settings.lease,
        http_deadline=settings.http_deadline,
        max_attempts=settings.max_attempts,
        probe_interval=settings.probe_interval,
        rates=settings.rates,
        concurrency=settings.concurrency,
    )


def rotation_of(settings: Settings, dispatcher: HttpDispatcher, gates: Gates) -> Rotation:
    """Return what renews credentials, in requests and in what logs may not tell; a paused account tries them."""

    def renew(account: AccountSettings) -> None:
        hide(account)
        dispatcher.renew(account_of(account))
        gates.hasten(account.name)

    def forget(account: AccountSettings) -> None:
        for word in words_of(account):
            forget_secret(word)

    return Rotation(settings.accounts, renew, forget)


def account_of(account: AccountSettings) -> Account:
    """Return what requests of an account are made with."""
    return Account(account.name, account.url, basic(account), secrets_of(account))


def hide(account: AccountSettings) -> None:
    """Take an account's credentials out of everything that is logged."""
    for word in words_of(account):
        register_secret(word)


def words_of(account: AccountSettings) -> tuple[str, str]:
    """Return the words of an account that nobody else may see."""
    return account.api_token, basic(account).removeprefix("Basic ")


def secrets_of(account: AccountSettings) -> tuple[bytes, ...]:
    """Return what of an account may stand in no answer that is published."""
    return tuple(w.encode() for w in words_of(account) if len(w) >= SHORTEST_SECRET)


def basic(account: AccountSettings) -> str:
    """Return the account's Authorization header."""
    return "Basic " + base64.b64encode(f"{account.project_id}:{account.api_token}".encode()).decode()
