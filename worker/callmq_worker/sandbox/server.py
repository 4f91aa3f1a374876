"""The sandbox: the endpoint's stand-in, its faults and its journal behind one address."""

import asyncio
import random
import socket
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from callmq_worker.adapters.web import Answer, Limits, Request, Response, Takeover, WebServer, Wire, linger_none
from callmq_worker.sandbox.acts import UNANSWERED, hold, play
from callmq_worker.sandbox.calls import Calls
from callmq_worker.sandbox.control import PREFIX, control
from callmq_worker.sandbox.endpoint import PATH, Peek, Window, answer, key_of, peek
from callmq_worker.sandbox.faults import EARLY, Fault, Faults, Subject, read_fault
from callmq_worker.sandbox.journal import Entry, Journal
from callmq_worker.sandbox.settings import SandboxSettings

_PEEK_BYTES: Final = 65_536
_PEEK_SECONDS: Final = 5.0
_LIMITS: Final = Limits(connections=4096)
_NOT_CARRIED_OUT: Final = Response(200, (("content-type", "application/json"),), b'{"note":"not carried out"}')


class Sandbox:
    """Start it, point a client at ``url``, read ``journal``. One event loop; nothing is kept on disk."""

    def __init__(self, settings: SandboxSettings | None = None, *, now: Callable[[], float] = time.time) -> None:
        """Prepare; nothing listens before ``start``."""
        self._given = settings or SandboxSettings()
        self.now = now
        self.web = WebServer(self._answer, self._given.host, self._given.port, _LIMITS, self._accept)
        self._held: set[asyncio.Event] = set()
        self._moved = asyncio.Event()
        self.faults = Faults()
        self.journal = Journal(self._given.journal_size)
        self._begin()

    def _begin(self) -> None:
        self.settings = self._given
        self.calls = Calls(self._given, _ids(self._given.seed))
        self._window = Window(self._given.rate_limit)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.web.host}]" if ":" in self.web.host else self.web.host
        return f"http://{host}:{self.web.port}"

    @property
    def url(self) -> str:
        """Where commands are posted."""
        return self.origin + PATH

    @property
    def control(self) -> str:
        """Where the control API begins."""
        return self.origin + PREFIX

    async def start(self) -> None:
        """Listen. Raises OSError where the address can't be had."""
        await self.web.start()

    async def stop(self) -> None:
        """Close everything, held answers too."""
        await self.web.stop()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    def arm(self, action: str, **parameters: Any) -> int:
        """Arm a fault, with the words of the control API; return its number."""
        return self.faults.arm(read_fault({"action": action, **parameters}))

    def change(self, settings: SandboxSettings) -> None:
        """Take other settings, from now on."""
        self.settings = self.calls.settings = settings
        self._window.limit = settings.rate_limit

    async def holding(self, count: int) -> None:
        """Return when exactly this many answers are held back by a hang."""
        while len(self._held) != count:
            self._moved.clear()
            await self._moved.wait()

    def release(self) -> int:
        """Let every held answer go; return how many there were."""
        held, self._held = self._held, set()
        self._moved.set()
        for event in held:
            event.set()
        return len(held)

    def reset(self) -> None:
        """Forget calls, faults and journal, let held answers go, return to the settings it was started with."""
        self.release()
        self.faults.disarm()
        self.journal.clear()
        self._begin()

    async def _answer(self, request: Request) -> Answer:
        if request.path == PREFIX or request.path.startswith(PREFIX + "/"):
            return control(self, request)
        seen = peek(request)
        entry = self._receive(request.method, seen)
        fault = self.faults.take(seen.subject)
        if fault is None:
            response = self._carry_out(request, entry)
            entry.status = response.status
            return response
        entry.fault = fault.action
        return await self._go_wrong(fault, request, entry)

    async def _go_wrong(self, fault: Fault, request: Request, entry: Entry) -> Answer:
        if fault.action == "delay" and fault.when == "before_acting":
            await asyncio.sleep(fault.seconds)
        response = self._carry_out(request, entry) if fault.acts else _NOT_CARRIED_OUT
        if fault.action == "delay":
            if fault.when == "before_answering":
                await asyncio.sleep(fault.seconds)
            entry.status = response.status
            return response
        if fault.action == "hang":
            return self._hold(response, entry)
        answered = play(fault, response)
        if fault.action not in UNANSWERED:
            entry.status = answered.status if isinstance(answered, Response) else response.status
        return answered

    def _hold(self, response: Response, entry: Entry) -> Answer:
        released = asyncio.Event()
        self._held.add(released)
        self._moved.set()

        async def act(wire: Wire) -> None:
            try:
                entry.status = response.status if await hold(response, released, wire) else None
            finally:
                self._held.discard(released)
                self._moved.set()

        return Takeover(act)

    def _carry_out(self, request: Request, entry: Entry) -> Response:
        response = answer(request, self.calls, self._window, self.now())
        if response.status == 200:  # noqa: PLR2004 - the only answer after which something was done
            self.journal.act(entry)
        return response

    def _receive(self, method: str, seen: Peek) -> Entry:
        return self.journal.receive(Entry(0, self.now(), method, seen.subject, seen.control_id, seen.to))

    async def _accept(self, client: socket.socket) -> bool:
        """Reset a new connection before anything is read, where such a fault waits for its request."""
        if not self.faults.early():
            return True
        method, subject = _outline(await _waiting(client))
        if subject.path.startswith(PREFIX):
            return True
        fault = self.faults.take(subject, early=True)
        if fault is None:
            return True
        self._receive(method, Peek(subject)).fault = EARLY
        linger_none(client)
        return False


async def _waiting(client: socket.socket) -> bytes:
    """Return the head of the request that waits in the socket's buffer, and leave it there."""
    waiting = b""
    try:
        async with asyncio.timeout(_PEEK_SECONDS):
            while b"\r\n\r\n" not in waiting and len(waiting) < _PEEK_BYTES:
                try:
                    waiting = client.recv(_PEEK_BYTES, socket.MSG_PEEK)
                    if not waiting:
                        break
                except BlockingIOError:
                    pass
                await asyncio.sleep(0.002)  # a peeked socket stays readable: there is no event for more of it
    except TimeoutError:
        pass
    return waiting


def _outline(head: bytes) -> tuple[str, Subject]:
    line, *headers = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    method, _, target = line.partition(" ")
    named = {name.strip().lower(): value.strip() for name, _, value in (h.partition(":") for h in headers)}
    path = target.partition(" ")[0].partition("?")[0]
    return method, Subject(path, key_of(named.get("idempotency-key")))


def _ids(seed: int | None) -> Callable[[], str]:
    if seed is None:
        return lambda: str(uuid.uuid4())
    chance = random.Random(seed)  # noqa: S311 - ids that repeat are the point
    return lambda: str(uuid.UUID(int=chance.getrandbits(128), version=4))
