"""Performs a settlement in one fixed order: record the outcome in the ledger, publish (confirmed), acknowledge."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from callmq_contracts.catalog import CATALOG
from callmq_contracts.names import Names
from callmq_contracts.reply import OutcomeName, mark_replayed
from callmq_worker.core import guard, publications, settle, spans
from callmq_worker.core.intake import Accepted
from callmq_worker.core.layout import RETURNED_LANE
from callmq_worker.core.publications import Answers, Message, Publication
from callmq_worker.core.record import Conclusion, Fenced, Record, RecordKey, Step, T
from callmq_worker.core.resolution import address_of
from callmq_worker.core.retry import Tier, tier_for
from callmq_worker.core.settle import Concluded, Postponed, Repeated, Returned, Settlement, Sorted, Unrecorded
from callmq_worker.policy import Situated, record_key
from callmq_worker.ports import (
    Clock,
    Ledger,
    LedgerAwayError,
    Observer,
    Published,
    Publisher,
)

LOG = logging.getLogger("callmq.settler")
BACKOFF: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
OWED_BATCH: Final = 100
SORT_TRIES: Final = 2
SILENT: Final = "silent"


@dataclass(frozen=True, slots=True)
class Means:
    """The ports that a settlement needs. ``mend`` asks for the topology to be verified again."""

    ledger: Ledger
    publisher: Publisher
    clock: Clock
    observer: Observer
    names: Names
    tiers: tuple[Tier, ...]
    mend: Callable[[], None]
    secret: bytes


class Settler:
    """Performs settlements. ``settled`` is called with command and outcome after each recorded or published reply."""

    def __init__(self, means: Means, settled: Callable[[str, str], None]) -> None:
        self._means = means
        self._settled = settled
        self._faults: dict[object, str] = {}

    @property
    def recording_fault(self) -> str | None:
        """Why an outcome in hand can't be recorded at present."""
        return next(iter(self._faults.values()), None)

    async def perform(self, situated: Situated, settlement: Settlement) -> str:
        """Carry out a settlement and return its word for traces: an outcome, ``postponed``, ``sorted`` or ``returned``.

        Afterwards the delivery is acknowledged, given back, or its channel is gone; with the word ``silent`` it is
        still to be settled, since the queue that it was sorted into does not answer.
        """
        match settlement:
            case Concluded():
                return await self._conclude(situated, settlement)
            case Repeated(_, stored):
                reply = mark_replayed(stored.reply)
                kept = Kept(record_key(settlement.accepted), stored.reply)
                return await self._answer(situated, reply, kept, fresh=False)
            case Unrecorded(reply):
                stamped = replace(reply, finished_at=self._means.clock.now())
                return await self._answer(situated, stamped.dump(), None)
            case Postponed():
                return await self._postpone(situated, settlement)
            case Returned(claim):
                if claim is not None:
                    await self.release(Postponed(0.0, "returned", claim, spare=settlement.spare))
                await situated.delivery.receipt.give_back()
                return "returned"
            case Sorted(queue):
                return await self._sort(situated, queue)
            case _:
                assert_never(settlement)

    async def _conclude(self, situated: Situated, concluded: Concluded) -> str:
        means, accepted = self._means, concluded.accepted
        key = record_key(accepted)
        build = settle.reply_builder(accepted, concluded.outcome, means.clock.now())
        unknown = concluded.outcome.name is OutcomeName.UNKNOWN

        def address() -> bytes:
            return address_of(publications.answers(means.names, message_of(situated), build(0)).reply)

        step = guard.conclude(Conclusion(concluded.intent, concluded.attempt, unknown, build, address))
        found = await self._insist(key, "record", step)
        if isinstance(found, Fenced):
            return await self._postpone(situated, Postponed(settle.LEASE_POLL, "taken over by another worker"))
        reply = found.reply if found.fresh else mark_replayed(found.reply)
        return await self._answer(situated, reply, Kept(key, found.reply, found.due), fresh=found.fresh)

    async def _answer(self, situated: Situated, reply: bytes, kept: "Kept | None", *, fresh: bool = True) -> str:
        """Publish all that a reply stands for, then acknowledge. A reply that can't leave stays owed in the ledger."""
        answers = publications.answers(self._means.names, message_of(situated), reply)
        outcome = str(answers.document["outcome"])
        if not situated.delivery.receipt.alive:
            return outcome  # it will be delivered again, and answered from the ledger, unless it is owed since
        wanted = answers.kept if fresh or _may_lack_copy(situated) else None
        if wanted is not None and not await self._keep(situated, wanted):
            return outcome
        published = await self._publish_reply(answers)
        if published is not Published.CONFIRMED:
            await self._owe(answers.reply, answers.document, kept)
        elif kept is not None and kept.due is not None:
            await self._insist(kept.key, "pay", guard.paid(kept.reply, address_of(answers.reply)))
        command = str(answers.document["command"] or "-")
        if outcome != OutcomeName.SUCCEEDED and command in CATALOG and CATALOG[command].vital:
            LOG.error("vital command not done", extra={"fields": {"command": command, "outcome": outcome}})
        self._settled(command, outcome)
        await situated.delivery.receipt.acknowledge()
        return outcome

    async def _publish_reply(self, answers: Answers) -> Published:
        published = await self._publish(answers.reply)
        if answers.direct is not None:
            direct = await self._publish(answers.direct)
            if direct is not Published.CONFIRMED:
                LOG.info("reply_to not reached", extra={"fields": {"result": direct.value}})
        return published

    async def _publish(self, publication: Publication) -> Published:
        means = self._means
        with means.observer.span("producer", lambda: spans.publication(publication)) as span:
            headers = {**publication.headers, **means.observer.headers()}
            published = await means.publisher.publish(publication._replace(headers=headers))
            if published is not Published.CONFIRMED:
                span.fail(published.value)
            return published

    async def _keep(self, situated: Situated, publication: Publication, most: int | None = None) -> bool:
        """Publish a copy that must not be lost, until the broker confirms it.

        False: the delivery's channel is gone, or ``most`` times the broker did not say that it has the copy.
        """
        tries = denied = 0
        while situated.delivery.receipt.alive and denied != most:
            published = await self._publish(publication)
            if published is Published.CONFIRMED:
                return True
            denied += published in (Published.UNKNOWN, Published.NACKED)
            missing = published in (Published.UNROUTABLE, Published.ABSENT)
            if missing:
                self._means.mend()
            where = {"exchange": publication.exchange, "key": publication.routing_key, "result": published.value}
            level = logging.INFO if missing and not tries else logging.WARNING  # a queue may be made when first used
            LOG.log(level, "copy not taken yet", extra={"fields": where})
            await self._means.clock.sleep(_backoff(tries))
            tries += 1
        return False

    async def _owe(self, publication: Publication, document: Mapping[str, Any], kept: "Kept | None") -> None:
        address = address_of(publication)
        LOG.warning("reply owed", extra={"fields": {"routing_key": publication.routing_key}})
        if kept is not None:
            await self._insist(kept.key, "owe", guard.owe(address))
            return
        step = guard.owe_alone(document, publication.body, address)
        await self._insist(guard.debt_key(document), "owe", step)

    async def _postpone(self, situated: Situated, postponed: Postponed) -> str:
        means = self._means
        await self.release(postponed)
        tier = tier_for(postponed.delay, means.tiers)
        not_before = means.clock.now() + postponed.delay
        if postponed.delay > tier.seconds:
            not_before += settle.LEASE_POLL  # it comes back early, and the rest of the wait may not be rounded away
        message = message_of(situated)
        copy = publications.postponed(means.names, message, tier, not_before, postponed.past, secret=means.secret)
        return await self._hand_on(situated, copy, "postponed")

    async def _hand_on(self, situated: Situated, copy: Publication, word: str) -> str:
        if await self._keep(situated, copy):
            await situated.delivery.receipt.acknowledge()
        return word

    async def _sort(self, situated: Situated, queue: str) -> str:
        copy = publications.sorted_into(queue, message_of(situated), situated.past, secret=self._means.secret)
        if await self._keep(situated, copy, SORT_TRIES):
            await situated.delivery.receipt.acknowledge()
            return "sorted"
        return SILENT if situated.delivery.receipt.alive else "returned"

    async def release(self, postponed: Postponed) -> None:
        """Free the claim of a delivery that waits, in its lane or in a tier; no other may act before its time."""
        claim, spare = postponed.claim, postponed.spare
        if claim is not None:
            wait = 0.0 if spare else postponed.delay
            step = guard.release(claim, doubt=postponed.doubt, spare=spare, wait=wait)
            await self._insist(RecordKey(claim.account, claim.key), "release", step)

    async def _insist(self, key: RecordKey, operation: str, step: Step[T]) -> T:
        """Run a step until the ledger takes it: an answer in hand is never dropped."""
        ledger, tries, mine = self._means.ledger, 0, object()
        try:
            while True:
                try:
                    with self._means.observer.span("internal", lambda: spans.ledger(operation, ledger.system)):
                        return await ledger.transact(key, step)
                except LedgerAwayError as error:
                    self._faults[mine] = str(error)
                    LOG.error("ledger away", extra={"fields": {"operation": operation, "reason": str(error)}})  # noqa: TRY400
                    await self._means.clock.sleep(_backoff(tries))
                    tries += 1
        finally:
            self._faults.pop(mine, None)

    async def pay(self) -> int:
        """Publish replies that are owed; return how many were confirmed. Raises `LedgerAwayError`."""
        means, paid = self._means, 0
        for record in await means.ledger.owed(OWED_BATCH):
            published = await self._pay(record)
            if published is Published.CONFIRMED:
                paid += 1
            elif published in (Published.ABSENT, Published.BLOCKED, Published.UNKNOWN):
                break  # the others would fare no better; a full queue refuses only its own
        return paid

    async def _pay(self, record: Record) -> Published:
        means, reply = self._means, record.reply or b""
        key = RecordKey(record.account, record.key)
        for address in guard.addresses(record.due):
            published = await self._publish(publications.debt(means.names, reply, address))
            if published is Published.ABSENT:
                means.mend()
            if published is Published.NACKED:  # the newest debts are tried first from now on
                await means.ledger.transact(key, guard.owe(address))
            if published is not Published.CONFIRMED:
                return published
            await means.ledger.transact(key, guard.paid(reply, address))
        return Published.CONFIRMED


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a reply is recorded, its bytes there, and where it is owed since."""

    key: RecordKey
    reply: bytes
    due: bytes | None = None


def message_of(situated: Situated) -> Message:
    """Return what copies of the message are made from."""
    delivery, read = situated.delivery, situated.read
    expires_at = read.expires_at if isinstance(read, Accepted) else None
    return Message(delivery.body, delivery.properties, read.envelope, read.received_at, expires_at)


def _may_lack_copy(situated: Situated) -> bool:
    """Say whether an earlier worker may have stopped between recording the outcome and keeping the copy."""
    waited = situated.read.envelope.first_received_at is not None  # the delivery that it was a repeat of may be gone
    return situated.delivery.redelivered or waited or situated.delivery.lane == RETURNED_LANE


def _backoff(tries: int) -> float:
    return BACKOFF[min(tries, len(BACKOFF) - 1)]
