"""One connection to the broker, opened when it is needed and opened again when it was lost."""

import asyncio
import contextlib
import random
import ssl
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, Generic, TypeVar

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, TimeoutType
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AuthenticationError, ProbableAuthenticationError

from callmq.address import Address
from callmq.errors import BrokerUnreachableError, ClientClosedError

RPC_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 5.0
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 15.0
_STABLE_SECONDS: Final = 5.0

# What aio-pika and its parts raise when the broker or the way to it is at fault.
BROKER_ERRORS: Final = (*CONNECTION_EXCEPTIONS, TimeoutError, EOFError)

T = TypeVar("T")


class ForeignCancelError(Exception):
    """A CancelledError that nobody asked for: aio-pika ends its waits so when a connection dies."""


@contextlib.contextmanager
def own_cancellation_only() -> Iterator[None]:
    """Let a cancellation of this task through and turn any other CancelledError into `ForeignCancelError`."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > before:
            raise
        raise ForeignCancelError from error


class _Connection(aio_pika.Connection):
    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109 (the library's)
        """Connect, or be closed: the library's finalizer leaves a coroutine behind where the loop has ended."""
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise


class Shared(Generic[T]):
    """One attempt at a time that any number of tasks may await; cancelling one of them does not disturb it."""

    def __init__(self, make: Callable[[], Awaitable[T]]) -> None:
        """Keep how an attempt is made."""
        self._make = make
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Join the running attempt, or start one; raises what it raises."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_retrieve)
        return await asyncio.shield(self._task)

    async def stop(self) -> None:
        """Cancel the running attempt."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> T:
        return await self._make()


def _retrieve(task: "asyncio.Task[T]") -> None:
    """Read the exception, so that an attempt whose waiters all left is no warning at exit."""
    if not task.cancelled():
        task.exception()


class Link:
    """A supervised connection: full-jitter backoff over the hosts in turn. ``name`` is shown in the broker's lists."""

    def __init__(
        self,
        addresses: tuple[Address, ...],
        name: str,
        connect_timeout: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Keep where to connect; nothing is opened before ``open``. ``chance`` gives a number in [0, 1)."""
        self._addresses = addresses
        self._name = name
        self._connect_timeout = connect_timeout
        self._chance = chance
        self._connection: AbstractConnection | None = None
        self._since = 0.0
        self._failures = 0
        self._turn = 0
        self._closed = False
        self._opening: Shared[AbstractConnection] = Shared(self._round)
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> Address:
        """The host of the present or next connection."""
        return self._addresses[self._turn % len(self._addresses)]

    async def open(self) -> AbstractConnection:
        """Return the live connection, or try every host once after the pause that is due.

        Raises `BrokerUnreachableError` when no host took it, `ClientClosedError` after ``close``.
        """
        if self._closed:
            raise ClientClosedError("The client is closed: publish and call inside its 'async with' block.")
        if self._connection is not None and is_live(self._connection):
            return self._connection
        return await self._opening.get()

    def abandon(self, connection: AbstractConnection) -> None:
        """Close a connection that no longer answers, in the background; the next ``open`` makes a new one."""
        if self._connection is connection:
            self._connection = None
            self._turn += 1
        task = asyncio.create_task(_close(connection))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close for good."""
        self._closed = True
        await self._opening.stop()
        if self._connection is not None:
            self.abandon(self._connection)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _round(self) -> AbstractConnection:
        loop = asyncio.get_running_loop()
        if self._connection is not None:
            if loop.time() - self._since > _STABLE_SECONDS:
                self._failures = 0
            self.abandon(self._connection)
        if self._failures:
            ceiling = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(self._failures, 16))
            await asyncio.sleep(ceiling * self._chance())
        self._failures += 1  # taken back when this connection has lasted
        reasons = []
        for _ in self._addresses:
            address = self.address
            try:
                self._connection = await self._connect(address)
            except (*BROKER_ERRORS, ForeignCancelError) as error:
                reasons.append(f"{address.place}: {_reason(error)}")
                self._turn += 1
            else:
                self._since = loop.time()
                return self._connection
        raise BrokerUnreachableError(
            f"No connection to RabbitMQ (vhost {self.address.vhost}). {' '.join(dict.fromkeys(reasons))}"
        )

    async def _connect(self, address: Address) -> AbstractConnection:
        with own_cancellation_only():
            async with asyncio.timeout(self._connect_timeout):
                return await aio_pika.connect(
                    address.url, client_properties={"connection_name": self._name}, connection_class=_Connection
                )


def is_live(connection: AbstractConnection) -> bool:
    """Whether the connection is open as far as this side knows."""
    return connection.transport is not None and not connection.transport.connection.is_closed


def is_blocked(connection: AbstractConnection) -> bool:
    """Whether the broker has said that it takes no publishes (connection.blocked: a memory or disk alarm)."""
    if connection.transport is None:
        return False
    # aiormq keeps the flag to itself; its ready() suspends exactly while the connection is blocked.
    ready = connection.transport.connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return False
    ready.close()
    return True


async def until_unblocked(connection: AbstractConnection, channel: AbstractChannel) -> None:
    """Wait until the broker takes publishes again or the channel is gone."""
    if connection.transport is None:
        return
    ready = asyncio.ensure_future(connection.transport.connection.ready())
    gone = asyncio.ensure_future(channel.closed())
    try:
        await asyncio.wait({ready, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()
        gone.cancel()


async def _close(connection: AbstractConnection) -> None:
    with contextlib.suppress(*BROKER_ERRORS, ForeignCancelError), own_cancellation_only():
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()


def _reason(error: BaseException) -> str:
    """Say in a sentence why a connection failed; broker texts name users and vhosts, never passwords."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes):
        return "its certificate is not trusted. Name its CA with ?cafile=... and the host as the certificate does."
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return "no TLS connection. Check the port, and the client certificate if one is wanted."
    if isinstance(error, (AuthenticationError, ProbableAuthenticationError)):
        return "access refused. Check the user name and the password."
    if isinstance(error, TimeoutError):
        return "no answer in time. Check the host, the port and the network."
    if isinstance(error, ForeignCancelError):
        return "the connection broke off."
    if any(isinstance(each, FileNotFoundError) for each in causes):
        return "a certificate file of the URL was not found. Check cafile, certfile and keyfile."
    text = str(error.args[-1]) if error.args else type(error).__name__
    return f"{text.rstrip('.')}. Check that RabbitMQ is there and that this user may use the vhost."
