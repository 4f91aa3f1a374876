"""Commands that take the noise out."""

from typing import Literal

from callmq_contracts.commands.control import NoParams
from callmq_contracts.shapes import OnCall


class Denoise(OnCall):
    """Starts to take the noise out."""

    command: Literal["calling.denoise"] = "calling.denoise"
    params: NoParams


class DenoiseStop(OnCall):
    """Leaves the noise in again."""

    command: Literal["calling.denoise.stop"] = "calling.denoise.stop"
    params: NoParams
