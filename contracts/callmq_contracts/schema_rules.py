"""What the models' own JSON Schema leaves unsaid: rules that are functions, leniencies, and when the class changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from callmq_contracts.commands.call import MAX_VARIABLE_BYTES
from callmq_contracts.sample import EXAMPLE_CALL_ID
from callmq_contracts.schema_walk import Schema

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS: Final = rf"^({_OCTET}\.){{3}}{_OCTET}$"
_UNREACHABLE: Final = r"^(0|10|127)\.|^169\.254\.|^172\.(1[6-9]|2[0-9]|3[01])\.|^192\.168\.|^22[4-9]\.|^2[3-5][0-9]\."
_RESERVED: Final = "|".join(
    "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word)
    for word in ("signalwire_", "sw_", "rtc_", "internal_")
)


def _variables(models: Mapping[str, Schema]) -> None:
    """Characters stand for bytes here: of text beyond ASCII, the schema takes more than the worker does."""
    variables = models["DialParams"]["properties"]["custom_variables"]
    variables["propertyNames"] = {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": f"^({_RESERVED})"}}
    variables["additionalProperties"] = {"type": "string", "minLength": 1, "maxLength": MAX_VARIABLE_BYTES}


def _public_address(models: Mapping[str, Schema]) -> None:
    models["RtpParams"]["properties"]["addr"] |= {"pattern": _ADDRESS, "not": {"pattern": _UNREACHABLE}}


def _something_said(models: Mapping[str, Schema]) -> None:
    message = models["AiMessageParams"]
    said = {"required": ["message_text"], "properties": {"message_text": {"minLength": 1}}}
    message["anyOf"] = [said, *({"required": [key]} for key in ("reset", "global_data"))]


PROSE: Final[Mapping[str, Callable[[Mapping[str, Schema]], None]]] = MappingProxyType(
    {"dial": _variables, "calling.tap": _public_address, "calling.ai_message": _something_said}
)
"""By command: writes a rule, which is a function in the model, into the models of its JSON Schema."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A leniency in words. ``command`` is the one that has it; ``None``: each that starts an operation."""

    command: str | None
    text: str
    example: Mapping[str, Any]


LENIENT: Final[Mapping[str, Explained]] = MappingProxyType(
    {
        "update_status_only": Explained(
            "update",
            "`status` alone is enough: neither `url` nor `swml` is needed to end a call.",
            {"command": "update", "params": {"id": EXAMPLE_CALL_ID, "status": "canceled"}},
        ),
        "control_id_derived": Explained(
            None,
            "A missing `control_id` is derived from the idempotency key and told in the reply.",
            {"command": "calling.transcribe", "id": EXAMPLE_CALL_ID, "params": {}},
        ),
        "ai_hold_timeout_integer": Explained(
            "calling.ai_hold",
            "`timeout` may be a whole number; it is sent as text.",
            {"command": "calling.ai_hold", "id": EXAMPLE_CALL_ID, "params": {"timeout": 30}},
        ),
        "record_audio_unwrapped": Explained(
            "calling.record",
            "`audio` may stand directly in `params`; it is put into `record`.",
            {
                "command": "calling.record",
                "id": EXAMPLE_CALL_ID,
                "params": {"control_id": "meeting", "audio": {"format": "wav"}},
            },
        ),
    }
)
"""By name: the four leniencies."""

CLASSED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "update": "With `url` or `swml` it is unsafe; with `status` alone it is convergent.",
        "calling.live_transcribe": "`start` is guarded, `stop` is convergent, `summarize` is unsafe.",
        "calling.live_translate": "`start` is guarded, `stop` is convergent, `summarize` and `inject` are unsafe.",
        "calling.ai_hold": "With a `prompt` it is unsafe, because the prompt would be said again.",
        "calling.ai_message": "With `role` or `message_text` it is unsafe; with `reset` or `global_data` alone it is "
        "convergent.",
        "calling.ai_sidecar": "With `action` it is unsafe, because it asks for one more summary.",
    }
)
"""By command whose class follows from its body: which body gives which class."""
