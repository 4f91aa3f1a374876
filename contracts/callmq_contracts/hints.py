"""The correction of a common mistake, in place of the plain sentence."""

from collections.abc import Mapping
from typing import Any, Final

from callmq_contracts.faults import Loc
from callmq_contracts.formats import FORMS, NUMERIC
from callmq_contracts.problem import FieldCode

_BESIDE_PARAMS: Final = "put the call id in id, beside params"
_ALTERNATIVES: Final[Mapping[str, str]] = {
    "calling.live_transcribe": 'is required: an action is start, summarize, or the word "stop"',
    "calling.live_translate": 'is required: an action is start, summarize, inject, or the word "stop"',
}


def hint(command: str, code: FieldCode, steps: Loc, document: Mapping[str, Any]) -> str | None:
    """Return what the producer should write instead, where that is known."""
    match code:
        case FieldCode.UNKNOWN_KEY:
            return _call_id_hint(command, steps) or _key_hint(command, steps, document)
        case FieldCode.MISSING:
            return _missing_hint(command, steps)
        case FieldCode.WRONG_TYPE if (command, *steps) == ("calling.ai_hold", "params", "timeout"):
            return FORMS[NUMERIC][1]
        case _:
            return None


def _call_id_hint(command: str, steps: Loc) -> str | None:
    if steps[-1] not in ("id", "call_id") or steps not in ((steps[-1],), ("params", steps[-1])):
        return None
    match command:
        case "dial":
            return "dial takes no call id: the call does not exist yet"
        case "update":
            return "put the call id in params.id"
        case _:
            return _BESIDE_PARAMS


def _key_hint(command: str, steps: Loc, document: Mapping[str, Any]) -> str | None:
    match steps:
        case (*_, "from_"):
            return "write from, without the underscore"
        case ("params", "audio") if command == "calling.record":
            return "put it into params.record.audio"
        case ("params", "play", int(index), str()) if "params" not in document["params"]["play"][index]:
            return "put it into the params of the item"
        case (str(),) if "params" not in document:
            return "put it into params"
        case _:
            return None


def _missing_hint(command: str, steps: Loc) -> str | None:
    match steps:
        case ("params", "play", int(), "params"):
            return "is required: what an item plays goes into its params"
        case ("params", "action", "start"):
            return _ALTERNATIVES.get(command)
        case ("params", "prompt", "text"):
            return "is required: a prompt is text, or an object with text, pom or file"
        case ("params", "prompt", "pom", *_, "bullets"):
            return "is required: a section has bullets, a body, or both"
        case _:
            return None
