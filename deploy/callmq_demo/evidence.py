"""What was seen: of the publishes, the replies, the endpoint, and what lies on the broker afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Sent:
    """One publish: what the broker said (``confirmed`` or another result's name), the bytes, the call they name."""

    result: str
    body: bytes
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One message from the reply exchange.

    ``case``: the name that came back as correlation id. ``ms`` since that was published.
    """

    case: str
    routing_key: str
    document: Mapping[str, Any]
    ms: float = 0.0

    @property
    def outcome(self) -> str:
        """The outcome's name."""
        return str(self.document["outcome"])

    @property
    def code(self) -> str | None:
        """The problem's code."""
        problem = self.document["problem"]
        return str(problem["code"]) if problem else None


@dataclass(frozen=True, slots=True)
class Copy:
    """A dead or parked copy of a message. ``case`` as in `Answer`; ``code`` the problem's, from its header."""

    case: str
    routing_key: str
    body: bytes
    code: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the endpoint received."""

    key: str | None
    command: str | None
    call_id: str | None
    acted: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of it. ``sent`` by case; ``requests`` is None where the endpoint keeps no journal for us.

    ``left``: messages that still lie in a lane or tier, by queue. ``restarts``: how often the worker was killed or
    died. ``worker_exit``: the exit code after SIGTERM; 0 says that it had settled everything.
    """

    sent: Mapping[str, Sent]
    answers: tuple[Answer, ...] = ()
    requests: tuple[Request, ...] | None = ()
    dead: tuple[Copy, ...] = ()
    parked: tuple[Copy, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    restarts: int = 0
    worker_exit: int | None = 0
    remark: str = ""
