"""As many dials at a time as a worker carries, given to its accounts in fair turns."""

import asyncio
from collections import deque
from collections.abc import Callable

from callmq_worker.core.fair import Turns


class Seats:
    """``most`` at a time. While all are taken, who waits gets the next by its weight."""

    def __init__(self, most: int, weight: Callable[[str], float]) -> None:
        self._free = most
        self._turns = Turns(lambda path: weight(path[0]))
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, account: str) -> None:
        """Wait for a seat."""
        if self._free:
            self._free -= 1
            self._turns.count((account,))
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self.leave()  # it was given in the same turn of the loop
            raise

    def leave(self) -> None:
        """Give a seat back."""
        while self._waiting:
            (account,) = self._turns.next((a,) for a in self._waiting)
            line = self._waiting[account]
            waiting = line.popleft()
            if not line:
                del self._waiting[account]
            if not waiting.done():
                self._turns.count((account,))
                waiting.set_result(None)
                return
        self._free += 1
