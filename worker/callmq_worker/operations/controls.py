"""What operators tell all workers: cancel, pause, resume; each is one change of the note that they look at."""

from typing import Any, Final

from callmq_worker.core import controls
from callmq_worker.core.controls import NOTE, Cancellation, Change, Full, Pause, Scope, Target, UnreadableError
from callmq_worker.core.note import amend, content
from callmq_worker.core.record import T
from callmq_worker.operations.desk import ActError
from callmq_worker.ports import Clock, Ledger

_UNREADABLE: Final = "What stands in the ledger was written by a newer version: use that version's callmq."


async def cancel(ledger: Ledger, target: Target, seconds: float) -> Cancellation:
    """Cancel a key, a campaign or a call for so long. Raises `ActError` where too many stand already."""
    found = await _change(ledger, controls.cancel(target, seconds))
    if isinstance(found, Full):
        raise ActError(
            f"{found.most} cancellations stand already: cancel a campaign or a call, or end some with 'callmq resume'."
        )
    return found


async def pause(ledger: Ledger, target: Target, why: str) -> Pause:
    """Pause a campaign's dials or an account. Raises `ActError` where too many stand already."""
    found = await _change(ledger, controls.pause(target, why))
    if isinstance(found, Full):
        raise ActError(f"{found.most} pauses stand already: end some with 'callmq resume'.")
    return found


async def resume(ledger: Ledger, target: Target) -> list[str]:
    """End what stands for a target: its pause, or its cancellation. Raises `ActError` where nothing does."""
    ended = []
    if target.scope in (Scope.CAMPAIGN, Scope.ACCOUNT) and await _change(ledger, controls.resume(target)):
        ended.append("pause")
    if target.scope is not Scope.ACCOUNT and await _change(ledger, controls.lift(target)):
        ended.append("cancellation")
    if not ended:
        raise ActError(f"Nothing stands for this {target.scope.value}: 'callmq controls' lists what does.")
    return ended


async def standing(ledger: Ledger, clock: Clock, *, masked: bool) -> list[dict[str, Any]]:
    """Return what stands, oldest first."""
    try:
        return controls.rows(controls.read(content(await ledger.look(NOTE))).at(clock.now()), masked=masked)
    except UnreadableError as error:
        raise ActError(_UNREADABLE) from error


async def _change(ledger: Ledger, change: Change[T]) -> T:
    try:
        return await ledger.transact(NOTE, amend(NOTE, change))
    except UnreadableError as error:
        raise ActError(_UNREADABLE) from error
