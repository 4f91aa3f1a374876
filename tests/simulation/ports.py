"""The ports of a simulated worker: each step towards the world may be where it dies, sleeps or is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from callmq_worker.adapters.memory import MemoryLedger
from callmq_worker.core.outcome import Answer, Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.publications import Publication
from callmq_worker.core.record import Record, RecordKey
from callmq_worker.ports import BrokerAwayError, Leave, LedgerAwayError, Published, Request
from journal import Receipt, essence
from simulation.fate import LATER, TURNS
from simulation.post import Channel, Letter, Session

if TYPE_CHECKING:
    from simulation.host import Host


class HostClock:
    """The world's time; the chances are fate's."""

    def __init__(self, host: Host) -> None:
        self._world = host.world

    def now(self) -> float:
        return self._world.now()

    def monotonic(self) -> float:
        return self._world.loop.time()

    def chance(self) -> float:
        return self._world.fate.chance()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class HostLedger(MemoryLedger):
    """The shared store, over a way that can fail before or after a commit."""

    def __init__(self, host: Host) -> None:
        super().__init__(host.world.now, host.world.store)
        self._host = host

    async def _reach(self, word: str, detail: str = "") -> str:
        await self._host.step(word, detail)
        fault = self._host.world.fate.ledger()
        if fault == "before":
            self._host.note("ledger away")
            raise LedgerAwayError("of the simulation")
        return fault

    async def _came(self, word: str, fault: str) -> None:
        if fault == "after":
            self._host.note("ledger away after the commit")
            raise LedgerAwayError("of the simulation: the commit's word was lost")
        await self._host.step(word)

    async def transact(self, key: RecordKey, step: Any) -> Any:
        fault = await self._reach("transact", key.key)
        before = self.store.records.get(key)
        verdict = await super().transact(key, step)
        after = self.store.records.get(key)
        if before and after and after.spared == before.spared + 1 and after.attempt == before.attempt:
            self._host.world.spare(key.key, before.updated_at)
        self._host.note("committed", verdict)
        await self._came("transacted", fault)
        return verdict

    async def look(self, key: RecordKey) -> Record | None:
        await self._reach("look")
        return await super().look(key)

    async def owed(self, limit: int) -> Sequence[Record]:
        await self._reach("owed")
        return await super().owed(limit)


class HostDispatcher:
    """The way to the endpoint: its answer is fate's, and its receipts go into the world's journal."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def dispatch(self, request: Request, leave: Leave) -> Answer:
        host, world = self._host, self._host.world
        await host.step("dispatch", request.key)
        name = world.fate.turn(request)
        turn = TURNS[name]
        if isinstance(turn.answer, NotSent):
            return turn.answer
        if not await leave():
            host.note("withheld")
            return Withheld()
        await host.step("leave")
        answer = turn.answer
        if isinstance(answer, Answered) and turn.acts:
            answer = replace(answer, document={"id": f"x{len(world.receipts)}"})
        receipt = self._receipt(request, name, answer)
        world.receipts.append(receipt)
        host.note("at the endpoint", f"{receipt.key}: {name}")
        lasts = world.fate.seconds("answer")
        await asyncio.sleep(min(lasts or 0.0, request.deadline))
        await host.step("answer")
        return answer if (lasts or 0.0) < request.deadline else NoAnswer("no answer in time")

    def _receipt(self, request: Request, name: str, answer: Answer) -> Receipt:
        world = self._host.world
        command, call_id = world.named(request)
        status, told = (answer.status, answer.document) if isinstance(answer, Answered) else (None, None)
        return Receipt(
            request.key, command, world.now(), TURNS[name].acts, name in LATER, call_id,
            status=status, body=essence(request.body), answer=essence(told),
        )  # fmt: skip

    async def close(self) -> None:
        """Do nothing."""


class HostPublisher:
    """Publishes over the host's session, and hears what fate lets it hear."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def publish(self, publication: Publication) -> Published:
        host, post = self._host, self._host.world.post
        await host.step("publish", f"{publication.exchange}/{publication.routing_key}")
        if not host.session.open:
            return Published.BLOCKED
        word, taken = host.world.fate.word()
        if taken:
            post.publish(publication)
        if word is not Published.CONFIRMED:
            host.note("not confirmed", f"{word.value}{', but taken' if taken else ''}")
        session = host.session
        await host.step("published")
        return word if session.open else Published.UNKNOWN


class HostReceipt:
    """The right to settle one delivery, on the channel that brought it."""

    def __init__(self, host: Host, channel: Channel, letter: Letter) -> None:
        self._host, self._channel, self._letter = host, channel, letter
        self.settled = False

    @property
    def alive(self) -> bool:
        return self._channel.open

    async def acknowledge(self) -> None:
        await self._settle("acknowledge", back=False)

    async def give_back(self) -> None:
        await self._settle("give back", back=True)

    async def _settle(self, word: str, *, back: bool) -> None:
        await self._host.step(word)
        if self.alive:
            assert not self.settled, "a delivery is settled once"
            self.settled = True
            self._host.world.post.settle(self._channel, self._letter, back=back)
        await self._host.step(f"{word} done")


class HostBroker:
    """Makes the host's sessions."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def connect(self) -> Session:
        await self._host.step("connect")
        if self._host.world.fate.strike("connect") == "cut":
            raise BrokerAwayError("of the simulation")
        return self._host.connect()

    async def offers(self, _kind: str) -> bool:
        return True

    def forget(self) -> None:
        """Do nothing: a session that is closed takes nothing."""
