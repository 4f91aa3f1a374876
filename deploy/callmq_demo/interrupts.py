"""Ctrl-C at any moment: the first signal interrupts, further ones never cut the cleaning up short."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILLED = 128


class Interrupts:
    """SIGINT, SIGTERM and SIGHUP of this process; ``number`` is the one that came, None as long as none did."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._act: Callable[[], None] = _interrupt

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, as shells count: 128 and the signal's number; 0 where none came."""
        return 0 if self.number is None else _KILLED + self.number

    def install(self) -> None:
        """Take the signals over; one that the caller has ignored (nohup) stays ignored."""
        for each in _SIGNALS:
            if signal.getsignal(each) is not signal.SIG_IGN:
                signal.signal(each, self._came)

    @contextmanager
    def calling(self, act: Callable[[], None]) -> Iterator[None]:
        """Have the first signal do something else than raise KeyboardInterrupt, until the end of the block."""
        before, self._act = self._act, act
        try:
            yield
        finally:
            self._act = before

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put an interruption off until the end of the block: for what must not be half done."""
        with self.calling(_note):
            yield
        if self.number is not None:
            self._act()

    def ignore(self) -> None:
        """Let no signal count any more: all is done, and Python would die of one while it shuts down."""
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)

    def only_note(self) -> None:
        """Interrupt nothing from now on: what was started is being ended."""
        self._act = _note

    def _came(self, number: int, _frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            self._act()


def _interrupt() -> None:
    raise KeyboardInterrupt


def _note() -> None:
    """Do nothing: the number is known."""
