"""Commands that transcribe the call in the background."""

from typing import Literal

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import ControlId, WebUrl
from callmq_contracts.shapes import Closed, Maybe, OnCall


class TranscribeParams(Closed):
    """One transcript."""

    control_id: ControlId
    """Your name for this transcript; unique among those that run on the call."""
    status_url: Maybe[WebUrl] = None
    """Where the transcript is reported."""


class Transcribe(OnCall):
    """Starts a transcript."""

    command: Literal["calling.transcribe"] = "calling.transcribe"
    params: TranscribeParams


class TranscribeStop(OnCall):
    """Ends a transcript."""

    command: Literal["calling.transcribe.stop"] = "calling.transcribe.stop"
    params: ControlParams
