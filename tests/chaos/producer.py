"""Publishes scripts with confirms, as a good client and as a stranger, and notes each publish."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aio_pika
from aio_pika.exceptions import AMQPException

from callmq import Client
from chaos.observer import NAMES, Observer, connect
from chaos.traffic import Letter, Script, poisoned
from journal import Sent

WINDOW = 64
FLOW = 50  # commands a second
OUTSTANDING = 300
EXTRA = 10_000_000  # the numbers of scripts that no plan has
SLACK = 2.0  # a request is read when the endpoint's loop turns, and this machine is shared
TROUBLE = (AMQPException, OSError, TimeoutError, RuntimeError)


class Producer:
    """Publishes as far as it is ``allowed``, while not too much is unanswered. ``sent``: every publish, in order."""

    def __init__(self, url: str, observer: Observer, sandbox: Any) -> None:
        self.url, self.observer, self.sandbox = url, observer, sandbox
        self.sent: list[Sent] = []
        self.confirmed: set[str] = set()
        self.phase_of: dict[int, str] = {}
        self.published = 0
        self.allowed = float("inf")
        self.results: dict[str, int] = {}
        self.under_way = 0
        self.most = OUTSTANDING
        self.held = asyncio.Event()
        self.held.set()
        self._stranger: Any = None
        self._extra: list[Script] = []
        self._on_call: dict[str | None, asyncio.Task[None]] = {}
        self._poisons = 0

    def poison(self) -> str:
        """Have one more command published, next; return its key."""
        self._poisons += 1
        script = poisoned(EXTRA + self._poisons)
        self._extra.append(script)
        return str(script.letters[0].key)

    @property
    def outstanding(self) -> int:
        return len(self.confirmed) - len(self.confirmed & self.observer.answered)

    async def publish(self, scripts: Iterator[Script], phase: str) -> None:
        """Publish all scripts."""
        async with Client(self.url, app_id="chaos", publish_timeout=8.0) as client, asyncio.TaskGroup() as tasks:
            window = asyncio.Semaphore(WINDOW)
            for script in self._with_extra(scripts):
                await self._may_go()
                await window.acquire()
                self.phase_of[script.number] = phase
                earlier = self._on_call.get(script.call_id)
                if script.call_id and earlier is None:
                    self.sandbox.calls.make(script.call_id, "answered", self.sandbox.now())
                self.published += len(script.letters)
                task = tasks.create_task(self._play(client, script, earlier))
                if script.call_id:
                    self._on_call[script.call_id] = task
                task.add_done_callback(lambda _: window.release())
            await asyncio.sleep(0)
        await self._leave()

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Let commands come steadily for the time of the block: a fault needs traffic to strike."""

        async def flow() -> None:
            while True:
                self.allowed += 1
                await asyncio.sleep(1 / FLOW)

        task = asyncio.create_task(flow())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _with_extra(self, scripts: Iterator[Script]) -> Iterator[Script]:
        for script in scripts:
            while self._extra:
                yield self._extra.pop()
            yield script

    async def _may_go(self) -> None:
        while self.published >= self.allowed:
            await asyncio.sleep(0.02)
        if self.published % 16 == 0:
            while self.outstanding > self.most:
                await asyncio.sleep(0.02)

    async def _play(self, client: Client, script: Script, earlier: asyncio.Task[None] | None) -> None:
        """Publish a script once the one before on the same call is."""
        if earlier is not None:
            await earlier
        count = 0
        for letter in script.letters:
            if letter.pause:
                await asyncio.sleep(letter.pause)
            ok = False
            while not ok:
                name = f"{script.number}.{count}"
                count += 1
                await self.held.wait()
                self.under_way += 1
                ok = await self._publish(client, letter, name)
                self.under_way -= 1
                if not ok:
                    await asyncio.sleep(0.2)

    async def _publish(self, client: Client, letter: Letter, name: str) -> bool:
        now = time.time()
        self.sent.append(_sent(letter, name, now, confirmed=False))
        at = len(self.sent) - 1
        result = await (self._as_stranger(letter, name) if letter.stranger else _send(client, letter, name, now))
        self.results[result] = self.results.get(result, 0) + 1
        if result == "confirmed":
            self.sent[at] = _sent(letter, name, now, confirmed=True)
            self.confirmed.add(name)
        return result == "confirmed"

    async def _as_stranger(self, letter: Letter, name: str) -> str:
        message = aio_pika.Message(
            letter.body, correlation_id=name, content_type=letter.content_type, app_id="stranger", delivery_mode=2,
            headers={"idempotency-key": letter.key} if letter.key else {},
        )  # fmt: skip
        try:
            async with asyncio.timeout(8):
                exchange = await self._exchange()
                await exchange.publish(message, letter.routing_key, mandatory=True)
        except TROUBLE:
            return "lost"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return "lost"
        return "confirmed"

    async def _exchange(self) -> Any:
        if self._stranger is None or self._stranger[0].is_closed or self._stranger[1].is_closed:
            await self._leave()
            connection = await connect(self.url)
            channel = await connection.channel()
            self._stranger = (connection, channel, await channel.get_exchange(NAMES.commands, ensure=False))
        return self._stranger[2]

    async def _leave(self) -> None:
        stranger, self._stranger = self._stranger, None
        if stranger is not None:
            with contextlib.suppress(*TROUBLE, asyncio.CancelledError):
                async with asyncio.timeout(3):
                    await stranger[0].close()


async def _send(client: Client, letter: Letter, name: str, now: float) -> str:
    ends = None if letter.life is None else int(1000 * (now + letter.life))
    campaign = letter.campaign
    result = await client.send(letter.body, key=letter.key, correlation_id=name, expires_at=ends, campaign=campaign)
    return result.name


def _sent(letter: Letter, name: str, now: float, *, confirmed: bool) -> Sent:
    life = float("inf") if letter.safety == "none" else letter.lifetime + SLACK
    return Sent(name, letter.key, letter.command, letter.body, letter.safety, now + life, letter.call_id, confirmed)
