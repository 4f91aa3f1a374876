"""Many at once, answered in order."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

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
    places = asyncio.Semaphore(window)
    begun: asyncio.Queue[asyncio.Task[R] | BaseException | None] = asyncio.Queue()
    under_way: set[asyncio.Task[R]] = set()

    async def run(item: T) -> R:
        return await act(item)

    async def begin() -> None:
        end: BaseException | None = None
        try:
            async for item in _each(items):
                await places.acquire()
                task = asyncio.create_task(run(item))
                under_way.add(task)
                begun.put_nowait(task)
        except Exception as error:  # noqa: BLE001 - raised again where the results are read
            end = error
        begun.put_nowait(end)

    feeder = asyncio.create_task(begin())
    try:
        while isinstance(task := await begun.get(), asyncio.Task):
            result = await task
            under_way.discard(task)
            places.release()
            yield result
        if task is not None:
            raise task
    finally:
        for each in (feeder, *under_way):
            each.cancel()
        await asyncio.gather(feeder, *under_way, return_exceptions=True)


async def _each(items: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
