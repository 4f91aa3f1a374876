"""Messages that arrive in pieces: what was told about them, their header, and the parts of their body."""

from typing import Generic, TypeVar

from callmq_worker.adapters.decoding import body_size
from callmq_worker.adapters.inlet import HEADER

Told = TypeVar("Told")


class Content(Generic[Told]):
    """One message that is not yet whole. Between its pieces a channel has no other frames."""

    __slots__ = ("_left", "_parts", "header", "told")

    def __init__(self, told: Told) -> None:
        self.told = told
        self.header = b""
        self._parts: list[bytes] = []
        self._left = 0

    def add(self, kind: int, piece: bytes) -> bool:
        """Add the next piece; return whether the message is whole."""
        if kind == HEADER:
            self.header = piece
            self._left = body_size(piece)
        else:
            self._parts.append(piece)
            self._left -= len(piece)
        return self._left <= 0

    @property
    def body(self) -> bytes:
        """The whole body."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
