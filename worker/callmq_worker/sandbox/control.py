"""The control API below ``/_sandbox/``: arm faults, read the journal, look at calls and force their states."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeAlias

import orjson

from callmq_worker.adapters.web import Request, Response
from callmq_worker.sandbox.calls import FORCIBLE, Call, Calls, Operation
from callmq_worker.sandbox.faults import Faults, read_fault
from callmq_worker.sandbox.journal import Journal
from callmq_worker.sandbox.leg import portrait
from callmq_worker.sandbox.rules import FAXES, STARTS
from callmq_worker.sandbox.settings import SandboxSettings

PREFIX: Final = "/_sandbox"
_JSON: Final = (("content-type", "application/json"),)
_CALL_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_PAGE: Final = 1000
_MAX_PAGE: Final = 10_000


class Room(Protocol):
    """What the control API works on."""

    settings: SandboxSettings
    calls: Calls
    faults: Faults
    journal: Journal

    @property
    def now(self) -> Callable[[], float]:
        """Return the clock."""

    def change(self, settings: SandboxSettings) -> None:
        """Take other settings."""

    def release(self) -> int:
        """Let every held answer go; return how many there were."""

    def reset(self) -> None:
        """Forget everything that happened."""


Route: TypeAlias = Callable[[Room, Request, str], Any]


class _MissingError(Exception):
    """What the path names is not there."""


def control(room: Room, request: Request) -> Response:
    """Answer one control request; a mistake in it is a 400 with a sentence."""
    if not (room.settings.open_control or _loopback(request.peer)):
        return _say(403, {"error": "The control API answers this machine only; --open-control opens it."})
    _, _, rest = request.path.removeprefix(PREFIX).partition("/")
    place, _, name = rest.partition("/")
    known = {method for method, at, named in _ROUTES if (at, named) == (place, bool(name))}
    route = _ROUTES.get((request.method, place, bool(name)))
    if route is None:
        return _say(405 if known else 404, {"error": f"Here is {', '.join(sorted(known)) or 'nothing'}."})
    try:
        return _say(200, route(room, request, name))
    except ValueError as error:
        return _say(400, {"error": str(error)})
    except _MissingError as error:
        return _say(404, {"error": str(error)})


def _arm(room: Room, request: Request, _: str) -> Any:
    fault = read_fault(_document(request))
    return {"id": room.faults.arm(fault), **fault.as_dict()}


def _faults(room: Room, _request: Request, _: str) -> Any:
    return {"faults": room.faults.listed()}


def _disarm_all(room: Room, _request: Request, _: str) -> Any:
    room.faults.disarm()
    return {"released": room.release()}


def _disarm(room: Room, _request: Request, name: str) -> Any:
    if not room.faults.disarm(_number("id", name)):
        raise _MissingError("No such fault is armed.")
    return {}


def _release(room: Room, _request: Request, _: str) -> Any:
    return {"released": room.release()}


def _journal(room: Room, request: Request, _: str) -> Any:
    query = request.query
    since, limit = _number("since", query.get("since", "0")), _number("limit", query.get("limit", str(_PAGE)))
    return room.journal.as_dict(since, min(limit, _MAX_PAGE), query.get("key"), query.get("call_id"))


def _forget_journal(room: Room, _request: Request, _: str) -> Any:
    room.journal.clear()
    return {}


def _calls(room: Room, request: Request, _: str) -> Any:
    now = room.now()
    limit = min(_number("limit", request.query.get("limit", str(_PAGE))), _MAX_PAGE)
    listed = list(room.calls.listed(now))
    return {"calls": [portrait(call, now) for call in listed[-limit:] if limit], "known": len(listed)}


def _call(room: Room, _request: Request, name: str) -> Any:
    now = room.now()
    return portrait(_found(room, name, now), now)


def _make_call(room: Room, request: Request, _: str) -> Any:
    document, now = _object(_document(request), {"id", "state", "to", "from", "operations"}), room.now()
    call_id = document.get("id")
    if call_id is not None and not (isinstance(call_id, str) and _CALL_ID.fullmatch(call_id)):
        raise ValueError("id must be a UUID")
    state, operations = _state(document.get("state", "answered")), _operations(document.get("operations", []))
    sender, to = document.get("from", "+15550100000"), document.get("to", "+15550100001")
    if not isinstance(sender, str) or not isinstance(to, str):
        raise ValueError("from and to must be strings")  # noqa: TRY004 - one kind of error for the caller
    call = room.calls.make(call_id, state, now)
    call.sender, call.to = sender, to
    call.operations.update({(o.kind, o.control_id): o for o in operations})
    return portrait(call, now)


def _force(room: Room, request: Request, name: str) -> Any:
    now = room.now()
    state = _state(_object(_document(request), {"state"}).get("state"))
    call = _found(room, name, now)
    room.calls.force(call, state, now)
    return portrait(call, now)


def _settings(room: Room, _request: Request, _: str) -> Any:
    return room.settings.live()


def _change(room: Room, request: Request, _: str) -> Any:
    document = _document(request)
    if not isinstance(document, dict):
        raise ValueError("settings are an object")  # noqa: TRY004 - as above
    room.change(room.settings.changed(document))
    return room.settings.live()


def _reset(room: Room, _request: Request, _: str) -> Any:
    room.reset()
    return {}


def _health(room: Room, _request: Request, _: str) -> Any:
    return {"status": "ok", "received": room.journal.received}


_ROUTES: Final[Mapping[tuple[str, str, bool], Route]] = {
    ("POST", "faults", False): _arm,
    ("GET", "faults", False): _faults,
    ("DELETE", "faults", False): _disarm_all,
    ("DELETE", "faults", True): _disarm,
    ("POST", "release", False): _release,
    ("GET", "journal", False): _journal,
    ("DELETE", "journal", False): _forget_journal,
    ("GET", "calls", False): _calls,
    ("POST", "calls", False): _make_call,
    ("GET", "calls", True): _call,
    ("POST", "calls", True): _force,
    ("GET", "settings", False): _settings,
    ("PATCH", "settings", False): _change,
    ("POST", "reset", False): _reset,
    ("GET", "health", False): _health,
}


def _found(room: Room, call_id: str, now: float) -> Call:
    call = room.calls.find(call_id, now)
    if call is None:
        raise _MissingError("No such call.")
    return call


def _document(request: Request) -> Any:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise ValueError("the body is not JSON") from error


def _object(document: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(document, dict) or not document.keys() <= names:
        raise ValueError(f"the body is an object with {', '.join(sorted(names))} and nothing else")
    return document


def _state(state: Any) -> str:
    if state not in FORCIBLE:
        raise ValueError(f"state must be one of {', '.join(FORCIBLE)}")
    return str(state)


def _operations(wanted: Any) -> list[Operation]:
    kinds = STARTS | FAXES
    entries: list[Any] = wanted if isinstance(wanted, list) else [None]
    for entry in entries:
        good = isinstance(entry, dict) and entry.keys() == {"kind", "control_id"}
        if not good or not isinstance(entry["control_id"], str) or entry["kind"] not in sorted(kinds):
            raise ValueError(
                f"operations is a list of objects with control_id and kind, one of {', '.join(sorted(kinds))}"
            )
    return [Operation(entry["kind"], entry["control_id"], float("inf")) for entry in entries]


def _number(name: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ValueError(f"{name} must be a whole number from 0")
    return int(text)


def _loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _say(status: int, document: Any) -> Response:
    return Response(status, _JSON, orjson.dumps(document))
