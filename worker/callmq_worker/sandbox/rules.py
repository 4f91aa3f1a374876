"""What each command does to a call, and when it is refused: pure."""

from math import inf
from typing import Any, Final

from callmq_contracts.command import Command
from callmq_worker.sandbox.calls import ANSWERED, CREATED, QUEUED, RINGING, Call, Calls, Operation, Result
from callmq_worker.sandbox.refusal import CONFLICT, NOT_FOUND, Refusal, unprocessable

ENDS: Final = frozenset({"calling.end", "calling.disconnect"})
STARTS: Final = frozenset({"play", "record", "collect", "detect", "tap", "stream", "transcribe"})
FAXES: Final = frozenset({"send_fax", "receive_fax"})
LIVE: Final = frozenset({"live_transcribe", "live_translate"})
_LASTING: Final = frozenset({"tap", "stream", "transcribe", "live_transcribe", "live_translate", "ai_sidecar"})
_NOT_ANSWERED: Final = frozenset({QUEUED, CREATED, RINGING})


def act(calls: Calls, command: Command, now: float) -> Result:
    """Carry out a command at a time; return the call it acted on, or the refusal after which nothing has changed."""
    params: dict[str, Any] = command.body.get("params") or {}
    if command.name == "dial":
        return calls.dial(params, now)
    call = calls.find(command.call_id, now)
    if call is None:
        return NOT_FOUND
    if command.name == "update":
        return _update(calls, call, params, now)
    if call.over(now):
        return unprocessable("invalid_state", "The call has ended.")
    if command.name in ENDS:
        calls.end(call, now)
        return call
    kind, _, verb = command.name.removeprefix("calling.").partition(".")
    if kind in STARTS | FAXES:
        control_id = command.control_id or ""
        return _operate(call, kind, verb, control_id, now) if verb else _start(calls, call, (kind, control_id), now)
    if kind in LIVE:
        return _live(calls, call, kind, params, now)
    if kind == "ai_sidecar":
        return _sidecar(calls, call, verb, params, now)
    return call


def _update(calls: Calls, call: Call, params: dict[str, Any], now: float) -> Result:
    state = call.status(now)
    if call.over(now):
        return unprocessable("cannot_update_completed", "The call has ended.", "status")
    match params.get("status"):
        case "canceled" if state in _NOT_ANSWERED:
            calls.end(call, now, "canceled")
        case "canceled":
            return unprocessable(
                "cannot_cancel_in_progress", "Only a queued or ringing call can be canceled.", "status"
            )
        case "completed" if state == ANSWERED:
            calls.end(call, now, "completed")
        case "completed":
            return unprocessable("invalid_state", "Only an answered call can be completed.", "status")
        case _ if state == ANSWERED:
            call.url = params.get("url", call.url)
        case _:
            return unprocessable("cannot_redirect_not_in_progress", "Only an answered call can be redirected.")
    return call


def _start(calls: Calls, call: Call, key: tuple[str, str], now: float) -> Result:
    kind, control_id = key
    running = call.active(now, kind)
    if any(operation.control_id == control_id for operation in running):
        return unprocessable("not_unique", "An operation with this control_id is active.", "control_id")
    if running and kind == "transcribe":
        return CONFLICT
    lasts = inf if kind in _LASTING else calls.settings.operation_seconds
    call.operations[key] = Operation(kind, control_id, now + lasts)
    return call


def _operate(call: Call, kind: str, verb: str, control_id: str, now: float) -> Result:
    found = [operation for operation in call.active(now, kind) if operation.control_id == control_id]
    if not found:
        return _none_active("control_id")
    if verb == "stop":
        del call.operations[kind, control_id]
    elif verb in ("pause", "resume"):
        found[0].paused = verb == "pause"
    return call


def _live(calls: Calls, call: Call, kind: str, params: dict[str, Any], now: float) -> Result:
    action = params.get("action")
    running = call.active(now, kind)
    if isinstance(action, dict) and "start" in action:
        return _start_one(calls, call, kind, now)
    if not running:
        return _none_active(None)
    if action == "stop":
        call.operations.pop((kind, ""))
    return call


def _sidecar(calls: Calls, call: Call, verb: str, params: dict[str, Any], now: float) -> Result:
    running = call.active(now, "ai_sidecar")
    if not verb and "action" not in params:
        return _start_one(calls, call, "ai_sidecar", now)
    if not running and verb != "status":
        return _none_active(None)
    if verb == "stop":
        call.operations.pop(("ai_sidecar", ""))
    return call


def _start_one(calls: Calls, call: Call, kind: str, now: float) -> Result:
    """Start what has no control_id: one of its kind on a call."""
    return (
        unprocessable("invalid_state", "It is active already.")
        if call.active(now, kind)
        else _start(calls, call, (kind, ""), now)
    )


def _none_active(attribute: str | None) -> Refusal:
    return unprocessable("does_not_exist", "No such operation is active.", attribute)
