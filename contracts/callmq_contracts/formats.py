"""The types of single values: text with a form, numbers, and the sentence for each form."""

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import ValidationError

from callmq_contracts.faults import Fault, own_error, refusal
from callmq_contracts.problem import FieldCode
from callmq_contracts.urls import (
    DESTINATION,
    LOOSE_SOCKET_URL,
    LOOSE_WEB_URL,
    SECURE_SOCKET_URL,
    SIP_URI,
    WEB_URL,
    url_fault,
)

CALL_ID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_CALL_ID: Final = re.compile(CALL_ID)
TONES: Final = r"^[0-9A-Da-d*#]*$"
SENT_TONES: Final = r"^[0-9A-D*#w,]*$"
NUMERIC: Final = r"^[0-9]+$"
FILTER: Final = r"^(polite|rude|professional|shakespeare|gen-z|prompt:[^\n]+)$"

Codec = Literal[
    "OPUS",
    "OPUS@48000H@20I",
    "OPUS@24000H@20I",
    "OPUS@16000H@20I",
    "OPUS@8000H@20I",
    "G722",
    "PCMU",
    "PCMA",
    "G729",
    "VP8",
    "H264",
]
CODECS: Final[tuple[str, ...]] = get_args(Codec)
_CODEC = "|".join(CODECS)
CODEC_LIST: Final = rf"^({_CODEC})(, *({_CODEC}))*$"

FORMS: Final[Mapping[str, tuple[FieldCode, str]]] = {
    CALL_ID: (FieldCode.BAD_FORMAT, "must be a call id: 8-4-4-4-12 hexadecimal digits"),
    WEB_URL: (FieldCode.BAD_FORMAT, "must be a URL that starts with http:// or https://"),
    LOOSE_WEB_URL: (FieldCode.BAD_FORMAT, "must be a URL that starts with http:// or https://"),
    LOOSE_SOCKET_URL: (FieldCode.BAD_FORMAT, "must be a URL that starts with ws:// or wss://"),
    SECURE_SOCKET_URL: (FieldCode.BAD_FORMAT, "must be a URL that starts with wss://"),
    SIP_URI: (FieldCode.BAD_FORMAT, "must be a SIP address that starts with sip:"),
    DESTINATION: (
        FieldCode.BAD_FORMAT,
        "must be a number in E.164 form (+15550100), a sip:, sips:, verto: or client: address, or /context/name",
    ),
    TONES: (FieldCode.BAD_FORMAT, "may only contain the keys 0-9, A-D, * and #"),
    SENT_TONES: (FieldCode.BAD_FORMAT, "may only contain 0-9, A-D, *, #, w (wait) and , (pause)"),
    NUMERIC: (FieldCode.BAD_FORMAT, "must be a whole number of seconds, 0 or more, written as text: only digits"),
    FILTER: (
        FieldCode.NOT_ALLOWED,
        "must be polite, rude, professional, shakespeare, gen-z, or prompt: and your own words on one line",
    ),
    CODEC_LIST: (FieldCode.NOT_ALLOWED, "must be a comma-separated list of: " + ", ".join(CODECS)),
}


def misformed(pattern: str, value: str) -> tuple[FieldCode, str]:
    """Return the code and the sentence for a ``value`` that a pattern of `FORMS` refused."""
    code, sentence = FORMS[pattern]
    return code, url_fault(pattern, value) or sentence


_UNREACHABLE: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "224.0.0.0/3",
    )
)


def whole(value: Any) -> Any:
    """Return 1.0 as 1: JSON knows one kind of number."""
    return int(value) if type(value) is float and value.is_integer() else value


def _public_address(value: str) -> str:
    try:
        address = IPv4Address(value)
    except AddressValueError:
        raise own_error(FieldCode.BAD_FORMAT, "must be an IPv4 address") from None
    if any(address in block for block in _UNREACHABLE):
        raise own_error(FieldCode.NOT_ALLOWED, "must be a public address: it is in a private or reserved range")
    return value


def _document(value: dict[str, Any]) -> dict[str, Any]:
    if "sections" not in value:
        raise _without_sections()
    return value


def _without_sections() -> ValidationError:
    return refusal("swml", [Fault(("sections",), FieldCode.MISSING, "is required: a SWML document has sections")])


def in_schema(**keywords: Any) -> Any:
    """Say in the JSON Schema what a function checks."""
    return Field(json_schema_extra=keywords)


def _shaped(pattern: str) -> Any:
    return Field(min_length=1, pattern=pattern)


Text = Annotated[str, Field(min_length=1)]
CallId = Annotated[str, _shaped(CALL_ID)]
ControlId = Annotated[str, Field(min_length=1)]
WebUrl = Annotated[str, _shaped(WEB_URL)]
LooseWebUrl = Annotated[str, _shaped(LOOSE_WEB_URL)]
LooseSocketUrl = Annotated[str, _shaped(LOOSE_SOCKET_URL)]
SecureSocketUrl = Annotated[str, _shaped(SECURE_SOCKET_URL)]
SipUri = Annotated[str, _shaped(SIP_URI)]
Destination = Annotated[str, _shaped(DESTINATION)]
Tones = Annotated[str, Field(pattern=TONES)]
SentTones = Annotated[str, Field(pattern=SENT_TONES)]
NumericText = Annotated[str, _shaped(NUMERIC)]
VoiceFilter = Annotated[str, _shaped(FILTER)]
CodecText = Annotated[str, _shaped(CODEC_LIST)]
PublicAddress = Annotated[str, Field(min_length=1), AfterValidator(_public_address), in_schema(format="ipv4")]

Whole = Annotated[int, BeforeValidator(whole)]
PositiveWhole = Annotated[int, Field(gt=0), BeforeValidator(whole)]
NaturalWhole = Annotated[int, Field(ge=0), BeforeValidator(whole)]
Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[float, Field(ge=0)]
Decibels = Annotated[float, Field(ge=-40, le=40)]

Heard = Literal["listen", "speak", "both"]
Gender = Literal["male", "female"]
Leg = Literal["remote-caller", "local-caller"]
SpeechEngine = Literal["deepgram", "google"]
HttpMethod = Literal["GET", "POST"]

Free = dict[str, Any]
Swml = Annotated[dict[str, Any], AfterValidator(_document), in_schema(required=["sections"])]


def ranged(low: int, high: int) -> Any:
    """Return the marks of an integer from ``low`` to ``high``: ``Annotated[int, *ranged(1, 5)]``."""
    return Field(ge=low, le=high), BeforeValidator(whole)


def is_call_id(value: str) -> bool:
    """Tell whether ``value`` has the form of a call id."""
    return _CALL_ID.fullmatch(value) is not None
