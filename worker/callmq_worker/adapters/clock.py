"""The machine's own time and chance."""

import asyncio
import random
import time


class SystemClock:
    """Time and chance of the operating system."""

    def __init__(self) -> None:
        """Begin chance from the system's, so that processes started together do not retry together."""
        self._random = random.Random()  # noqa: S311 - it spreads retries, and guards nothing

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def chance(self) -> float:
        """Return a number in [0, 1)."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less only lets the others run."""
        await asyncio.sleep(seconds)
