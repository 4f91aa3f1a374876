"""Commands that record the call."""

from typing import Annotated, Literal

from pydantic import Field

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import ControlId, Heard, Natural, NaturalWhole, Tones, WebUrl
from callmq_contracts.shapes import Closed, Maybe, OnCall


class RecordAudio(Closed):
    """How it is recorded."""

    beep: Maybe[bool] = False
    """Whether a beep comes first."""
    format: Maybe[Literal["mp3", "wav", "mp4"]] = "mp3"
    """The kind of file."""
    stereo: Maybe[bool] = False
    """One channel for each side."""
    direction: Maybe[Heard] = "speak"
    """Which side is recorded."""
    initial_timeout: Maybe[Natural] = 4
    """Seconds to wait for the first word."""
    end_silence_timeout: Maybe[Natural] = 0.5
    """Seconds of silence that end it."""
    max_length: Maybe[NaturalWhole] = 0
    """Longest recording in seconds; 0 is no limit."""
    terminators: Maybe[Tones] = "#"
    """Keys that end it; empty is none."""
    input_sensitivity: Maybe[Annotated[float, Field(ge=0, le=100)]] = 44
    """How faint a voice may be: 0 to 100."""


class RecordWhat(Closed):
    """What is recorded; only audio so far."""

    audio: RecordAudio
    """How the audio is recorded; may be empty."""


class RecordParams(Closed):
    """One recording."""

    control_id: ControlId
    """Your name for this recording; unique among those that run on the call."""
    record: RecordWhat
    """What is recorded, and how."""
    status_url: Maybe[WebUrl] = None
    """Where the progress is reported."""


class Record(OnCall):
    """Starts to record."""

    command: Literal["calling.record"] = "calling.record"
    params: RecordParams


class RecordPauseParams(ControlParams):
    """What the recording holds meanwhile."""

    behavior: Maybe[Literal["skip", "silence"]] = "skip"
    """``silence`` keeps the length, ``skip`` leaves the time out."""


class RecordPause(OnCall):
    """Holds a recording, for instance while a card number is said."""

    command: Literal["calling.record.pause"] = "calling.record.pause"
    params: RecordPauseParams


class RecordResume(OnCall):
    """Goes on with a held recording."""

    command: Literal["calling.record.resume"] = "calling.record.resume"
    params: ControlParams


class RecordStop(OnCall):
    """Ends a recording."""

    command: Literal["calling.record.stop"] = "calling.record.stop"
    params: ControlParams
