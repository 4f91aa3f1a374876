"""RabbitMQ through aio-pika: a session of two connections, one to consume and one to publish."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from callmq_worker.adapters.amqp import Connection, Hosts, bounded, connect, reason_of
from callmq_worker.adapters.consuming import CLOSE_TIMEOUT, RabbitConsumer
from callmq_worker.adapters.fetching import RabbitFetcher
from callmq_worker.adapters.publishing import RabbitPublisher
from callmq_worker.adapters.topology import declare, offers, verify
from callmq_worker.core.layout import Lane, Layout
from callmq_worker.ports import BrokerAwayError, Clock, Delivery

LOG: Final = logging.getLogger("callmq.rabbitmq")


class RabbitSession:
    """Two connections, one to consume and one to publish: a blocked publisher must not freeze the consumer."""

    def __init__(self, consuming: Connection, publishing: Connection, clock: Clock) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self._clock = clock
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        for connection, name in ((consuming, "consuming"), (publishing, "publishing")):
            connection.close_callbacks.add(
                lambda _c, error, name=name: self.lose(
                    f"{name} connection closed: {reason_of(error) if error else 'closed'}"
                )
            )

    def lose(self, reason: str) -> None:
        """Declare this session lost."""
        if not self._lost.done():
            self._lost.set_result(reason)

    async def lost(self) -> str:
        """Wait until a connection, a channel or a consumer is gone; return which and why."""
        return await asyncio.shield(self._lost)

    async def declare(self, layout: Layout) -> tuple[str, ...]:
        """Declare what is missing; return a sentence for each thing that is wrong and can't be mended."""
        return await declare(self._consuming, layout)

    async def verify(self, layout: Layout) -> tuple[str, ...]:
        """Return one sentence for each exchange or queue that is missing, changing nothing."""
        return await verify(self._consuming, layout)

    async def consume(self, lane: Lane, prefetch: int, hand_over: Callable[[Delivery], None]) -> RabbitConsumer:
        """Open a lane. Raises `BrokerAwayError`."""
        channel = await bounded(self._consuming.channel(publisher_confirms=False))
        consumer = RabbitConsumer(lane, channel, self._consuming.inlet, self.lose)
        await consumer.start(prefetch, self._clock, hand_over)
        return consumer

    async def fetcher(self) -> RabbitFetcher:
        """Open a channel on which messages are asked for one by one. Raises `BrokerAwayError`."""
        channel = await bounded(self._consuming.channel(publisher_confirms=False))
        fetcher = RabbitFetcher(self._consuming, channel, self._clock)
        await fetcher.start()
        return fetcher

    async def close(self) -> None:
        """Close both connections."""
        self.lose("closed")
        for connection in (self._consuming, self._publishing):
            try:
                await bounded(connection.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("connection not closed", extra={"fields": {"reason": str(error)}})


class RabbitBroker:
    """Makes sessions, one at a time; the publisher always uses the newest."""

    def __init__(self, hosts: Hosts, name: str, clock: Clock) -> None:
        self._hosts = hosts
        self._name = name
        self._clock = clock
        self.publisher = RabbitPublisher()

    async def connect(self) -> RabbitSession:
        """Connect twice, to another host than the one that was lost where there is one. Raises `BrokerAwayError`."""
        consuming = await connect(self._hosts, f"{self._name} consume")
        try:
            publishing = await connect(self._hosts.starting_with(consuming.host), f"{self._name} publish")
        except BaseException:
            await consuming.close()
            raise
        self._hosts = self._hosts.ending_with(consuming.host)
        session = RabbitSession(consuming, publishing, self._clock)
        self.publisher.use(publishing)
        return session

    async def offers(self, kind: str) -> bool:
        """Say whether there are exchanges of this type, on a connection that the question may close.

        Raises `BrokerAwayError`.
        """
        connection = await connect(self._hosts, f"{self._name} look")
        try:
            return await offers(connection, kind)
        finally:
            with suppress(BrokerAwayError):
                await bounded(connection.close(), CLOSE_TIMEOUT)

    def forget(self) -> None:
        """Publish nothing until the next session."""
        self.publisher.use(None)
