"""Bodies of our own, for the demo, the documentation and the tests: the first of each command is the usual one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from callmq_contracts.examples_agent import AGENT_EXAMPLES
from callmq_contracts.examples_media import MEDIA_EXAMPLES
from callmq_contracts.sample import (
    EXAMPLE_CALL_ID,
    GREETING,
    OUR_NUMBER,
    THEIR_NUMBER,
    Samples,
    off_call,
    on_call,
)

__all__ = ["EXAMPLES", "EXAMPLE_CALL_ID"]

_PAIR: Final = {"from": OUR_NUMBER, "to": THEIR_NUMBER}
_FULL_DIAL: Final[dict[str, Any]] = {
    "from": OUR_NUMBER,
    "to": "sip:front-desk@voice.example.com",
    "url": "https://example.com/hotel/wake-up.json",
    "username": "front-desk",
    "password": "not-a-real-password",
    "caller_id": OUR_NUMBER,
    "fallback_url": "https://example.com/hotel/sorry.json",
    "status_url": "https://example.com/hotel/states",
    "status_events": ["created", "ringing", "answered", "ended"],
    "url_method": "GET",
    "codecs": ["OPUS", "G722", "PCMU"],
    "timeout": 25,
    "max_price_per_minute": 0.02,
    "send_digits": "ww42#",
    "region": ["eu-west", "us-east"],
    "custom_variables": {"room": "312", "guest_language": "de"},
}

_CALL_EXAMPLES: Final[Samples] = {
    **off_call(
        "dial",
        {**_PAIR, "url": "https://example.com/parcel/tomorrow.json"},
        {**_PAIR, "swml": GREETING, "codecs": "PCMU,PCMA", "region": "us-east"},
        _FULL_DIAL,
        {"from": "reception", "to": "/support/night-shift?channel=audio", "url": "https://example.com/night.json"},
        {"from": OUR_NUMBER, "to_script": GREETING, "url": "https://example.com/parcel/tomorrow.json"},
        {"from": OUR_NUMBER, "to_script": "https://example.com/desk.yaml", "swml": GREETING},
    ),
    **off_call(
        "update",
        {"id": EXAMPLE_CALL_ID, "url": "https://example.com/parcel/reschedule.json"},
        {"id": EXAMPLE_CALL_ID, "swml": GREETING, "status_url": "https://example.com/parcel/states"},
        {
            "id": EXAMPLE_CALL_ID,
            "url": "https://example.com/parcel/bye.json",
            "fallback_url": "https://example.com/parcel/sorry.json",
            "status": "completed",
        },
        {"id": EXAMPLE_CALL_ID, "status": "canceled"},
    ),
    **on_call("calling.end", {"reason": "hangup"}, {}),
    **on_call("calling.disconnect", {}),
    **on_call("calling.transfer", {"dest": THEIR_NUMBER}, {"dest": GREETING}),
    **on_call(
        "calling.refer",
        {"device": {"type": "sip", "params": {"to": "sip:billing@voice.example.com"}}},
        {
            "device": {
                "type": "sip",
                "params": {
                    "to": "sip:billing@voice.example.com",
                    "from": "sip:front-desk@voice.example.com",
                    "username": "front-desk",
                    "password": "not-a-real-password",
                },
            },
            "status_url": "https://example.com/hotel/referred",
        },
    ),
    **on_call("calling.user_event", {"event": {"kind": "page-opened", "page": 7, "tags": ["vip", None]}}),
}

EXAMPLES: Final[Mapping[str, tuple[dict[str, Any], ...]]] = MappingProxyType(
    {**_CALL_EXAMPLES, **MEDIA_EXAMPLES, **AGENT_EXAMPLES}
)
"""Example bodies by command: one at least for each, and one for each branch of each union."""
