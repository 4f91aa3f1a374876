"""Commands on the call itself: dial, update, end, disconnect, transfer, refer, user_event."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from callmq_contracts.commands.control import NoParams
from callmq_contracts.faults import Fault, refusal
from callmq_contracts.formats import (
    CallId,
    Codec,
    CodecText,
    Destination,
    Free,
    HttpMethod,
    LooseWebUrl,
    Natural,
    SentTones,
    SipUri,
    Swml,
    Text,
    WebUrl,
    ranged,
)
from callmq_contracts.problem import MAX_ERRORS, FieldCode
from callmq_contracts.shapes import (
    Body,
    Closed,
    Items,
    Maybe,
    OnCall,
    Ruled,
    SomeItems,
    absent,
    at_least_one,
    exactly_one,
)
from callmq_contracts.unions import ByShape

MAX_VARIABLES: Final = 20
MAX_VARIABLE_BYTES: Final = 1024
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_RESERVED: Final = ("signalwire_", "sw_", "rtc_", "internal_")


def _variable_fault(name: str, value: Any) -> Fault | None:
    loc = (name,)
    if not _VARIABLE.match(name):
        return Fault(loc, FieldCode.BAD_FORMAT, "names are letters, digits and _, and do not start with a digit")
    if name.lower().startswith(_RESERVED):
        return Fault(loc, FieldCode.NOT_ALLOWED, "names that start with " + ", ".join(_RESERVED) + " are reserved")
    if not isinstance(value, str):
        return Fault(loc, FieldCode.WRONG_TYPE, "must be text")
    if not value:
        return Fault(loc, FieldCode.EMPTY, "must not be empty")
    if len(value.encode("utf-8", "surrogatepass")) > MAX_VARIABLE_BYTES:
        return Fault(loc, FieldCode.OUT_OF_BOUNDS, f"must be at most {MAX_VARIABLE_BYTES} bytes of UTF-8")
    return None


def _variables(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    each = (fault for name, text in value.items() if (fault := _variable_fault(name, text)))
    faults = list(islice(each, MAX_ERRORS))
    if len(value) > MAX_VARIABLES:
        faults.insert(0, Fault((), FieldCode.OUT_OF_BOUNDS, f"at most {MAX_VARIABLES} are allowed"))
    if faults:
        raise refusal("custom_variables", faults)
    return value


CallState = Literal["created", "ringing", "answered", "ended"]
_ENDED: Final[list[CallState]] = ["ended"]
Variables = Annotated[
    dict[str, str], BeforeValidator(_variables), Field(json_schema_extra={"maxProperties": MAX_VARIABLES})
]
TextOrSwml = Annotated[Text | Swml, ByShape("text", "object")]


def _one_document(given: Mapping[str, Any]) -> Iterator[Fault]:
    if given.get("url") is not None and given.get("swml") is not None:
        yield Fault(("swml",), FieldCode.CONFLICT, "either url or swml, not both")


class DialParams(Ruled):
    """Whom to call, and what runs once they answer. One of ``url`` and ``swml``; ``to`` unless ``to_script``."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [exactly_one("url", "swml"), at_least_one("to", "to_script")]}
    )

    from_: Annotated[Text, Field(alias="from")]
    """Who is calling: an E.164 number; for SIP and Verto also a SIP address or a short caller id."""
    to: Maybe[Destination] = None
    """Whom to call: E.164, ``sip:``, ``sips:``, ``verto:``, ``client:`` or a fabric address."""
    url: Maybe[LooseWebUrl] = None
    """Where the SWML document of the call is fetched."""
    swml: Maybe[Swml] = None
    """The SWML document itself."""
    username: Maybe[str] = None
    """SIP user name, for a SIP destination."""
    password: Maybe[str] = None
    """SIP password, for a SIP destination."""
    to_script: Maybe[TextOrSwml] = None
    """SWML (document, text, or its URL) that runs at the called end."""
    caller_id: Maybe[str] = None
    """What the called party sees."""
    fallback_url: Maybe[LooseWebUrl] = None
    """Where SWML is fetched when ``url`` fails."""
    status_url: Maybe[WebUrl] = None
    """Where the states of the call are reported."""
    status_events: Maybe[SomeItems[CallState]] = Field(default=_ENDED)
    """Which states are reported."""
    url_method: Maybe[HttpMethod] = "POST"
    """How ``url`` is fetched."""
    codecs: Maybe[Annotated[Items[Codec] | CodecText, ByShape("list", "text")]] = None
    """Codecs to offer: a list, or the same words with commas between them."""
    timeout: Maybe[Annotated[int, *ranged(1, 600)]] = None
    """How long it may ring, in seconds: 1 to 600."""
    max_price_per_minute: Maybe[Natural] = None
    """In dollars: a dearer route is refused."""
    send_digits: Maybe[SentTones] = None
    """Keys to press after the answer; ``w`` waits, a comma pauses."""
    region: Maybe[Annotated[str | Items[str], ByShape("text", "list")]] = None
    """Preferred region, or several in order."""
    custom_variables: Maybe[Variables] = None
    """Up to 20 of your own texts, at most 1024 bytes each; SWML reads them from ``envs``."""

    @classmethod
    def faults(cls, given: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong across the keys."""
        if absent(given, ("to", "to_script")):
            yield Fault(("to",), FieldCode.MISSING, "is required, unless to_script is given")
        if absent(given, ("url", "swml")):
            yield Fault(("url",), FieldCode.MISSING, "is required: what runs on the call is its url or its swml")
        yield from _one_document(given)


class Dial(Body):
    """Starts a call."""

    command: Literal["dial"] = "dial"
    params: DialParams


class UpdateParams(Ruled):
    """A new document for a live call, or its end. ``status`` alone is the leniency ``update_status_only``."""

    model_config = ConfigDict(
        json_schema_extra={"allOf": [at_least_one("url", "swml", "status"), {"not": {"required": ["url", "swml"]}}]}
    )

    id: CallId
    """The call: for ``update`` it is named here."""
    url: Maybe[LooseWebUrl] = None
    """Where the new SWML document is fetched."""
    swml: Maybe[Swml] = None
    """The new SWML document itself."""
    fallback_url: Maybe[LooseWebUrl] = None
    """Where SWML is fetched when ``url`` fails."""
    status: Maybe[Literal["canceled", "completed"]] = None
    """``canceled`` ends a call that nobody answered yet, ``completed`` one that was answered."""
    status_url: Maybe[WebUrl] = None
    """Where the states of the call are reported from now on."""

    @classmethod
    def faults(cls, given: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong across the keys."""
        if absent(given, ("url", "swml", "status")):
            yield Fault(("url",), FieldCode.MISSING, "is required: an update needs url or swml (or status to end it)")
        yield from _one_document(given)


class Update(Body):
    """Changes a call that already exists."""

    command: Literal["update"] = "update"
    params: UpdateParams


class EndParams(Closed):
    """Why the call ends."""

    reason: Maybe[Literal["hangup", "cancel", "busy", "noAnswer", "decline", "error"]] = None
    """The reason that is told to the other side."""


class End(OnCall):
    """Hangs up."""

    command: Literal["calling.end"] = "calling.end"
    params: EndParams


class Disconnect(OnCall):
    """Takes two connected calls apart; both stay up."""

    command: Literal["calling.disconnect"] = "calling.disconnect"
    params: NoParams


class TransferParams(Closed):
    """Where the call goes."""

    dest: TextOrSwml
    """A number, a SIP address, the URL of a SWML document, or the document."""


class Transfer(OnCall):
    """Hands the call over to another destination."""

    command: Literal["calling.transfer"] = "calling.transfer"
    params: TransferParams


class ReferSip(Closed):
    """A SIP party."""

    to: SipUri
    """Whom the caller is referred to: starts with ``sip:``."""
    from_: Annotated[Maybe[SipUri], Field(alias="from")] = None
    """Who refers: starts with ``sip:``."""
    username: Maybe[str] = None
    """SIP user name."""
    password: Maybe[str] = None
    """SIP password."""


class ReferDevice(Closed):
    """The kind of party; only SIP so far."""

    type: Literal["sip"]
    params: ReferSip


class ReferParams(Closed):
    """Whom the caller is referred to."""

    device: ReferDevice
    """Whom the caller is referred to."""
    status_url: Maybe[WebUrl] = None
    """Where the result is reported."""


class Refer(OnCall):
    """Sends a SIP REFER: the caller's own side places the new call."""

    command: Literal["calling.refer"] = "calling.refer"
    params: ReferParams


class UserEventParams(Closed):
    """What is told."""

    event: Free
    """An object of your own; it passes untouched."""


class UserEvent(OnCall):
    """Raises an event of your own on the call."""

    command: Literal["calling.user_event"] = "calling.user_event"
    params: UserEventParams
