"""The correction of a common mistake, in place of the plain sentence."""

from collections.abc import Mapping
from typing import Any, Final

from callmq_contracts.catalog import CATALOG
from callmq_contracts.commands.play import AudioParams, RingtoneParams, SilenceParams, TtsParams
from callmq_contracts.faults import Loc
from callmq_contracts.formats import FORMS, NUMERIC
from callmq_contracts.problem import FieldCode
from callmq_contracts.shapes import Body, Closed, wire_keys


def _keys_of_params(model: type[Body]) -> frozenset[str]:
    params = model.model_fields["params"].annotation
    return wire_keys(params) if isinstance(params, type) and issubclass(params, Closed) else frozenset()


_PARAMS: Final = {name: _keys_of_params(entry.model) for name, entry in CATALOG.items()}
_OF_ITEM: Final = {
    "audio": wire_keys(AudioParams),
    "tts": wire_keys(TtsParams),
    "silence": wire_keys(SilenceParams),
    "ringtone": wire_keys(RingtoneParams),
}
_UNDERSCORE: Final = "write from, without the underscore"
_ACTIONS: Final[Mapping[str, str]] = {
    "calling.live_transcribe": 'the word "stop", or an object with start or summarize',
    "calling.live_translate": 'the word "stop", or an object with start, summarize or inject',
}


def hint(command: str, code: FieldCode, steps: Loc, document: Mapping[str, Any]) -> str | None:
    """Return what the producer should write instead, where that is known."""
    match code:
        case FieldCode.UNKNOWN_KEY:
            return _call_id_hint(command, steps, document) or _key_hint(command, steps, document)
        case FieldCode.MISSING:
            return _missing_hint(command, steps)
        case FieldCode.NOT_ALLOWED | FieldCode.WRONG_TYPE if command in _ACTIONS and steps == ("params", "action"):
            return f"must be {_ACTIONS[command]}"
        case FieldCode.WRONG_TYPE if (command, *steps) == ("calling.ai_hold", "params", "timeout"):
            return FORMS[NUMERIC][1]
        case _:
            return None


def _call_id_hint(command: str, steps: Loc, document: Mapping[str, Any]) -> str | None:
    if steps[-1] not in ("id", "call_id") or steps not in ((steps[-1],), ("params", steps[-1])):
        return None
    match command:
        case "dial":
            return "dial takes no call id: the call does not exist yet"
        case "update":
            return _moved(document, "params.id", "put the call id in params.id")
        case _:
            return _moved(document, "id", "put the call id in id, beside params")


def _moved(document: Mapping[str, Any], goal: str, sentence: str) -> str:
    """Return the sentence that says to move something to ``goal``, unless something stands there."""
    holder: Any = document
    for step in goal.split("."):
        if not isinstance(holder, Mapping) or step not in holder:
            return sentence
        holder = holder[step]
    return f"remove it: {goal} is already given"


def _key_hint(command: str, steps: Loc, document: Mapping[str, Any]) -> str | None:
    match steps:
        case ("params", "from_") if "from" in _PARAMS[command]:
            return _moved(document, "params.from", _UNDERSCORE)
        case ("params", "device", "params", "from_") if command == "calling.refer":
            return _moved(document, "params.device.params.from", _UNDERSCORE)
        case ("params", "audio") if command == "calling.record":
            return _moved(document, "params.record.audio", "put it into params.record.audio")
        case ("params", "play", int(index), str(key)) if key in _missed(document["params"]["play"][index]):
            return "put it into the params of the item"
        case (str(key),) if "params" not in document and key in _PARAMS[command]:
            return "put it into params"
        case _:
            return None


def _missed(item: Mapping[str, Any]) -> frozenset[str]:
    """Return what stands in the params of such an item, where it has none or they are empty."""
    return frozenset() if item.get("params") else _OF_ITEM[item["type"]]


def _missing_hint(command: str, steps: Loc) -> str | None:
    match steps:
        case ("params", "play", int(), "params"):
            return "is required: what an item plays goes into its params"
        case ("params", "action", "start") if command in _ACTIONS:
            return f"is required: an action is {_ACTIONS[command]}"
        case ("params", "prompt", "text"):
            return "is required: a prompt is text, or an object with text, pom or file"
        case ("params", "prompt", "pom", *_, "bullets"):
            return "is required: a section has bullets, a body, or both"
        case _:
            return None
