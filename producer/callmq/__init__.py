"""Call commands through RabbitMQ: ``from callmq import Client, Dial``.

The client and its results are this package's; the vocabulary of commands and replies comes from ``callmq_contracts``.
All of it is imported when first asked for: importing this package alone costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import callmq_contracts
    from callmq.client import Client
    from callmq.errors import (
        BrokerRefusedError,
        BrokerUnreachableError,
        CallmqError,
        ClientClosedError,
        InvalidCommandError,
        InvalidReplyError,
        InvalidUrlError,
        NotPublishedError,
        ReplyTimeoutError,
    )
    from callmq.following import ReplyStream
    from callmq.message import Message, Options
    from callmq.received import ReceivedProblem, ReceivedReply, parse_reply
    from callmq.results import Blocked, Confirmed, Invalid, Nacked, PublishResult, SendManyResult, Unknown, Unroutable
    from callmq_contracts import *  # noqa: F403 - its __all__ is the vocabulary
    from callmq_contracts import commands
    from callmq_contracts.commands import *  # noqa: F403 - as above: mypy follows a star once

    # At run time `__getattr__` answers with the same names.
    __all__ = [
        "Blocked",
        "BrokerRefusedError",
        "BrokerUnreachableError",
        "CallmqError",
        "Client",
        "ClientClosedError",
        "Confirmed",
        "Invalid",
        "InvalidCommandError",
        "InvalidReplyError",
        "InvalidUrlError",
        "Message",
        "Nacked",
        "NotPublishedError",
        "Options",
        "PublishResult",
        "ReceivedProblem",
        "ReceivedReply",
        "ReplyStream",
        "ReplyTimeoutError",
        "SendManyResult",
        "Unknown",
        "Unroutable",
        "parse_reply",
    ]
    __all__ += callmq_contracts.__all__
    __all__ += commands.__all__

_OWN = {
    "callmq.client": ("Client",),
    "callmq.errors": (
        "BrokerRefusedError",
        "BrokerUnreachableError",
        "CallmqError",
        "ClientClosedError",
        "InvalidCommandError",
        "InvalidReplyError",
        "InvalidUrlError",
        "NotPublishedError",
        "ReplyTimeoutError",
    ),
    "callmq.following": ("ReplyStream",),
    "callmq.message": ("Message", "Options"),
    "callmq.received": ("ReceivedProblem", "ReceivedReply", "parse_reply"),
    "callmq.results": (
        "Blocked",
        "Confirmed",
        "Invalid",
        "Nacked",
        "PublishResult",
        "SendManyResult",
        "Unknown",
        "Unroutable",
    ),
}
_HOME = {name: module for module, names in _OWN.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import what is asked for; raises AttributeError for what neither this package nor the vocabulary has."""
    if name == "__all__":
        return sorted({*_HOME, *import_module("callmq_contracts").__all__})
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if not name.startswith("_"):
        contracts = import_module("callmq_contracts")
        if name in contracts.__all__:
            return getattr(contracts, name)
    raise AttributeError(f"module 'callmq' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name everything that can be imported from here."""
    return list(__getattr__("__all__"))
