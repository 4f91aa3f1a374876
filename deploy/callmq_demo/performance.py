"""Publishes the cases in their order, hears the replies, kills the worker where that is wanted, gathers evidence."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from time import monotonic, time
from typing import TYPE_CHECKING

import orjson

from callmq.errors import CallmqError
from callmq_demo.cases import on_call
from callmq_demo.evidence import Answer, Evidence, Sent
from callmq_demo.keeper import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from aio_pika.abc import AbstractIncomingMessage

    from callmq import Client
    from callmq_demo.board import Board
    from callmq_demo.cases import Case
    from callmq_demo.control import Control
    from callmq_demo.keeper import WorkerKeeper
    from callmq_demo.queues import Queues

_PAUSE = 0.05
_TIER_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Stage:
    """What a performance needs. ``control`` is None where the endpoint is the real one. ``patience`` in seconds."""

    client: Client
    queues: Queues
    worker: WorkerKeeper
    control: Control | None
    board: Board
    patience: float


class Performance:
    """One run of the cases."""

    def __init__(self, cases: Sequence[Case], stage: Stage) -> None:
        self._cases = cases
        self._stage = stage
        self._sent: dict[str, Sent] = {}
        self._sent_at: dict[str, float] = {}
        self._answers: list[Answer] = []
        self._answered = {case.name: asyncio.Event() for case in cases}
        self._calls: dict[str, str] = {}

    async def evidence(self, lost: asyncio.Event) -> Evidence:
        """Publish everything, wait for the replies, stop the worker and look. Raises `NotReadyError`.

        ``lost`` is set when the broker's connection is gone.
        """
        stage = self._stage
        complete = await self._unless_broken(lost, self._publish_all())
        remark = "" if complete else f"waited {stage.patience:g} s; the worker says: {await stage.worker.failing()}"
        stage.board.note(
            "Everything is answered; stopping the worker and looking at what is left." if complete else remark
        )
        worker_exit = await self._stop_worker()
        await stage.queues.catch_up()
        return Evidence(
            sent=self._sent,
            answers=tuple(self._answers),
            requests=await stage.control.requests() if stage.control else None,
            dead=await stage.queues.dead(),
            parked=await stage.queues.parked(),
            left=await stage.queues.left(),
            restarts=stage.worker.restarts,
            worker_exit=worker_exit,
            remark=remark,
        )

    async def _stop_worker(self) -> int | None:
        """Stop the worker and return its exit code; one that is killed while it stops is followed by another."""
        stage = self._stage
        if stage.worker.restarts:
            # A copy in a tier whose first delivery was not acknowledged before the kill: it comes back, to be dropped.
            await stage.queues.left(_TIER_SECONDS)
        while (code := await stage.worker.stop()) == -signal.SIGKILL:
            stage.worker.start_again()
            await stage.worker.ready()
            await stage.queues.left(_TIER_SECONDS)
        return code

    async def _unless_broken(self, lost: asyncio.Event, publishing: Coroutine[Any, Any, None]) -> bool:
        """Keep the worker running meanwhile. False: not all came within the patience."""
        play = asyncio.create_task(publishing)
        keeping, losing = asyncio.create_task(self._stage.worker.keep()), asyncio.create_task(lost.wait())
        tasks: tuple[asyncio.Task[Any], ...] = (play, keeping, losing)
        try:
            await asyncio.wait(tasks, timeout=self._stage.patience, return_when=asyncio.FIRST_COMPLETED)
            for task in (play, keeping):
                if task.done():
                    task.result()
            if losing.done():
                raise NotReadyError("The connection to the broker was lost. Start the demo again when it is back.")
            return play.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _publish_all(self) -> None:
        stage = self._stage
        await stage.worker.ready()
        await stage.queues.hear(self._hear)
        stage.board.note(f"The worker is ready: process {stage.worker.pid}, which may be killed at any time.")
        for case in self._cases:
            await self._until_answered(case.after)
            await self._publish(case, await self._call_of(case))
            if case.kills:
                await self._kill()
        await self._until_answered(self._answered)

    async def _until_answered(self, names: Sequence[str] | dict[str, asyncio.Event]) -> None:
        for name in names:
            await self._answered[name].wait()

    async def _call_of(self, case: Case) -> str | None:
        """Return the id of the call that a case is for, as the reply of the dial that opened it says."""
        if case.call is None:
            return None
        if case.call not in self._calls:
            opening = next(each for each in self._cases if each.opens == case.call)
            await self._answered[opening.name].wait()
            answer = next(each for each in self._answers if each.case == opening.name)
            call_id = answer.document["call_id"]
            if call_id is None and self._stage.control:
                call_id = await self._stage.control.new_call()
                self._stage.board.note(f"The reply of {opening.name!r} names no call: going on with another one.")
            self._calls[case.call] = call_id or ""
        return self._calls[case.call]

    async def _publish(self, case: Case, call_id: str | None) -> None:
        stage = self._stage
        if call_id == "":
            return  # its dial was not accepted, and that is a deviation already
        if stage.control and case.scene and call_id:
            await stage.control.set_scene(call_id, case.scene)
        if stage.control and case.fault:
            await stage.control.arm(case.fault, case.key)
        body = orjson.dumps(on_call(case.body, call_id) if call_id else case.body)
        stage.board.published(case)
        self._sent_at[case.name] = monotonic()
        self._sent[case.name] = Sent("unknown", body, call_id)
        self._sent[case.name] = Sent(await self._confirmation(case, body), body, call_id)

    async def _confirmation(self, case: Case, body: bytes) -> str:
        expires_at = int((time() + case.expires_in) * 1000)
        try:
            result = await self._stage.client.send(
                body, key=case.key, expires_at=expires_at, correlation_id=case.name, validate=case.valid
            )
        except CallmqError as error:
            return f"refused by the client: {error}"
        return result.name

    def _hear(self, message: AbstractIncomingMessage) -> None:
        name = message.correlation_id or ""
        ms = (monotonic() - self._sent_at.get(name, monotonic())) * 1000
        answer = Answer(name, message.routing_key or "", orjson.loads(message.body), ms)
        self._answers.append(answer)
        if name in self._answered:
            first = not self._answered[name].is_set()
            self._answered[name].set()
            self._stage.board.arrived(answer, first=first)

    async def _kill(self) -> None:
        """Kill -9 the worker while the endpoint holds answers back, and let the keeper start the next."""
        stage = self._stage
        held = {case.key for case in self._cases if case.held}
        if stage.control is None:
            return
        while True:
            if held <= await stage.control.held():
                break
            await asyncio.sleep(_PAUSE)
        unanswered = sum(not event.is_set() for name, event in self._answered.items() if name in self._sent)
        stage.board.note(
            f"kill -9 of the worker (process {stage.worker.pid}): {len(held)} of its requests are at the endpoint, "
            f"{unanswered} commands unanswered. It is started again, as an init system would."
        )
        stage.worker.kill()
        await stage.control.disarm()
        await stage.worker.ready()
        stage.board.note(f"The next worker is ready: process {stage.worker.pid}.")
