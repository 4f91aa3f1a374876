"""What the examples are made of."""

from typing import Any, Final

EXAMPLE_CALL_ID: Final = "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"
"""The call id in every example: replace it by one of yours."""

OUR_NUMBER: Final = "+15550100001"
THEIR_NUMBER: Final = "+15550100002"

GREETING: Final[dict[str, Any]] = {
    "version": "1.0.0",
    "sections": {"main": [{"answer": {}}, {"play": {"url": "say:Your parcel arrives tomorrow."}}, {"hangup": {}}]},
}

Samples = dict[str, tuple[dict[str, Any], ...]]


def on_call(command: str, *params: dict[str, Any]) -> Samples:
    """Return the bodies of a command on the example's call, one for each ``params``."""
    return {command: tuple({"command": command, "id": EXAMPLE_CALL_ID, "params": each} for each in params)}


def off_call(command: str, *params: dict[str, Any]) -> Samples:
    """Return the bodies of a command without a top-level call id, one for each ``params``."""
    return {command: tuple({"command": command, "params": each} for each in params)}
