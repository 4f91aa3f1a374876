"""Order per call within one worker: first in, first out; what overtakes starts at once."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class CallOrder(Generic[T]):
    """The waiting line of each call. Plain data: it decides who may start, and starts nobody itself."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[T]] = {}

    def enter(self, call_id: str, ticket: T) -> bool:
        """Join the call's line. True: the ticket stands first and may start."""
        line = self._lines.setdefault(call_id, deque())
        line.append(ticket)
        return line[0] is ticket

    def leave(self, call_id: str, ticket: T) -> T | None:
        """Leave the line, from wherever it stands; return the ticket that may start now, if any."""
        line = self._lines.get(call_id)
        if line is None or ticket not in line:
            return None
        first = line[0] is ticket
        line.remove(ticket)
        if not line:
            del self._lines[call_id]
            return None
        return line[0] if first else None

    def __len__(self) -> int:
        return len(self._lines)
