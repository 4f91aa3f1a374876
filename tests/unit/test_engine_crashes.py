"""Every script of up to three answers, with a crash at every step of it: the promises hold in each of these worlds.

A world is one message, what the endpoint does with each request, and the one step at which the worker dies (before or
after each write, publication, request and acknowledgement). What was unsettled is delivered again, copies come back
from their tiers, and the world ends when the broker has nothing left.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass, field

import orjson
import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent
from commands import NAMED, properties
from flights import KEY, Hand, again, delivery, kept, replies, tier_seconds, waiting
from intents import START

LATER = int((START + 86_400) * 1000)
TAKEN = {"errors": [{"code": "taken", "attribute": "control_id"}]}
TURNS = {
    "done": Turn(Answered(200, {"id": "x"}), acts=True),
    "refused": Turn(Answered(400)),
    "gone": Turn(Answered(404)),
    "taken": Turn(Answered(422, TAKEN)),
    "pressed": Turn(Answered(429, None, 3.0)),
    "paused": Turn(Answered(401)),
    "lost, done": Turn(NoAnswer("reset"), acts=True),
    "lost, not done": Turn(NoAnswer("reset")),
    "not sent": Turn(NotSent("refused")),
}
# A taken control_id means something to a guarded command only; to the others it is one more refusal.
USUAL = tuple(name for name in TURNS if name != "taken")
DEAD = ("rejected", "failed", "expired")


@dataclass
class World:
    """One world, from the first delivery to the last. ``crash``: the step at which the first worker dies, if any."""

    safety: str
    key: str | None
    script: tuple[str, ...]
    crash: int | None
    copies: int = 1
    steps: list[str] = field(default_factory=list)

    async def run(self) -> World:
        self.clock = ManualClock(auto=True)
        self.store = MemoryStore()
        self.dispatcher = MemoryDispatcher((TURNS[name] for name in self.script), self.step)
        self.publisher = MemoryPublisher(watch=self.step)
        body, headers = NAMED[self.safety], {"expires-at": LATER}
        self.body = orjson.dumps(body)
        given = properties(body["command"], self.key, headers=headers)
        queue = deque((given._replace(message_id=f"m{n}"), False) for n in range(self.copies))
        hand = self._hand(1)
        for number in range(2, 60):
            if not queue:
                return self
            published = len(self.publisher.taken)
            one = delivery(self.clock, self.body, queue[0][0], watch=self.step, redelivered=queue[0][1])
            try:
                await hand.carry(one)
            except asyncio.CancelledError:
                hand = self._hand(number)  # the worker is gone; what it knew, too
            if one.receipt.settled == "acknowledged":
                queue.popleft()
                self._check_acknowledged(published)
            else:
                queue[0] = (queue[0][0], True)
                queue.rotate(-1)
            for copy in filter(waiting, self.publisher.taken[published:]):
                self.clock._time += tier_seconds(copy)  # nobody is asleep
                queue.append((again(copy), False))
        raise AssertionError(f"never ends: {self}")

    def _hand(self, number: int) -> Hand:
        ports = (self.clock, self.store, self.dispatcher, self.publisher, self.step)
        return Hand(*ports, f"worker-{number}", lease=3.0, http_deadline=1.0)

    def step(self, word: str) -> None:
        if len(self.steps) + 1 == self.crash:
            self.steps.append(f"{word} CRASH")
            raise asyncio.CancelledError
        self.steps.append(word)
        if word == "published":
            self._check_recorded()

    def _check_recorded(self) -> None:
        """Nothing is said that is not written down."""
        for reply in replies(self.publisher.taken[-1:]):
            if self.key is not None:
                recorded = self.store.records[KEY].reply
                assert recorded, self
                assert orjson.loads(recorded)["reply_id"] == reply["reply_id"], self

    def _check_acknowledged(self, published: int) -> None:
        """Nothing is acknowledged before its reply or its waiting copy is with the broker."""
        new = self.publisher.taken[published:]
        assert replies(new) or any(map(waiting, new)), self

    def check(self) -> None:
        said = replies(self.publisher.taken)
        acted = len(self.dispatcher.acted)
        outcomes = {r["outcome"] for r in said}
        assert len(outcomes) == 1 or self.key is None, self
        if self.key is not None:
            assert len({orjson.dumps({**r, "replayed": False}) for r in said}) == 1, self
        outcome = said[-1]["outcome"]
        if self.safety == "unsafe":
            assert acted <= 1, self
            assert outcome != "succeeded" or acted == 1, self
            assert outcome not in DEAD or acted == 0, self
        if outcome == "failed":
            assert acted == 0, self
        if self.safety in ("guarded", "convergent") and said[-1]["http_status"] in (404, 422):
            assert outcome != "rejected" or acted == 0, self  # "it is in another state" may be our own doing
        copies = [p for p in self.publisher.taken if kept(p)]
        if self.key is not None or outcome != "succeeded":
            assert bool(copies) == (outcome in (*DEAD, "unknown")), self
        assert all(p.body == self.body for p in copies), self


async def explore(safety: str, key: str | None, copies: int, longest: int) -> Counter[str]:
    """Run every world that differs from all others, crash by crash, until no step is left to crash at."""
    names = TURNS if safety == "guarded" else USUAL
    outcomes: Counter[str] = Counter()
    for crash in range(1, 1000):
        crashed, scripts = False, [()]
        while scripts:
            world = await World(safety, key, scripts.pop(), crash, copies).run()
            if world.steps.count("dispatch") > len(world.script) < longest:
                scripts += [(*world.script, name) for name in names]
                continue
            world.check()
            crashed |= len(world.steps) >= crash
            outcomes[replies(world.publisher.taken)[-1]["outcome"]] += 1
        if not crashed:
            return outcomes
    raise AssertionError("a world without end")


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("safety", "copies", "longest"),
    [
        ("unsafe", 1, 3),
        ("unsafe", 2, 3),
        ("guarded", 1, 3),
        ("guarded", 2, 2),
        ("convergent", 1, 3),
        ("convergent", 2, 2),
        ("safe", 1, 2),
        ("safe", 2, 2),
    ],
)
async def test_every_world_with_a_key(safety, copies, longest):
    seen = await explore(safety, "order-1", copies, longest)
    doubtful = {"unknown"} if safety in ("unsafe", "guarded") else set()
    assert seen.keys() == {"succeeded", "rejected"} | doubtful
    assert seen.total() > 500


@pytest.mark.parametrize("safety", ["safe", "convergent"])
async def test_every_world_without_a_key(safety):
    seen = await explore(safety, None, 1, 2)
    assert seen.keys() == {"succeeded", "rejected"}
    assert seen.total() > 500
