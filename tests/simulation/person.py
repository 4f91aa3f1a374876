"""A person who looks after what is unknown, with the operator's own acts, and who may break off half-way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from callmq_contracts.envelope import Properties
from callmq_contracts.reply import OutcomeName
from callmq_worker.core.resolution import Resolution
from callmq_worker.operations import unknown
from callmq_worker.operations.desk import ActError, Desk, NotReachedError
from callmq_worker.operations.parked import Who
from flights import NAMES
from simulation.fate import CALM
from simulation.host import Host
from simulation.ports import HostClock, HostLedger, HostPublisher
from simulation.post import Letter, Post

ALL = 1000


@dataclass
class ParkedLetter:
    """One parked message, as a browsing finds it."""

    position: int
    letter: Letter
    post: Post

    @property
    def body(self) -> bytes:
        return self.letter.body

    @property
    def properties(self) -> Properties:
        return self.letter.properties

    async def take(self) -> None:
        self.post.parked.remove(self.letter)


class Looking:
    """A queue that is looked through once."""

    def __init__(self, post: Post, held: list[Letter]) -> None:
        self.post, self.held, self.depth = post, held, len(held)

    async def __aiter__(self) -> AsyncIterator[ParkedLetter]:
        for position, letter in enumerate(self.held, 1):
            yield ParkedLetter(position, letter, self.post)


class ParkedShelf:
    """The queue of unknown commands, to look into: by one at a time, and a crash takes nothing."""

    def __init__(self, post: Post) -> None:
        self.post = post

    @asynccontextmanager
    async def open(self, _queue: str) -> AsyncIterator[Looking]:
        yield Looking(self.post, list(self.post.parked))


class Person(Host):
    """Resolves by what the endpoint's journal says, or lets a command go again."""

    def start(self) -> None:
        self.lives += 1
        self.process = self.world.loop.process(f"{self.name}.{self.lives}")
        self.connect()
        self.task = self.world.loop.start(self.process, self._live())

    async def _live(self) -> None:
        world, ledger = self.world, HostLedger(self)
        desk = Desk(ledger, ParkedShelf(world.post), HostPublisher(self), NAMES, HostClock(self), 1_000_000.0)
        for record in list(await super(HostLedger, ledger).unknowns(ALL)):
            try:
                await self._act(desk, record.key)
            except (ActError, NotReachedError, OSError) as error:
                self.note("is told", error)
            except Exception as error:  # noqa: BLE001 - the ledger away: the person tries again another day
                self.note("gives up", repr(error))
        self.process.kill()

    async def _act(self, desk: Desk, key: str) -> None:
        world, who = self.world, Who(key, "default")
        acted = any(r.acted and r.key == key for r in world.receipts)
        safe = world.loop.time() > CALM + 60  # nobody who slept can still send it
        if not acted and not safe:
            return
        if safe and world.fate.chance() < 0.3:
            self.note("dispatches again", key)
            done: Any = await unknown.dispatch_again(desk, who, world.now() + 3600)
            world.reopened[key] += not done.words
        else:
            outcome = OutcomeName.SUCCEEDED if acted else OutcomeName.FAILED
            self.note("resolves", f"{key} as {outcome.value}")
            done = await unknown.resolve(desk, who, Resolution(outcome, world.now()))
        self.note("did", done)
