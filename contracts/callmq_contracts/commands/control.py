"""Parameters that many commands share: none at all, or the id of a running operation."""

from callmq_contracts.formats import ControlId
from callmq_contracts.shapes import Closed


class NoParams(Closed):
    """An empty object."""


class ControlParams(Closed):
    """Names one running operation of the call."""

    control_id: ControlId
    """The id that the operation was started with."""
