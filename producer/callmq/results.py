"""What is known after a publish: one of five results, and never an exception."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from callmq_contracts.problem import Problem


@dataclass(frozen=True, slots=True)
class _Result:
    """``key`` is the command's idempotency key, ``message_id`` the id of this one publish, ``reason`` a sentence."""

    name: ClassVar[str]
    advice: ClassVar[str]

    key: str | None
    message_id: str
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the broker has it."""
        return False

    @property
    def text(self) -> str:
        """The result as a sentence for a person; the key is not in it."""
        return " ".join(part for part in (self.reason, self.advice) if part)


@dataclass(frozen=True, slots=True)
class Confirmed(_Result):
    """The broker has it, safely, in a queue: it will end in exactly one outcome."""

    name = "confirmed"
    advice = "The broker confirmed the command."

    @property
    def ok(self) -> bool:
        """Whether the broker has it."""
        return True


@dataclass(frozen=True, slots=True)
class Unroutable(_Result):
    """Certainly not published: there is no such exchange, or no queue took it."""

    name = "unroutable"
    advice = "Nothing was published. Start a worker or run 'callmq topology declare', then publish again."


@dataclass(frozen=True, slots=True)
class Nacked(_Result):
    """The broker refused it, for a full queue as a rule. A copy in another queue is not ruled out."""

    name = "nacked"
    advice = "Publish again later, with the same key."


@dataclass(frozen=True, slots=True)
class Blocked(_Result):
    """Certainly not published: the broker took nothing in time, or could not be reached. Nothing was sent."""

    name = "blocked"
    advice = "Nothing was published. Publish again later."


@dataclass(frozen=True, slots=True)
class Unknown(_Result):
    """No word came: it may have arrived, and may yet arrive."""

    name = "unknown"
    advice = "It may have arrived. Publish again with the same key: the same key never acts twice."


@dataclass(frozen=True, slots=True)
class Invalid(_Result):
    """Certainly not published: the command breaks its contract. Only ``send_many`` has it; ``send`` raises instead."""

    name = "invalid"
    advice = "Nothing was published. Correct the command."

    problem: Problem | None = None


PublishResult: TypeAlias = Confirmed | Unroutable | Nacked | Blocked | Unknown
SendManyResult: TypeAlias = PublishResult | Invalid
