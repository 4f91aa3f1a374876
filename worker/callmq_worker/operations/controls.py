"""What an operator says to all workers: cancel, pause, resume, and what stands.

The note in the ledger is what counts, at once and for good. What waits in a long delay tier is put back into its lane
afterwards, so that a worker answers it now and not when its time comes.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from callmq_contracts.envelope import read_envelope
from callmq_worker.controls import LOOK_EVERY, UNREADABLE
from callmq_worker.core import controls
from callmq_worker.core.controls import NOTE, Cancellation, Change, Full, Pause, Standing, T, Target, UnreadableError
from callmq_worker.core.note import amend, content
from callmq_worker.core.publications import back
from callmq_worker.core.retry import Tier
from callmq_worker.operations.desk import ActError, Desk, Found, NotReachedError
from callmq_worker.ports import Ledger, Published

HEARD: Final = 2 * LOOK_EVERY  # seconds until every worker that answers has looked at the note
SHORT: Final = 5.0  # seconds: what waits no longer comes back by itself in time
_NOTHING_SUCH: Final = "Nothing like that stands: 'callmq controls' shows what does. Nothing was changed."


async def cancel(ledger: Ledger, target: Target, seconds: float) -> Cancellation:
    """Cancel what the target names. Raises `ActError` where there is no room."""
    done = await _amend(ledger, controls.cancel(target, seconds))
    if isinstance(done, Full):
        raise ActError(
            f"{done.most} cancellations are in force, which is the most: lift some (--lift), or cancel a campaign "
            "instead of its keys. Nothing was changed."
        )
    return done


async def lift(ledger: Ledger, target: Target) -> None:
    """End a cancellation. Raises `ActError` where there is none."""
    if not await _amend(ledger, controls.lift(target)):
        raise ActError(_NOTHING_SUCH)


async def pause(ledger: Ledger, target: Target, why: str) -> Pause:
    """Pause a campaign or an account. Raises `ActError` where there is no room."""
    done = await _amend(ledger, controls.pause(target, why))
    if isinstance(done, Full):
        raise ActError(f"{done.most} pauses stand, which is the most: resume some. Nothing was changed.")
    return done


async def resume(ledger: Ledger, target: Target) -> bool:
    """End a pause; say whether the target is cancelled as well. Raises `ActError` where there is no pause."""
    if not await _amend(ledger, controls.resume(target)):
        raise ActError(_NOTHING_SUCH)
    return target in (await standing(ledger)).cancelled


async def standing(ledger: Ledger) -> Standing:
    """Return what stands. Raises `ActError` where the note can't be read."""
    record = await ledger.look(NOTE)
    try:
        return controls.read(content(record))
    except UnreadableError as error:
        raise ActError(UNREADABLE) from error


async def _amend(ledger: Ledger, change: Change[T]) -> T:
    try:
        return await ledger.transact(NOTE, amend(NOTE, change))
    except UnreadableError as error:
        raise ActError(f"{UNREADABLE} Nothing was changed.") from error


async def bring_back(desk: Desk, tiers: tuple[Tier, ...], target: Target) -> int:
    """Put what is meant and waits in a long tier back into its lane; return how much.

    Each is confirmed in its lane before it leaves its tier: whatever breaks off, none is lost, and a key acts once.
    Raises `NotReachedError` and `BrokerAwayError`.
    """
    meant, count = Standing(cancelled={target: Cancellation(0.0, 0.0)}), 0
    for tier in tiers:
        if tier.seconds > SHORT:
            async with desk.shelf.open(desk.names.retry(tier.name)) as browsing:
                async for found in browsing:
                    if _is_meant(meant, found):
                        await _bring_back(desk, found)
                        count += 1
    return count


def _is_meant(meant: Standing, found: Found) -> bool:
    envelope, _problem = read_envelope(found.properties)
    return meant.cancels(envelope.account, envelope.key, envelope.campaign, _call_id(found.body)) is not None


def _call_id(body: bytes) -> str | None:
    told: Any = orjson.loads(body)  # a worker has judged it before it wrote the copy
    inner = told.get("params")
    name = told.get("id") or (inner.get("id") if isinstance(inner, Mapping) else None)
    return name.lower() if isinstance(name, str) else None


async def _bring_back(desk: Desk, found: Found) -> None:
    published = await desk.publisher.publish(back(desk.names, found.body, found.properties))
    if published is not Published.CONFIRMED:
        raise NotReachedError(
            f"The cancellation stands, but the broker did not confirm a command that waits ({published.value}): it "
            "is answered when its time comes, or when this is run again."
        )
    await found.take()
