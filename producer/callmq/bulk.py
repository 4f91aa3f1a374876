"""Many at once, answered in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


async def in_order(
    act: Callable[[T], Awaitable[R]], items: Iterable[T] | AsyncIterable[T], window: int
) -> AsyncGenerator[R]:
    """Run ``act`` on each item, up to ``window`` at a time and begun in order; yield the results in order.

    A result is yielded as soon as it and all before it are there. What ``items`` raises comes after the results of
    the items before. Raises `ValueError` for a window under 1.
    """
    if window < 1:
        raise ValueError("window must be at least 1.")
    begun = _Begun(act, window)
    feeder = asyncio.create_task(begun.feed(items))
    try:
        while isinstance(task := await begun.tasks.get(), asyncio.Task):
            result = await task
            begun.places.release()
            yield result
        if task is not None:
            raise task
    finally:
        feeder.cancel()
        for each in begun.under_way:
            each.cancel()
        await asyncio.gather(feeder, *begun.under_way, return_exceptions=True)


class _Begun(Generic[T, R]):
    """The items that were begun, in order, and at the end what the source raised or None."""

    def __init__(self, act: Callable[[T], Awaitable[R]], window: int) -> None:
        self._act = act
        self.places = asyncio.Semaphore(window)
        self.tasks: asyncio.Queue[asyncio.Task[R] | Exception | None] = asyncio.Queue()
        self.under_way: set[asyncio.Task[R]] = set()

    async def feed(self, items: Iterable[T] | AsyncIterable[T]) -> None:
        end: Exception | None = None
        try:
            async for item in _each(items):
                await self.places.acquire()
                task = asyncio.create_task(self._run(item))
                self.under_way.add(task)
                task.add_done_callback(self.under_way.discard)
                self.tasks.put_nowait(task)
        except Exception as error:  # noqa: BLE001 - raised again where the results are read
            end = error
        self.tasks.put_nowait(end)

    async def _run(self, item: T) -> R:
        return await self._act(item)


async def _each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
