"""Call commands through RabbitMQ: ``from callmq import Client, Dial``.

The client and its results are this package's; the vocabulary of commands and replies comes from ``callmq_contracts``.
All of it is imported when first asked for: importing this package alone costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callmq.client import Client as Client
    from callmq.errors import BrokerRefusedError as BrokerRefusedError
    from callmq.errors import BrokerUnreachableError as BrokerUnreachableError
    from callmq.errors import CallmqError as CallmqError
    from callmq.errors import ClientClosedError as ClientClosedError
    from callmq.errors import InvalidCommandError as InvalidCommandError
    from callmq.errors import InvalidReplyError as InvalidReplyError
    from callmq.errors import InvalidUrlError as InvalidUrlError
    from callmq.errors import NotPublishedError as NotPublishedError
    from callmq.errors import ReplyTimeoutError as ReplyTimeoutError
    from callmq.following import ReplyStream as ReplyStream
    from callmq.message import Message as Message
    from callmq.message import Options as Options
    from callmq.received import ReceivedProblem as ReceivedProblem
    from callmq.received import ReceivedReply as ReceivedReply
    from callmq.received import parse_reply as parse_reply
    from callmq.results import Blocked as Blocked
    from callmq.results import Confirmed as Confirmed
    from callmq.results import Invalid as Invalid
    from callmq.results import Nacked as Nacked
    from callmq.results import PublishResult as PublishResult
    from callmq.results import SendManyResult as SendManyResult
    from callmq.results import Unknown as Unknown
    from callmq.results import Unroutable as Unroutable
    from callmq_contracts import *  # noqa: F403 - its __all__ is the vocabulary

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
