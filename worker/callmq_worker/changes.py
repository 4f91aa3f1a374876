"""One event for all that wait: whatever changes is told here, and each looks anew at its own conditions."""

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes all who wait. Nothing is lost between a look and the wait that follows it: no other task runs there."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        """Let everyone look again."""
        self._event.set()

    async def until(self, enough: Callable[[], bool], seconds: float | None = None) -> None:
        """Wait until ``enough`` says so, or for so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while not enough():
                    self._event.clear()
                    await self._event.wait()
        except TimeoutError:
            return
