"""Mutants: each a small wrong change of the real code, made for a test; it says whether it really changed anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from callmq_worker import settler
from callmq_worker.controls import Controls
from callmq_worker.core import guard, settle
from callmq_worker.core.order import CallOrder
from callmq_worker.core.outcome import Answered, judge
from callmq_worker.core.publications import answers
from callmq_worker.core.record import Spent
from callmq_worker.engine import Engine
from callmq_worker.ports import Published
from callmq_worker.settler import Settler, message_of
from flights import NAMES

Mutant = Callable[[list[str]], AbstractContextManager[Any]]
MUTANTS: dict[str, Mutant] = {}


def mutant(change: Callable[[list[str]], Iterator[None]]) -> Callable[[list[str]], Iterator[None]]:
    MUTANTS[change.__name__.replace("_", " ")] = contextmanager(change)
    return change


@mutant
def dropping_the_sending_mark(changed: list[str]) -> Iterator[None]:
    def unmarked(*_: Any) -> Any:
        changed.append("a mark")
        return lambda _record, _now: (None, True)

    with patch.object(guard, "mark_sending", unmarked):
        yield


@mutant
def acknowledging_before_the_confirm(changed: list[str]) -> Iterator[None]:
    answer = Settler._answer

    async def early(self: Settler, situated: Any, *args: Any, **kwargs: Any) -> str:
        changed.append("an acknowledgement")
        await situated.delivery.receipt.acknowledge()
        receipt = Settled(situated.delivery.receipt)
        return await answer(
            self, replace(situated, delivery=replace(situated.delivery, receipt=receipt)), *args, **kwargs
        )

    with patch.object(Settler, "_answer", early):
        yield


class Settled:
    """A receipt that was used up."""

    def __init__(self, receipt: Any) -> None:
        self._receipt = receipt

    @property
    def alive(self) -> bool:
        return self._receipt.alive

    async def acknowledge(self) -> None:
        """Do nothing more."""


@mutant
def swapping_record_and_publish(changed: list[str]) -> Iterator[None]:
    insist = Settler._insist
    conclude = Settler._conclude

    async def swapped(self: Settler, situated: Any, concluded: Any) -> str:
        async def publish_first(key: Any, operation: str, step: Any) -> Any:
            if operation == "record":
                changed.append("an order")
                record = self._means.ledger.store.records.get(key)
                after, _ = step(record, self._means.clock.now())
                if after is not None:
                    said = answers(NAMES, message_of(situated), after.reply)
                    await self._publish(said.reply)
            return await insist(self, key, operation, step)

        with patch.object(self, "_insist", publish_first):
            return await conclude(self, situated, concluded)

    with patch.object(Settler, "_conclude", swapped):
        yield


@mutant
def forgetting_the_fence(changed: list[str]) -> Iterator[None]:
    standing = guard._standing

    def unfenced(record: Any, conclusion: Any) -> Any:
        if record.attempt == conclusion.attempt:
            return standing(record, conclusion)
        changed.append("an outcome")
        return None

    def held(record: Any, held: Any) -> bool:
        changed.extend(["a claim"] * (record.attempt != held.attempt))
        return True

    with patch.object(guard, "_standing", unfenced), patch.object(guard, "_holds", held):
        yield


@mutant
def trusting_the_lease(changed: list[str]) -> Iterator[None]:
    found = guard._found

    def trusted(record: Any, intent: Any, now: float) -> Any:
        verdict = found(record, intent, now)
        if isinstance(verdict, Spent):
            changed.append("a takeover")
            return None
        return verdict

    with patch.object(guard, "_found", trusted):
        yield


@mutant
def counting_attempts_in_headers(changed: list[str]) -> Iterator[None]:
    transact = Engine._transact

    async def counted(self: Engine, accepted: Any, operation: str, step: Any) -> Any:
        def counting(record: Any, now: float) -> Any:
            told = accepted.envelope.attempts
            if record is not None and operation == "claim" and record.attempt - record.spared != told:
                changed.append("a count")
                record = record._replace(spared=record.attempt - told)
            return step(record, now)

        return await transact(self, accepted, operation, counting)

    with patch.object(Engine, "_transact", counted):
        yield


@mutant
def not_looking_at_the_time(changed: list[str]) -> Iterator[None]:
    read = Engine.read

    def timeless(self: Engine, delivery: Any, *, hold: bool) -> Any:
        situated = read(self, delivery, hold=hold)
        if hasattr(situated.read, "expires_at"):
            changed.append("an end")
            situated = replace(situated, read=replace(situated.read, expires_at=1e12))
        return situated

    with patch.object(Engine, "read", timeless):
        yield


@mutant
def replaying_without_the_fingerprint(changed: list[str]) -> Iterator[None]:
    found = guard._found

    def blind(record: Any, intent: Any, now: float) -> Any:
        changed.extend(["a fingerprint"] * (record.fingerprint != intent.fingerprint))
        return found(record._replace(fingerprint=intent.fingerprint), intent, now)

    with patch.object(guard, "_found", blind):
        yield


@mutant
def believing_a_silent_broker(changed: list[str]) -> Iterator[None]:
    publish = Settler._publish

    async def believed(self: Settler, publication: Any) -> Published:
        published = await publish(self, publication)
        changed.extend(["a word"] * (published is not Published.CONFIRMED))
        return Published.CONFIRMED

    with patch.object(Settler, "_publish", believed):
        yield


@mutant
def forgetting_the_doubt(changed: list[str]) -> Iterator[None]:
    attempt = Engine._attempt

    async def sure(self: Engine, made: Any, *args: Any) -> Any:
        changed.extend(["a doubt"] * made.doubt)
        return await attempt(self, replace(made, doubt=False), *args)

    with patch.object(Engine, "_attempt", sure):
        yield


@mutant
def forgetting_the_order_of_a_call(changed: list[str]) -> Iterator[None]:
    enter = CallOrder.enter

    def first(self: CallOrder[Any], call_id: str, ticket: Any) -> bool:
        if not enter(self, call_id, ticket):
            changed.append("a turn")
        return True

    with patch.object(CallOrder, "enter", first):
        yield


@mutant
def keeping_no_copy_after_a_loss(changed: list[str]) -> Iterator[None]:
    lacks = settler._may_lack_copy

    def never(situated: Any) -> bool:
        changed.extend(["a copy"] * lacks(situated))
        return False

    with patch.object(settler, "_may_lack_copy", never):
        yield


@mutant
def owing_one_repeat_only(changed: list[str]) -> Iterator[None]:
    def alone(due: bytes | None, address: bytes) -> bytes:
        changed.extend(["a debt"] * (due not in (None, address)))
        return address

    with patch.object(guard, "_also", alone):
        yield


@mutant
def leaving_a_late_answer_unsaid(changed: list[str]) -> Iterator[None]:
    conclude = guard.conclude

    def silent(conclusion: Any) -> Any:
        changed.append("a debt")
        return conclude(replace(conclusion, address=None))

    with patch.object(guard, "conclude", silent):
        yield


@mutant
def sending_what_was_cancelled(changed: list[str]) -> Iterator[None]:
    cancelled = Controls.cancelled

    def unheard(self: Controls, accepted: Any) -> None:
        if cancelled(self, accepted) is not None:
            changed.append("a cancellation")

    with patch.object(Controls, "cancelled", unheard):
        yield


@mutant
def sending_the_body_of_another(changed: list[str]) -> Iterator[None]:
    request = Engine._request
    first: dict[str, bytes] = {}

    def swapped(self: Engine, made: Any) -> Any:
        wanted = request(self, made)
        body = first.setdefault(made.accepted.command.name, wanted.body)
        changed.extend(["a body"] * (body != wanted.body))
        return replace(wanted, body=body)

    with patch.object(Engine, "_request", swapped):
        yield


@mutant
def telling_the_answer_of_another(changed: list[str]) -> Iterator[None]:
    builder = settle.reply_builder
    first: list[Any] = []

    def swapped(accepted: Any, outcome: Any, finished_at: float) -> Any:
        if outcome.document is not None:
            first.append(outcome.document)
            changed.extend(["an answer"] * (first[0] != outcome.document))
            outcome = replace(outcome, document=first[0])
        return builder(accepted, outcome, finished_at)

    with patch.object(settle, "reply_builder", swapped):
        yield


@mutant
def taking_a_doubt_for_done(changed: list[str]) -> Iterator[None]:
    attempt = Engine._attempt

    async def believed(self: Engine, made: Any, *args: Any) -> Any:
        if not made.doubt:
            return await attempt(self, made, *args)
        changed.append("an attempt")
        return settle.after(judge(Answered(200, {"id": "x"}), made.accepted.command.safety, doubt=True), made, 0.0)

    with patch.object(Engine, "_attempt", believed):
        yield
