"""Commands whose outcome is unknown: look, and close or reopen them by a person's word.

The order of each act: the ledger first, then publish (confirmed), then remove the parked copies. Whatever it breaks off
at, running it again finds what was done and does the rest.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from callmq_contracts.names import Names
from callmq_contracts.reply import OutcomeName
from callmq_worker.core import guard, publications, resolution
from callmq_worker.core.copies import Copy, page, row
from callmq_worker.core.publications import Message, Publication
from callmq_worker.core.record import Record, RecordKey, State
from callmq_worker.core.redact import redact
from callmq_worker.core.replay import republication
from callmq_worker.core.resolution import Resolution
from callmq_worker.operations.desk import ActError, Desk, NotReachedError, Shelf, read
from callmq_worker.operations.parked import Case, Who, find, key_of, open_case
from callmq_worker.ports import Ledger, Published

_NO_RECORD: Final = (
    "This ledger has no record of that key or id: look at 'callmq unknown list', at --account, and at "
    "CALLMQ_LEDGER_URL, which must be the workers'."
)


@dataclass(frozen=True, slots=True)
class Done:
    """What an act did. ``owed``: the reply is in the ledger and a worker will publish it."""

    words: tuple[str, ...]
    removed: int
    owed: bool = False


async def from_ledger(ledger: Ledger, limit: int) -> list[dict[str, Any]]:
    """Return rows of up to ``limit`` records in state unknown, oldest first."""
    return [resolution.row(record) for record in await ledger.unknowns(limit)]


async def from_queue(shelf: Shelf, names: Names, ledger: Ledger | None, limit: int) -> tuple[list[dict[str, Any]], int]:
    """Return rows of parked copies that no unknown record stands for (without a key, or settled since), and the depth.

    Without a ledger all copies are returned. Up to ``limit`` of them, oldest first.
    """
    rows: list[dict[str, Any]] = []
    async with shelf.open(names.unknown) as browsing:
        if limit > 0:
            async for found in browsing:
                copy = read(found).copy
                note = await _standing(ledger, copy)
                if note is not None:
                    rows.append(_parked_row(copy, note))
                if len(rows) >= limit:
                    break
        return rows, browsing.depth


async def _standing(ledger: Ledger | None, copy: Copy) -> str | None:
    """Return what there is to say of a parked copy; None where the ledger's list already has it."""
    if copy.envelope.key is None:
        return "without a key: resolve it by its id"
    if ledger is None:
        return "from the queue alone: the ledger was not asked"
    record = await ledger.look(key_of(copy))
    if record is None:
        return "no record in this ledger"
    if record.state is State.UNKNOWN:
        return None
    outcome = resolution.outcome_of(record) if record.state is State.CLOSED else "being dispatched again"
    return f"settled since ({outcome}): resolving it only removes the copy"


def _parked_row(copy: Copy, note: str) -> dict[str, Any]:
    shown = row(copy)
    kept = {name: shown[name] for name in ("id", "key", "account", "command", "campaign")}
    attempts = copy.envelope.attempts or None
    return {**kept, "since": shown["when"], "attempts": attempts, "reason": f"{shown['detail']} ({note})"}


async def show(ledger: Ledger, shelf: Shelf, names: Names, who: Who, *, body: bool) -> dict[str, Any]:
    """Return the record of a key or of a reply's id, its last reply, and its parked copies.

    ``body``: for a trusted reader, with the bodies and nothing masked. Raises `ActError` where there is neither.
    """
    key = await find(ledger, who)
    record = await ledger.look(key)
    async with shelf.open(names.unknown) as browsing:
        held = [read(found) async for found in browsing]
    mine = [each.copy for each in held if key_of(each.copy) == key or each.copy.id == who.wanted]
    if record is None and not mine:
        raise ActError(_NO_RECORD)
    shown: dict[str, Any] = {"parked": [page(copy, body=body) for copy in mine]}
    if record is not None:
        reply = orjson.loads(record.reply) if record.reply else None
        about = {"state": record.state.value, "last_reply": reply if body else redact(reply)}
        shown = resolution.row(record) | about | shown
    return shown


async def resolve(desk: Desk, who: Who, word: Resolution) -> Done:
    """Close an unknown with its final outcome and publish the second reply.

    Raises `ActError` where it is closed with another outcome or not unknown, `NotReachedError` where the dead copy of
    a failed one is not confirmed: all else is done then, and running it again does the rest.
    """
    async with open_case(desk, who) as case:
        if case.key.key == "":
            return await _resolve_without_record(desk, case, word)

        def build(record: Record, sequence: int) -> bytes:
            return resolution.final_reply(record, sequence, word)

        record = await desk.ledger.look(case.key)
        if record is None:
            raise ActError(_NO_RECORD)
        message = resolution.message_of(record, case.copy)
        preview = publications.answers(desk.names, message, build(record, record.sequence + 1))
        due = resolution.address_of(preview.reply)
        stored = await desk.ledger.transact(case.key, guard.resolve(build, due))
        if stored is None:
            record = await desk.ledger.look(case.key)
            await _check_closed(desk, record, case, word)
            return await _finish(desk, case, message, record)
        return await _finish(desk, case, message, await desk.ledger.look(case.key), fresh=True)


async def _check_closed(desk: Desk, record: Record | None, case: Case, word: Resolution) -> None:
    """Raise `ActError` unless the record was closed by a person with this very outcome; a stale parked copy goes."""
    if record is None or record.state is not State.CLOSED:
        state = "gone from the ledger" if record is None else "being dispatched again"
        raise ActError(f"It is not unknown at present but {state}: nothing was changed. Look again later.")
    if not resolution.is_result_of(record, word):
        removed = await _clear_settled(desk, record, case)
        raise ActError(
            f"It was settled meanwhile: its recorded outcome is '{resolution.outcome_of(record)}', which stands. "
            f"Parked copies that were left of it and are removed now: {removed}. Nothing else was changed."
        )


async def _finish(desk: Desk, case: Case, message: Message, record: Record | None, *, fresh: bool = False) -> Done:
    """Publish what a closed record stands for as far as that is not done, then remove the parked copies."""
    if record is None or record.reply is None:
        raise ActError("Its record has just gone from the ledger: nothing was published.")
    words = [] if fresh else [f"It was resolved before ({resolution.outcome_of(record)}); what was left was done now."]
    answers = publications.answers(desk.names, message, record.reply)
    if answers.kept is not None and case.parked:
        await _keep(desk, answers.kept)
    owed = record.due is not None and not await _pay(desk, case.key, record.reply, record.due)
    if owed:
        words.append("The reply is not published yet: it is owed in the ledger, and a running worker will publish it.")
    if fresh and answers.direct is not None and not await _confirmed(desk, answers.direct):
        words.append("The queue that it was to be answered to is gone: only the reply exchange got the reply.")
    if fresh and not case.parked:
        words.append(_without_copy(record))
    return Done(tuple(words), await case.clear(), owed)


def _without_copy(record: Record) -> str:
    words = "No parked copy of it was found: the reply's routing key has '-' where its producer's name belongs"
    if resolution.outcome_of(record) == OutcomeName.FAILED:
        words += ", and none could be put into the dead letters"
    return f"{words}."


async def _resolve_without_record(desk: Desk, case: Case, word: Resolution) -> Done:
    copy = case.parked[0].copy
    reply = resolution.final_reply_without_record(copy, word)
    document = orjson.loads(reply)
    key = guard.debt_key(document)
    owed = publications.answers(desk.names, copy.message(), reply).reply
    known = await desk.ledger.look(key)
    if known is not None:
        await _check_closed(desk, known, case, word)
    else:
        step = guard.owe_alone(document, reply, resolution.address_of(owed))
        await desk.ledger.transact(key, step)
    record = await desk.ledger.look(key)
    return await _finish(desk, Case(key, case.parked), copy.message(), record, fresh=known is None)


async def dispatch_again(desk: Desk, who: Who, expires_at: float | None) -> Done:
    """Reopen an unknown and publish its parked copy again: it may act twice, because a person said so.

    Raises `ActError` where there is no copy or it was settled meanwhile, `NotReachedError` where the command is not
    confirmed: its copy stays parked, and running it again publishes it.
    """
    async with open_case(desk, who) as case:
        copy = case.copy
        if copy is None:
            raise ActError("No parked copy of it was found, and the ledger keeps no body: publish a new command.")
        if copy.truncated_from is not None:
            raise ActError("Its body was cut when it was parked: publish a new command.")
        words: tuple[str, ...] = ()
        if case.key.key and not await desk.ledger.transact(case.key, guard.reopen()):
            await _check_open(desk, await desk.ledger.look(case.key), case)
            words = ("It was reopened before; its copy was published again, and its key still acts once.",)
        again = republication(copy, desk.names, copy.envelope.key, expires_at, desk.clock.now(), desk.user)
        if not await _confirmed(desk, again):
            raise NotReachedError(
                f"It is reopened, but the broker did not confirm the command: its copy stays in "
                f"'{desk.names.unknown}'. Run this again; until then nobody dispatches it."
            )
        return Done(words, await case.clear())


async def _check_open(desk: Desk, record: Record | None, case: Case) -> None:
    if record is None:
        raise ActError(_NO_RECORD)
    if record.state is State.CLOSED:
        removed = await _clear_settled(desk, record, case)
        raise ActError(
            f"It was settled meanwhile: its recorded outcome is '{resolution.outcome_of(record)}', so it is not "
            f"dispatched again. Parked copies that were left of it and are removed now: {removed}."
        )


async def _clear_settled(desk: Desk, record: Record, case: Case) -> int:
    """Remove the parked copies of a settled command; whoever settled it may not have got to its dead copy."""
    if case.copy is not None and record.reply is not None:
        dead = publications.answers(desk.names, case.copy.message(), record.reply).kept
        if dead is not None:
            await _keep(desk, dead)
    return await case.clear()


async def _keep(desk: Desk, kept: Publication) -> None:
    if not await _confirmed(desk, kept):
        raise NotReachedError(
            f"It is resolved, but its copy was not confirmed in '{desk.names.dead}' and stays parked: run this again."
        )


async def _pay(desk: Desk, key: RecordKey, reply: bytes, due: bytes) -> bool:
    for address in guard.addresses(due):
        if not await _confirmed(desk, publications.debt(desk.names, reply, address)):
            return False
        await desk.ledger.transact(key, guard.paid(reply, address))
    return True


async def _confirmed(desk: Desk, publication: Publication) -> bool:
    return await desk.publisher.publish(publication) is Published.CONFIRMED
