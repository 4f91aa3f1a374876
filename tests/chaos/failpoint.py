"""A worker that kills itself at a named point of its work: ``python -m chaos.failpoint after_the_mark 7``.

The real program with its settings from the environment; SIGKILL comes as the point is passed for the seventh time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from callmq.cli import main
from callmq_contracts.reply import REPLY_TYPE
from callmq_worker.adapters.consuming import RabbitReceipt
from callmq_worker.adapters.http import HttpDispatcher
from callmq_worker.adapters.http1_connection import Connection
from callmq_worker.adapters.publishing import RabbitPublisher
from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core import guard
from callmq_worker.core.outcome import Answered
from callmq_worker.ports import Published

Act = Callable[..., Awaitable[Any]]
WRITTEN = 0.02  # seconds within which the loop gives to the kernel what was written


@dataclass(frozen=True, slots=True)
class Point:
    """A step of an adapter, before or behind it. ``counts``: whether it is the one that is meant, by what it was told.

    ``last``: what is still done, where the kill is ``before`` it. ``later``: seconds behind it.
    """

    kind: type
    step: str
    counts: Callable[..., bool] = lambda *_: True
    found: Callable[[Any], bool] = lambda _: True
    before: bool = False
    last: Callable[..., None] = lambda *_: None
    later: float = 0.0


def _asks(made: Callable[..., Any]) -> Callable[..., bool]:
    """Say whether the ledger is asked to run a step that ``made`` makes."""
    return lambda _ledger, _key, step: step.__qualname__.startswith(f"{made.__name__}.")


def _confirmed(word: Any) -> bool:
    return word is Published.CONFIRMED


def _write(connection: Any, request: bytes) -> None:
    """Hand the request to the kernel, whole: the endpoint gets it although nobody waits for its answer."""
    os.write(connection._transport.get_extra_info("socket").fileno(), request)


def _is_reply(_publisher: Any, publication: Any) -> bool:
    return publication.type == REPLY_TYPE


def _is_copy(_publisher: Any, publication: Any) -> bool:
    return publication.type != REPLY_TYPE


POINTS = {
    "before_the_claim": Point(SqliteLedger, "transact", _asks(guard.claim), before=True),
    "after_the_claim": Point(SqliteLedger, "transact", _asks(guard.claim)),
    "after_the_mark": Point(SqliteLedger, "transact", _asks(guard.mark_sending)),
    "after_the_request": Point(Connection, "exchange", before=True, last=_write),
    "after_the_answer": Point(HttpDispatcher, "dispatch", found=lambda answer: isinstance(answer, Answered)),
    "after_the_record": Point(SqliteLedger, "transact", _asks(guard.conclude)),
    "after_the_release": Point(SqliteLedger, "transact", _asks(guard.release)),
    "after_the_copy": Point(RabbitPublisher, "publish", _is_copy, _confirmed),
    "after_the_reply": Point(RabbitPublisher, "publish", _is_reply, _confirmed),
    "before_the_ack": Point(RabbitReceipt, "acknowledge", before=True),
    "after_the_ack": Point(RabbitReceipt, "acknowledge", later=WRITTEN),
}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: Point, times: int) -> None:
    """Have this process killed as it passes the point for the last of so many ``times``."""
    act: Act = getattr(point.kind, point.step)
    left = times

    def passes() -> bool:
        nonlocal left
        left -= 1
        return left == 0

    async def acted(*told: Any) -> Any:
        meant = point.counts(*told)
        if point.before and meant and passes():
            point.last(*told)
            die()
        found = await act(*told)
        if not point.before and meant and point.found(found) and passes():
            if point.later:
                asyncio.get_running_loop().call_later(point.later, die)
            else:
                die()
        return found

    setattr(point.kind, point.step, acted)


if __name__ == "__main__":
    arm(POINTS[sys.argv[1]], int(sys.argv[2]))
    sys.argv = ["callmq", "work"]
    sys.exit(main())
