"""Where the documentation is stricter than its users: four rules, each with a name and a switch."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from callmq_contracts.catalog import CATALOG
from callmq_contracts.faults import Fault, Loc
from callmq_contracts.problem import FieldCode

Json = dict[str, Any]

_MAX_INTEGER: Final = 2**64 - 1
_MAX_DOUBLE: Final = 2**53  # beyond it a double stands for several whole numbers


@dataclass(frozen=True, slots=True)
class Leniency:
    """One rule. ``applies`` looks at the params and the idempotency key, ``mend`` returns new params."""

    name: str
    applies: Callable[[Mapping[str, Any], str | None], bool]
    mend: Callable[[Json, str], Json]
    refusal: Fault | None = None
    """What is wrong with the body when the rule is off, where the models would not say it."""
    moved: tuple[Loc, Loc] | None = None
    """Where the models see it, and where the producer wrote it."""


class Mended(NamedTuple):
    """A body after its leniencies. The published one is left as it was."""

    body: Json
    applied: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    moved: tuple[tuple[Loc, Loc], ...] = ()


def derived_control_id(key: str) -> str:
    """Return the control id that belongs to an idempotency key: the same for every repetition."""
    return "cq-" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _only_status(params: Mapping[str, Any], _key: str | None) -> bool:
    return "status" in params and "url" not in params and "swml" not in params


def _unnamed(params: Mapping[str, Any], key: str | None) -> bool:
    return key is not None and "control_id" not in params


def _integer_timeout(params: Mapping[str, Any], _key: str | None) -> bool:
    timeout = params.get("timeout")
    if type(timeout) is float and timeout.is_integer() and timeout <= _MAX_DOUBLE:
        timeout = int(timeout)
    return type(timeout) is int and 0 <= timeout <= _MAX_INTEGER


def _bare_audio(params: Mapping[str, Any], _key: str | None) -> bool:
    return "audio" in params and "record" not in params


def _wrapped(params: Json, _key: str) -> Json:
    return {("record" if k == "audio" else k): ({"audio": v} if k == "audio" else v) for k, v in params.items()}


UPDATE_STATUS_ONLY: Final = Leniency(
    "update_status_only",
    _only_status,
    lambda params, _key: params,
    refusal=Fault(("params", "url"), FieldCode.MISSING, "is required: an update needs url or swml"),
)
CONTROL_ID_DERIVED: Final = Leniency(
    "control_id_derived", _unnamed, lambda params, key: {**params, "control_id": derived_control_id(key)}
)
AI_HOLD_TIMEOUT_INTEGER: Final = Leniency(
    "ai_hold_timeout_integer",
    _integer_timeout,
    lambda params, _key: {**params, "timeout": str(int(params["timeout"]))},
)
RECORD_AUDIO_UNWRAPPED: Final = Leniency(
    "record_audio_unwrapped",
    _bare_audio,
    _wrapped,
    moved=(("params", "record", "audio"), ("params", "audio")),
)

_ALL: Final = (UPDATE_STATUS_ONLY, CONTROL_ID_DERIVED, AI_HOLD_TIMEOUT_INTEGER, RECORD_AUDIO_UNWRAPPED)
_OWN: Final[Mapping[str, tuple[Leniency, ...]]] = {
    "update": (UPDATE_STATUS_ONLY,),
    "calling.ai_hold": (AI_HOLD_TIMEOUT_INTEGER,),
    "calling.record": (RECORD_AUDIO_UNWRAPPED,),
}
_OF: Final[Mapping[str, tuple[Leniency, ...]]] = {
    name: rules
    for name, entry in CATALOG.items()
    if (rules := _OWN.get(name, ()) + ((CONTROL_ID_DERIVED,) if entry.starts else ()))
}

ALL_LENIENCIES: Final[frozenset[str]] = frozenset(rule.name for rule in _ALL)
"""The names of all four: on, unless a worker's settings say otherwise."""


def mended(name: str, body: Json, key: str | None, enabled: frozenset[str]) -> Mended:
    """Return ``body`` of the command ``name`` with the enabled leniencies that it needs."""
    rules = _OF.get(name)
    if rules is None or not isinstance(params := body.get("params"), dict):
        return Mended(body)
    applying = [rule for rule in rules if rule.applies(params, key)]
    if not applying:
        return Mended(body)
    used = [rule for rule in applying if rule.name in enabled]
    for rule in used:
        params = rule.mend(params, key or "")
    return Mended(
        {**body, "params": params} if used else body,
        tuple(rule.name for rule in used),
        tuple(rule.refusal for rule in applying if rule.refusal and rule.name not in enabled),
        tuple(rule.moved for rule in used if rule.moved),
    )
