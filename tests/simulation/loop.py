"""An event loop of processes on one virtual clock: whoever chooses decides who runs next, and nothing else does.

Each process runs its own callbacks first in, first out, as asyncio promises it. Between processes anything may happen:
one is killed and never runs again, one is stopped and wakes later, with its clock gone on.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
import math
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

Choose = Callable[[int], int]
PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")
MOST_CALLBACKS = 1_000_000


class EndlessError(Exception):
    """The world does not come to rest."""


class Process:
    """What the operating system sees: something that runs, is stopped until a moment, or is no more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.asleep_until = 0.0
        self.alive = True
        self.context = contextvars.copy_context()
        self.context.run(PROCESS.set, self)

    def kill(self) -> None:
        """End it as kill -9 does: no ``finally`` runs, nothing is said."""
        self.alive = False


class Loop(asyncio.AbstractEventLoop):
    """Runs processes until all rest; time moves only when nobody has anything to do."""

    def __init__(self, choose: Choose, start: float = 0.0) -> None:
        self._choose = choose
        self._now = start
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self._tasks: dict[asyncio.Task[Any], Process] = {}
        self._processes: list[Process] = []
        self.faults: list[str] = []
        self.world = self.process("world")

    def process(self, name: str) -> Process:
        self._processes = [p for p in self._processes if p.alive]
        self._processes.append(Process(name))
        return self._processes[-1]

    def start(self, process: Process, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return self.create_task(work, context=process.context)

    def run(self, over: Callable[[], bool] = lambda: False, until: float = math.inf) -> None:
        """Run until all rest, or ``over`` says so when nobody has anything to do at this moment."""
        events._set_running_loop(self)
        try:
            for _ in range(MOST_CALLBACKS):
                process = self._next()
                if process is not None:
                    handle = process.ready.popleft()
                    if not handle.cancelled():
                        handle._run()
                elif over() or not self._jump(until):
                    return
            raise EndlessError(f"{MOST_CALLBACKS} callbacks, and no rest")
        finally:
            events._set_running_loop(None)

    def sweep(self) -> None:
        """Cancel what is left, of the dead as well, so that no coroutine outlives its world."""
        for process in self._tasks.values():
            process.alive, process.asleep_until = True, 0.0
            if process not in self._processes:
                self._processes.append(process)
        events._set_running_loop(self)
        try:
            for task in list(self._tasks):
                task.cancel()
        finally:
            events._set_running_loop(None)
        self._timers.clear()
        self.run()

    def _next(self) -> Process | None:
        ready = [p for p in self._processes if p.alive and p.ready and p.asleep_until <= self._now]
        if len(ready) < 2:
            return ready[0] if ready else None
        return ready[self._choose(len(ready))]

    def _jump(self, until: float) -> bool:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        moments = [p.asleep_until for p in self._processes if p.alive and p.ready]
        moments += [self._timers[0][0]] if self._timers else []
        if not moments or min(moments) > until:
            return False
        self._now = max(self._now, min(moments))
        while self._timers and self._timers[0][0] <= self._now:
            self._soon(heapq.heappop(self._timers)[2])
        return True

    def _soon(self, handle: asyncio.Handle) -> None:
        handle._context.get(PROCESS, self.world).ready.append(handle)

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self._soon(handle)
        return handle

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def create_future(self):
        return asyncio.Future(loop=self)

    def create_task(self, coro, *, name=None, context=None):
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks[task] = (context or contextvars.copy_context()).get(PROCESS, self.world)
        task.add_done_callback(self._tasks.pop)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context) -> None:
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle) -> None:
        """A cancelled timer is left out when its moment comes."""
