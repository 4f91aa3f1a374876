"""Commands that stream the call's audio through a WebSocket."""

from typing import Literal

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import ControlId, Free, HttpMethod, SecureSocketUrl, WebUrl
from callmq_contracts.shapes import Closed, Maybe, OnCall


class StreamParams(Closed):
    """Where the audio goes."""

    control_id: ControlId
    """Your name for this stream; unique among those that run on the call."""
    url: SecureSocketUrl
    """Starts with ``wss://``."""
    name: Maybe[str] = None
    """A name that the receiver sees."""
    codec: Maybe[str] = None
    """For instance ``PCMU`` or ``OPUS``; the receiver decides."""
    track: Maybe[Literal["inbound_track", "outbound_track", "both_tracks"]] = "inbound_track"
    """Whose audio is streamed."""
    authorization_bearer_token: Maybe[str] = None
    """Sent to the receiver as its ``Authorization``."""
    custom_parameters: Maybe[Free] = None
    """An object of your own for the receiver; it passes untouched."""
    status_url: Maybe[WebUrl] = None
    """Where the progress is reported."""
    status_url_method: Maybe[HttpMethod] = "POST"
    """How ``status_url`` is called."""


class Stream(OnCall):
    """Starts to stream the audio."""

    command: Literal["calling.stream"] = "calling.stream"
    params: StreamParams


class StreamStop(OnCall):
    """Ends a stream."""

    command: Literal["calling.stream.stop"] = "calling.stream.stop"
    params: ControlParams
