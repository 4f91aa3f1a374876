"""Commands that copy the call's audio to another machine (RTP or WebSocket)."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import ControlId, Heard, LooseSocketUrl, PublicAddress, WebUrl, ranged, whole
from callmq_contracts.shapes import Closed, Maybe, OnCall
from callmq_contracts.unions import ByType

TapCodec = Literal["PCMA", "PCMU", "pcma", "pcmu", "OPUS", "opus"]
PacketTime = Annotated[Literal[10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120], BeforeValidator(whole)]


class TapAudioParams(Closed):
    """Which side."""

    direction: Heard
    """Whose audio is copied."""


class TapAudio(Closed):
    """What is copied; only audio so far."""

    type: Literal["audio"]
    params: TapAudioParams
    """Whose audio."""


class RtpParams(Closed):
    """An RTP target."""

    addr: PublicAddress
    """A public IPv4 address."""
    port: Annotated[int, *ranged(1, 65535)]
    """UDP port."""
    codec: Maybe[TapCodec] = None
    """Without it, the call's own."""
    ptime: Maybe[PacketTime] = None
    """Milliseconds a packet; without it, the call's own."""


class TapRtp(Closed):
    """Sends RTP."""

    type: Literal["rtp"]
    params: RtpParams


class WebSocketParams(Closed):
    """A WebSocket target."""

    uri: LooseSocketUrl
    """Starts with ``ws://`` or ``wss://``."""
    codec: Maybe[TapCodec] = None
    """Without it, the call's own."""


class TapWebSocket(Closed):
    """Sends through a WebSocket."""

    type: Literal["ws"]
    params: WebSocketParams


TapDevice = Annotated[TapRtp | TapWebSocket, ByType("rtp", "ws")]


class TapParams(Closed):
    """What is copied, and to where."""

    control_id: ControlId
    """Your name for this tap; unique among those that run on the call."""
    tap: TapAudio
    """What is copied."""
    device: TapDevice
    """Where the copy goes."""
    status_url: Maybe[WebUrl] = None
    """Where the progress is reported."""


class Tap(OnCall):
    """Starts to copy the audio."""

    command: Literal["calling.tap"] = "calling.tap"
    params: TapParams


class TapStop(OnCall):
    """Ends a tap."""

    command: Literal["calling.tap.stop"] = "calling.tap.stop"
    params: ControlParams
