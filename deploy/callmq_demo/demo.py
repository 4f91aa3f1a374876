"""Sets the stage, has the cases performed on it, says what came of them, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from callmq import Client
from callmq_demo import live, report
from callmq_demo.board import make_board
from callmq_demo.broker import BrokerError, GivenBroker, PrivateNode, find_broker
from callmq_demo.cases import keyed, sandbox_cases
from callmq_demo.control import Control
from callmq_demo.keeper import PROJECT, TOKEN, NotReadyError, SandboxProcess, WorkerKeeper
from callmq_demo.performance import Performance, Stage
from callmq_demo.processes import end_all_at_home_in
from callmq_demo.queues import TIERS, Queues, connected
from callmq_demo.verdict import APP_ID, verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from typing import Any

    from callmq_demo.board import Board
    from callmq_demo.broker import Broker
    from callmq_demo.cases import Case
    from callmq_demo.evidence import Evidence
    from callmq_demo.interrupts import Interrupts

OFF, UNREACHABLE = 1, 3
_PATIENCE = 60.0
# Short, so that what a killed worker held is taken over quickly; patient enough for a busy machine.
_SANDBOX_TIMES = {"CALLMQ_DIAL_RATE": "0", "CALLMQ_HTTP_DEADLINE": "3.5", "CALLMQ_LEASE": "5"}
_OUR_PREFIX = "callmq"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for. ``to`` and ``sender`` are set where it is to be ``--live``."""

    kill: bool = False
    as_json: bool = False
    plain: bool = False
    logs: Path | None = None
    to: str | None = None
    sender: str | None = None

    @property
    def live(self) -> bool:
        """Whether the endpoint is the real one."""
        return self.to is not None


@dataclass(frozen=True, slots=True)
class Place:
    """Where this run is at home: a folder of its own, a broker, a prefix on it."""

    folder: Path
    broker: Broker
    prefix: str


def run(wish: Wish, interrupts: Interrupts) -> int:
    """Run the demo; the answer is its exit code. KeyboardInterrupt after all was ended."""
    with contextlib.ExitStack() as stack:
        try:
            return _run(wish, interrupts, stack)
        except (BrokerError, NotReadyError) as error:
            print(f"callmq demo: {error}", file=sys.stderr)
            return UNREACHABLE
        finally:
            interrupts.only_note()
            if interrupts.number is not None:
                print("\ncallmq demo: interrupted; ending all that was started ...", file=sys.stderr, flush=True)


def _run(wish: Wish, interrupts: Interrupts, stack: contextlib.ExitStack) -> int:
    begun = monotonic()
    with interrupts.held():
        folder = Path(tempfile.mkdtemp(prefix="callmq-demo-"))
        stack.callback(_remove, folder)
    with interrupts.held():  # it starts while the broker does
        sandbox = None if wish.live else SandboxProcess(folder)
        stack.callback(sandbox.end if sandbox else _nothing)
    broker = find_broker()
    stack.push(broker)  # before it is entered: its end is harmless then, and an interruption in between is not
    if not isinstance(broker, GivenBroker):
        _say("Starting RabbitMQ (about ten seconds) ...")
    broker.__enter__()
    ours = not isinstance(broker, GivenBroker)
    place = Place(folder, broker, _OUR_PREFIX if ours else f"callmq-demo-{secrets.token_hex(4)}")
    _say(f"Broker: {broker.describe()}.")
    if wish.logs:
        stack.callback(_keep_logs, place, wish.logs)
    cases = keyed(
        live.live_cases(wish.to or "", wish.sender or "") if wish.live else sandbox_cases(kill=wish.kill),
        secrets.token_hex(3),
    )
    board = make_board(cases, plain=wish.plain, silent=wish.as_json, environment=os.environ)
    stack.callback(board.close)
    evidence = _to_the_end(interrupts, _show(place, sandbox, cases, board, stack))
    board.close()
    return _tell(cases, evidence, monotonic() - begun, as_json=wish.as_json)


async def _show(
    place: Place, sandbox: SandboxProcess | None, cases: Sequence[Case], board: Board, stack: contextlib.ExitStack
) -> Evidence:
    url = place.broker.amqp_url
    async with contextlib.AsyncExitStack() as room:
        control = None
        if sandbox is not None:
            await sandbox.ready()
            board.note(f"Endpoint: the sandbox at {sandbox.url}.")
            control = await room.enter_async_context(Control(sandbox.control))
        connection = await room.enter_async_context(connected(url))
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        worker = WorkerKeeper(place.folder, _worker_settings(place, sandbox))
        stack.callback(_leave_nothing, place, worker)
        worker.start()
        client = await room.enter_async_context(Client(url, app_id=APP_ID, prefix=place.prefix))
        queues = Queues(connection, place.prefix)
        stage = Stage(client, queues, worker, control, board, _PATIENCE)
        return await Performance(cases, stage).evidence(lost)


def _worker_settings(place: Place, sandbox: SandboxProcess | None) -> dict[str, str]:
    own = {
        "CALLMQ_AMQP_URL": place.broker.amqp_url,
        "CALLMQ_PREFIX": place.prefix,
        "CALLMQ_STATE_DIR": str(place.folder / "state"),
        "CALLMQ_RETRY_TIERS": TIERS,
        "CALLMQ_GRACE": "10",
    }
    if sandbox is None:
        return {**own, **live.account_settings(os.environ)}
    account = {"SIGNALWIRE_PROJECT_ID": PROJECT, "SIGNALWIRE_API_TOKEN": TOKEN}
    return {**own, **_SANDBOX_TIMES, **account, "CALLMQ_ENDPOINT_URL": sandbox.url}


def _to_the_end(interrupts: Interrupts, main: Coroutine[Any, Any, Evidence]) -> Evidence:
    """Run the event loop; a signal cancels what runs in it. Raises KeyboardInterrupt then."""

    async def cancellable() -> Evidence:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(main)

        def cancel() -> None:
            loop.call_soon_threadsafe(task.cancel)

        with interrupts.calling(cancel):
            return await task

    try:
        evidence = asyncio.run(cancellable())
    except asyncio.CancelledError as error:
        if interrupts.number is None:  # the broker's client cancels its own calls when a connection dies
            raise NotReadyError("The connection to the broker was lost.") from error
        raise KeyboardInterrupt from None
    if interrupts.number is not None:
        raise KeyboardInterrupt
    return evidence


def _tell(cases: Sequence[Case], evidence: Evidence, seconds: float, *, as_json: bool) -> int:
    lines = report.in_words(cases, evidence, seconds)
    if as_json:
        print(json.dumps(report.as_document(cases, evidence, seconds)))
    print("\n".join(lines), file=sys.stderr if as_json else sys.stdout, flush=True)
    return OFF if verdict(cases, evidence) else 0


def _leave_nothing(place: Place, worker: WorkerKeeper) -> None:
    """End the worker; on a broker that is not ours to end, delete what it declared."""
    worker.end()
    if not isinstance(place.broker, GivenBroker):
        return
    try:
        asyncio.run(_delete(place))
    except (NotReadyError, TimeoutError):
        left = f"Queues and exchanges that begin with {place.prefix} could not be deleted: delete them by hand."
        print(f"callmq demo: {left}", file=sys.stderr)


async def _delete(place: Place) -> None:
    async with connected(place.broker.amqp_url) as connection:
        await Queues(connection, place.prefix).delete()


def _keep_logs(place: Place, logs: Path) -> None:
    found = list(place.folder.glob("*.log"))
    if isinstance(place.broker, PrivateNode):
        node = place.broker.layout.folder
        found += [*node.glob("*.log"), *node.glob("log/*.log")]
    for log in found:
        with contextlib.suppress(OSError):
            shutil.copy(log, logs / log.name)


def _remove(folder: Path) -> None:
    end_all_at_home_in(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _nothing() -> None:
    """There is nothing to end."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
