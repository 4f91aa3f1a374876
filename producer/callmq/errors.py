"""What this package raises. No text carries a credential, a key or any part of a body."""

from typing import TYPE_CHECKING

from callmq_contracts.problem import FieldError, Problem

if TYPE_CHECKING:
    from callmq.received import ReceivedReply
    from callmq.results import PublishResult


class CallmqError(Exception):
    """All errors of this package."""


class InvalidUrlError(CallmqError, ValueError):
    """The broker's URL can't be read. The text says what is wrong with it and never quotes it."""


class InvalidCommandError(CallmqError, ValueError):
    """Nothing was published: the command breaks its contract in the way that ``problem`` says."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem; the text is its detail and the paths and messages of its field errors."""
        faults = "; ".join(f"{e.path}: {e.message}" for e in problem.errors if isinstance(e, FieldError))
        super().__init__(f"{problem.code.value}: {problem.detail}{' ' + faults if faults else ''}")
        self.problem = problem


class BrokerUnreachableError(CallmqError, ConnectionError):
    """No host of the URL took the connection. The text says for each of them why."""


class BrokerRefusedError(CallmqError):
    """The broker answered, and said no: a missing right, exchange or queue."""


class ClientClosedError(CallmqError):
    """The client was not yet entered, or has been left: use it inside ``async with``."""


class InvalidReplyError(CallmqError, ValueError):
    """A message that came where replies come and is none."""


class NotPublishedError(CallmqError):
    """A call that never became a command: ``result`` is the publish result that ended it."""

    def __init__(self, result: "PublishResult") -> None:
        """Keep the result; the text is its text."""
        super().__init__(result.text)
        self.result = result


class ReplyTimeoutError(CallmqError, TimeoutError):
    """No reply came in time: the command may have been done, and may still be done.

    Calling again with the same ``key`` and body is safe: it is then done at most once, and the stored reply comes
    back. ``provisional`` is an ``unknown`` reply that had come when a final one was waited for.
    """

    def __init__(self, seconds: float, key: str | None, provisional: "ReceivedReply | None" = None) -> None:
        """Keep the key, which is not in the text: a key may say more than a log should know."""
        found = " Its outcome so far is unknown." if provisional else ""
        again = (
            "Call again with the same key (it is on this error) and the same body to learn how it ended."
            if key
            else "It has no key, so that calling again does it again."
        )
        super().__init__(f"No reply in {seconds:g} s: the command may have been done, or may still be.{found} {again}")
        self.key = key
        self.provisional = provisional
