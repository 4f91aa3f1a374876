"""What is said: commands, replies, problems. Pure: no I/O, no clock, no chance."""

from callmq_contracts import commands
from callmq_contracts.catalog import CATALOG, CATALOG_DATE, Entry
from callmq_contracts.codec import MAX_BODY_BYTES, decode
from callmq_contracts.command import Command, Order, Rejected, Safety
from callmq_contracts.commands import *  # noqa: F403  # its __all__ is the vocabulary: 42 commands and their parts
from callmq_contracts.envelope import Priority
from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from callmq_contracts.leniency import ALL_LENIENCIES
from callmq_contracts.names import Names
from callmq_contracts.problem import FieldCode, FieldError, Problem, ProblemCode
from callmq_contracts.reply import OutcomeName, Reply
from callmq_contracts.shapes import Body

__all__ = [
    "ALL_LENIENCIES",
    "CATALOG",
    "CATALOG_DATE",
    "EXAMPLES",
    "EXAMPLE_CALL_ID",
    "MAX_BODY_BYTES",
    "Body",
    "Command",
    "Entry",
    "FieldCode",
    "FieldError",
    "Names",
    "Order",
    "OutcomeName",
    "Priority",
    "Problem",
    "ProblemCode",
    "Rejected",
    "Reply",
    "Safety",
    "decode",
]
__all__ += commands.__all__
