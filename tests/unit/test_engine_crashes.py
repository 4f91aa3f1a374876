"""Every script of up to three answers, with a crash at every step of it: the promises hold in each of these worlds.

A world is one message, what the endpoint does with each request, and the one step at which the worker dies (before or
after each write, publication, request and acknowledgement). What was unsettled is delivered again, copies come back
from their tiers, and the world ends when the broker has nothing left.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field, replace

import orjson
import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, Turn
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent
from commands import NAMED, properties
from flights import KEY, START, Hand, again, delivery, kept, replies, tier_seconds, waiting

LONGEST = 3
LATER = int((START + 86_400) * 1000)
TAKEN = {"errors": [{"code": "taken", "attribute": "control_id"}]}
TURNS = {
    "done": Turn(Answered(200, {"id": "x"}), acts=True),
    "refused": Turn(Answered(400)),
    "gone": Turn(Answered(404)),
    "taken": Turn(Answered(422, TAKEN)),
    "pressed": Turn(Answered(429, None, 3.0)),
    "paused": Turn(Answered(401)),
    "failed, done": Turn(Answered(500), acts=True),
    "lost, done": Turn(NoAnswer("reset"), acts=True),
    "lost, not done": Turn(NoAnswer("reset")),
    "not sent": Turn(NotSent("refused")),
}
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
    used: int = 0

    async def run(self) -> World:
        self.clock = ManualClock(auto=True)
        self.store = MemoryStore()
        turns = self._turns()
        self.dispatcher = MemoryDispatcher(turns, self.step)
        self.publisher = MemoryPublisher(watch=self.step)
        body, headers = NAMED[self.safety], {"expires-at": LATER}
        self.body = orjson.dumps(body)
        given = properties(body["command"], self.key, headers=headers)
        queue = deque((replace(given, message_id=f"m{n}"), False) for n in range(self.copies))
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
                await self.clock.advance(tier_seconds(copy))
                queue.append((again(copy), False))
        raise AssertionError(f"never ends: {self}")

    def _turns(self):
        for name in self.script:
            self.used += 1
            yield TURNS[name]

    def _hand(self, number: int) -> Hand:
        return Hand(self.clock, self.store, self.dispatcher, self.publisher, self.step, f"worker-{number}")

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
        (outcome, *_) = outcomes
        if self.safety == "unsafe":
            assert acted <= 1, self
            assert outcome != "succeeded" or acted == 1, self
            assert outcome not in DEAD or acted == 0, self
        if outcome == "failed":
            assert acted == 0, self
        copies = [p for p in self.publisher.taken if kept(p)]
        assert bool(copies) == (outcome in (*DEAD, "unknown")), self
        assert all(p.body == self.body for p in copies), self


async def explore(safety: str, key: str | None, copies: int) -> Counter[str]:
    """Run every world: each script without a crash, then with a crash at each of its steps, then longer ones."""
    seen, open_scripts = Counter(), [()]
    while open_scripts:
        script = open_scripts.pop()
        world = await World(safety, key, script, None, copies).run()
        world.check()
        longest, crash = len(world.steps), 1
        extended = world.used == len(script) and len(world.dispatcher.sent) >= 0 and _asks_for_more(world, script)
        while crash <= longest:
            crashed = await World(safety, key, script, crash, copies).run()
            crashed.check()
            extended = extended or _asks_for_more(crashed, script)
            seen[replies(crashed.publisher.taken)[0]["outcome"]] += 1
            crash += 1
        if extended and len(script) < LONGEST:
            open_scripts += [(*script, name) for name in TURNS]
    return seen


def _asks_for_more(world: World, script: tuple[str, ...]) -> bool:
    """Say whether some request came after the script had ended."""
    return world.steps.count("dispatch") > len(script)


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("safety", NAMED)
async def test_every_world_with_a_key(safety, copies):
    seen = await explore(safety, "order-1", copies)
    print(safety, copies, seen.total(), dict(seen))
    assert {"succeeded", "unknown", "rejected"} <= seen.keys()


@pytest.mark.parametrize("safety", ["safe", "convergent"])
async def test_every_world_without_a_key(safety):
    seen = await explore(safety, None, 1)
    print(safety, seen.total(), dict(seen))
    assert {"succeeded", "rejected"} <= seen.keys()
