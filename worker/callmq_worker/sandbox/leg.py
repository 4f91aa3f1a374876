"""The JSON in which the endpoint describes a call."""

from math import inf
from typing import Any, Final

from callmq_contracts.reply import iso_time
from callmq_worker.sandbox.calls import Call

_SIP: Final = ("sip:", "sips:")
_WEB: Final = ("client:", "verto:")


def leg(call: Call, now: float) -> dict[str, Any]:
    """Return the call leg that answers a command, or the shorter one of a fabric device."""
    fields: dict[str, Any] = {
        "id": call.id,
        "from": call.sender,
        "to": call.to,
        "direction": "outbound-api",
        "source": "realtime_api",
        "url": call.url,
        "charge": 0.0,
        "created_at": iso_time(call.created_at),
        "charge_details": [],
    }
    if call.to.startswith("/"):
        return {**fields, "status": None, "type": "fabric_subscriber_device_leg"}
    talked = _talked(call, now)
    return {
        **fields,
        "status": call.status(now),
        "duration": None if talked is None else int(talked),
        "duration_ms": None if talked is None else int(talked * 1000),
        "billing_ms": None if talked is None else int(talked * 1000),
        "type": _type(call.to),
        "parent_id": None,
    }


def portrait(call: Call, now: float) -> dict[str, Any]:
    """Return what the control API says of a call: times in seconds since the epoch, null where not known."""
    operations = [operation for kind in sorted({k for k, _ in call.operations}) for operation in call.active(now, kind)]
    return {
        "id": call.id,
        "state": call.status(now),
        "created_at": call.created_at,
        **{name: _known(getattr(call, name)) for name in ("started", "rings", "answers", "ends")},
        "operations": [
            {"kind": o.kind, "control_id": o.control_id, "paused": o.paused, "ends": _known(o.ends)} for o in operations
        ],
    }


def _talked(call: Call, now: float) -> float | None:
    """Return the seconds between answer and end, None before the end or without an answer."""
    return call.ends - call.answers if call.over(now) and call.answers <= call.ends else None


def _known(time: float) -> float | None:
    return None if time == inf else time


def _type(to: str) -> str:
    if to.startswith(_SIP):
        return "relay_sip_call"
    return "relay_webrtc_call" if to.startswith(_WEB) else "relay_pstn_call"
