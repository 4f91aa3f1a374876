"""A broker in memory, as RabbitMQ does it: confirmed letters stay until they are acknowledged, whoever dies.

Quorum lanes with prefetch, a single active consumer where order is kept, delay tiers, expiry and delivery limits that
move a letter to the returned lane. What a lost channel had comes back: in order in a lane that keeps order, anywhere
in the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import orjson

from callmq_contracts.envelope import Properties
from callmq_worker.core.layout import WAITING_LANE, Lane, Layout, control_lane, lanes
from callmq_worker.core.publications import Publication
from callmq_worker.ports import BrokerAwayError, Delivery
from flights import NAMES, again, tier_seconds, waiting
from simulation.loop import Loop, Process

DELIVERY_LIMIT = 6


@dataclass(eq=False, slots=True)
class Letter:
    """One message in a queue."""

    body: bytes
    properties: Properties
    exchange: str = NAMES.commands
    redelivered: bool = False
    deliveries: int = 0


@dataclass(eq=False, slots=True)
class Queue:
    """One queue with its consumers."""

    lane: Lane
    letters: deque[Letter] = field(default_factory=deque)
    channels: list[Channel] = field(default_factory=list)


@dataclass(eq=False)
class Channel:
    """One lane that a process consumes: what the port calls a consumer."""

    post: Post
    queue: Queue
    process: Process
    prefetch: int
    hand_over: Callable[[Delivery], None]
    open: bool = True
    taking: bool = True
    unsettled: dict[Letter, None] = field(default_factory=dict)

    @property
    def alive(self) -> bool:
        return self.open and self.taking

    async def stop(self) -> None:
        self.taking = False
        self.post.drop_consumer(self)

    async def close(self) -> None:
        self.shut()

    def shut(self) -> None:
        """Close it: what is unsettled goes back."""
        if self.open:
            self.open = self.taking = False
            letters, self.unsettled = list(self.unsettled), {}
            if self in self.queue.channels:
                self.queue.channels.remove(self)
            self.post.take_back(self.queue, letters)


class Post:
    """All queues and exchanges. ``taken`` is what was published and confirmed or not, but taken, in order."""

    def __init__(self, loop: Loop, choose: Callable[[int], int], now: Callable[[], float]) -> None:
        self.loop, self._choose, self.now = loop, choose, now
        self.queues = {lane.queue: Queue(lane) for lane in (control_lane(NAMES, "default"), *lanes(NAMES))}
        self.shards: tuple[Lane, ...] = ()
        self.parked: list[Letter] = []
        self.taken: list[Publication] = []
        self.waiting: list[Publication] = []
        self.receipt: Callable[[Channel, Letter], Any]

    @property
    def left(self) -> dict[str, int]:
        lanes_left = {
            name: len(q.letters) + sum(len(c.unsettled) for c in q.channels) for name, q in self.queues.items()
        }
        return {**lanes_left, "tiers": len(self.waiting)}

    def publish(self, publication: Publication) -> None:
        """Take a publication and route it."""
        self.taken.append(publication)
        if waiting(publication):
            self.waiting.append(publication)
            self.loop.call_later(tier_seconds(publication), self._due, publication, context=self.loop.world.context)
        elif publication.exchange == NAMES.commands:
            self.arrive(Letter(publication.body, again(publication)))
        elif not publication.exchange and publication.routing_key.startswith(f"{NAMES.dial}."):
            lane = Lane(WAITING_LANE, publication.routing_key)
            queue = self.queue_of(lane)
            queue.letters.append(Letter(publication.body, again(publication), ""))
            self._pump(queue)
        elif (publication.exchange, publication.routing_key) == ("", NAMES.unknown):
            self.parked.append(Letter(publication.body, again(publication), ""))

    def _due(self, publication: Publication) -> None:
        self.waiting.remove(publication)
        self.arrive(Letter(publication.body, again(publication)))

    def arrive(self, letter: Letter) -> None:
        """Put a letter into the lane of its routing key."""
        key = letter.properties.routing_key
        control = key == "update" or key.startswith("calling.")
        queue = self.queues[NAMES.dial if key == "dial" else NAMES.control if control else NAMES.unrouted]
        if control and self.shards:
            queue = self.queue_of(self.shards[crc32(orjson.loads(letter.body)["id"].encode()) % len(self.shards)])
        queue.letters.append(letter)
        if letter.properties.expiration is not None:
            seconds = int(letter.properties.expiration) / 1000
            self.loop.call_later(seconds, self._expire, queue, letter, context=self.loop.world.context)
        self._pump(queue)

    def _expire(self, queue: Queue, letter: Letter) -> None:
        if letter in queue.letters:
            queue.letters.remove(letter)
            self._return(letter, "expired")

    def _return(self, letter: Letter, reason: str) -> None:
        headers = {**letter.properties.headers, "x-death": [{"reason": reason}]}
        key = letter.properties.routing_key
        key = "dial" if key.startswith(f"{NAMES.dial}.") else key  # as its queue's dead-letter routing key says
        properties = letter.properties._replace(routing_key=key, headers=headers, expiration=None)
        queue = self.queues[NAMES.returned]
        queue.letters.append(Letter(letter.body, properties, NAMES.returned))
        self._pump(queue)

    def consume(self, lane: Lane, prefetch: int, hand_over: Callable[[Delivery], None], process: Process) -> Channel:
        queue = self.queue_of(lane)
        channel = Channel(self, queue, process, prefetch, hand_over)
        queue.channels.append(channel)
        self._pump(queue)
        return channel

    def drop_consumer(self, channel: Channel) -> None:
        if channel in channel.queue.channels:
            channel.queue.channels.remove(channel)
            self._pump(channel.queue)

    def settle(self, channel: Channel, letter: Letter, *, back: bool) -> None:
        """Acknowledge a letter, or put it back."""
        if channel.unsettled.pop(letter, letter) is None:
            if back:
                self.take_back(channel.queue, [letter])
            self._pump(channel.queue)

    def take_back(self, queue: Queue, letters: list[Letter]) -> None:
        limit = DELIVERY_LIMIT if queue.lane.name in ("dial", WAITING_LANE) else 1000
        for letter in reversed(letters):
            letter.redelivered = True
            if letter.deliveries >= limit:
                self._return(letter, "delivery_limit")
            else:
                at = 0 if queue.lane.ordered else self._choose(len(queue.letters) + 1)
                queue.letters.insert(at, letter)
        self._pump(queue)

    def _pump(self, queue: Queue) -> None:
        while queue.letters:
            able = [c for c in (queue.channels[:1] if queue.lane.ordered else queue.channels)
                    if c.taking and len(c.unsettled) < c.prefetch]  # fmt: skip
            if not able:
                return
            channel, letter = able[self._choose(len(able)) if len(able) > 1 else 0], queue.letters.popleft()
            letter.deliveries += 1
            channel.unsettled[letter] = None
            self._hand_over(channel, letter)

    def queue_of(self, lane: Lane) -> Queue:
        return self.queues.setdefault(lane.queue, Queue(lane))

    def fetched(self, channel: Channel) -> tuple[Delivery, int] | None:
        """Hand out the next letter of a queue."""
        letters = channel.queue.letters
        if not letters:
            return None
        letter = letters.popleft()
        letter.deliveries += 1
        channel.unsettled[letter] = None
        return self._delivery(channel, letter), len(letters)

    def _hand_over(self, channel: Channel, letter: Letter) -> None:
        self.loop.call_soon(channel.hand_over, self._delivery(channel, letter), context=channel.process.context)

    def _delivery(self, channel: Channel, letter: Letter) -> Delivery:
        return Delivery(
            channel.queue.lane.name,
            channel.queue.lane.queue,
            letter.exchange,
            letter.body,
            letter.properties,
            self.receipt(channel, letter),
            self.now(),
            letter.redelivered,
            letter.deliveries - 1,
        )


class Session:
    """A worker's connection: lost when its process is dead, when it is stopped for long, or when it is cut."""

    def __init__(self, post: Post, process: Process) -> None:
        self._post, self._process = post, process
        self._channels: list[Channel] = []
        self._lost: asyncio.Future[str] = post.loop.create_future()
        self.open = True

    def cut(self, reason: str) -> None:
        """Lose it, with all channels."""
        self.open = False
        for channel in self._channels:
            channel.shut()
        if not self._lost.done():
            self._lost.set_result(reason)

    async def lost(self) -> str:
        return await asyncio.shield(self._lost)

    async def declare(self, _layout: Layout) -> tuple[str, ...]:
        return ()

    async def consume(self, lane: Lane, prefetch: int, hand_over: Callable[[Delivery], None]) -> Channel:
        self._channels.append(self._post.consume(lane, prefetch, hand_over, self._process))
        return self._channels[-1]

    async def fetcher(self) -> Fetcher:
        return Fetcher(self)

    def channel(self, lane: Lane) -> Channel:
        """Return a channel without a consumer."""
        queue = self._post.queue_of(lane)
        self._channels.append(Channel(self._post, queue, self._process, 0, lambda _: None))
        return self._channels[-1]

    async def close(self) -> None:
        self.cut("closed")


class Fetcher:
    """Asks for letters one by one, on a channel a queue."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channels: dict[str, Channel] = {}

    async def fetch(self, lane: Lane) -> tuple[Delivery, int] | None:
        channel = self._channels.setdefault(lane.queue, self._session.channel(lane))
        if not channel.open:
            raise BrokerAwayError("channel closed")
        return channel.post.fetched(channel)

    async def close(self) -> None:
        for channel in self._channels.values():
            channel.shut()
