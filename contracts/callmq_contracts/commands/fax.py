"""Commands that end a fax."""

from typing import Literal

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.shapes import OnCall


class SendFaxStop(OnCall):
    """Ends the sending of a fax."""

    command: Literal["calling.send_fax.stop"] = "calling.send_fax.stop"
    params: ControlParams


class ReceiveFaxStop(OnCall):
    """Ends the receiving of a fax."""

    command: Literal["calling.receive_fax.stop"] = "calling.receive_fax.stop"
    params: ControlParams
