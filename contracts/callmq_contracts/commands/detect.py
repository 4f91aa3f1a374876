"""Commands that find out who or what answered."""

from typing import Annotated, Literal

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import ControlId, Natural, Tones, WebUrl, Whole
from callmq_contracts.shapes import Closed, Maybe, OnCall
from callmq_contracts.unions import ByType


class MachineParams(Closed):
    """How a person is told from a machine. Times in seconds."""

    initial_timeout: Maybe[float] = 4.5
    """How long to wait for a voice."""
    end_silence_timeout: Maybe[float] = 1
    """How much silence ends the greeting."""
    machine_ready_timeout: Maybe[float] = None
    """How long to wait until the machine is ready; without it, as ``end_silence_timeout``."""
    machine_voice_threshold: Maybe[float] = 1.25
    """A voice longer than this is a machine's."""
    machine_words_threshold: Maybe[Whole] = 6
    """More words than this are a machine's."""
    detect_interruptions: Maybe[bool] = False
    """Notice the caller speaking over the greeting."""
    detect_message_end: Maybe[bool] = True
    """Notice the end of the machine's message."""


class DetectMachine(Closed):
    """Listens for an answering machine."""

    type: Literal["machine"]
    params: Maybe[MachineParams] = None


class FaxParams(Closed):
    """Which tone of a fax."""

    tone: Maybe[Literal["CNG", "CED", "cng", "ced"]] = None
    """Without it, either."""


class DetectFax(Closed):
    """Listens for a fax."""

    type: Literal["fax"]
    params: Maybe[FaxParams] = None


class DigitParams(Closed):
    """Which keys."""

    digits: Maybe[Tones] = None
    """Empty is any key."""


class DetectDigit(Closed):
    """Listens for keys."""

    type: Literal["digit"]
    params: Maybe[DigitParams] = None


DetectWhat = Annotated[DetectMachine | DetectFax | DetectDigit, ByType("machine", "fax", "digit")]


class DetectParams(Closed):
    """What is listened for."""

    control_id: ControlId
    """Your name for this detection; unique among those that run on the call."""
    detect: DetectWhat
    """A machine, a fax or keys."""
    timeout: Maybe[Natural] = 30
    """Longest detection in seconds."""
    status_url: Maybe[WebUrl] = None
    """Where the result is reported."""


class Detect(OnCall):
    """Starts to listen for a machine, a fax or keys."""

    command: Literal["calling.detect"] = "calling.detect"
    params: DetectParams


class DetectStop(OnCall):
    """Ends a detection."""

    command: Literal["calling.detect.stop"] = "calling.detect.stop"
    params: ControlParams
