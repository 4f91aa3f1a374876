"""A large world from a seed: several workers, calls and dials, duplicates, people, and whatever may go wrong."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callmq_contracts.examples import EXAMPLES
from callmq_worker.core.controls import Scope, Target
from callmq_worker.core.flow import CampaignPace, Pace, Rates
from flights import UNPACED
from journal import Journal
from promises import breaches
from simulation.fate import CALM, Seeded
from simulation.person import Person
from simulation.world import World

END = CALM + 200.0
CALLS = ("5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21", "0e9c80d7-a149-4917-892d-420043709f45")
ON_CALLS = ("calling.record", "calling.denoise", "calling.user_event", "calling.play.stop", "calling.end")
HEALTHY_EVERY = 8
SHARDS = (1, 1, 2, 3, 2)
RATES = (UNPACED, Rates(Pace(0.5)), Rates(Pace(4.0, from_rate=1.0), campaigns={"spring": CampaignPace(0.3, 2.0)}))


@dataclass(frozen=True, slots=True)
class LivedLarge:
    """One large world that was lived to its end."""

    seed: int
    world: World
    journal: Journal
    breaches: list[str]

    def __str__(self) -> str:
        again = f'make simulate ARGS="--seed {self.seed} --story"'
        return "\n".join([f"seed {self.seed}: {again}", *self.breaches])


def live_large(seed: int) -> LivedLarge:
    """Live the world of a seed."""
    healthy = seed % HEALTHY_EVERY == 0
    chance = random.Random(f"what is published {seed}")
    fate = lambda world: Seeded(seed, world.loop.time, healthy=healthy)  # noqa: E731
    world = World(fate, max_attempts=chance.choice((3, 8)), rates=RATES[seed % len(RATES)])
    world.healthy = healthy
    world.shard(SHARDS[seed % len(SHARDS)])
    for number in range(chance.randint(1, 3)):
        world.host(f"worker {number + 1}", whole=True)
    plan = list(_plan(chance))
    for at, body, key, changes in plan:
        _later(world, at, _publish, world, body, key, changes)
    for at in (60.0, 130.0, CALM + 80, CALM + 120, CALM + 160):
        _later(world, at, _visit, world)
    for _ in range(0 if healthy else chance.randint(0, 3)):
        _later(world, chance.uniform(5, CALM), lambda: chance.choice(world.workers).stop())
    for _ in range(chance.choice((0, 0, 1, 3))):
        _later(world, chance.uniform(0, 120), world.cancel, _target(chance))
    world.loop.call_later(END, lambda: None)
    journal = world.live(over=lambda: world.loop.time() >= END and world.rests, until=20_000.0)
    return LivedLarge(seed, world, journal, breaches(journal))


def _later(world: World, at: float, act: Any, *told: Any) -> None:
    world.loop.call_later(at, act, *told, context=world.loop.world.context)


def _target(chance: random.Random) -> Target:
    if chance.random() < 0.4:
        return Target(Scope.CALL, chance.choice(CALLS))
    return Target(Scope.KEY, f"dial-{chance.randint(0, 5)}", "default")


def _publish(world: World, body: dict[str, Any], key: str | None, changes: dict[str, Any]) -> None:
    headers = dict(changes.get("headers", {}))
    if "expires_in" in changes:
        headers["expires-at"] = int(1000 * (world.now() + changes["expires_in"]))
    more = {"expiration": changes["expiration"]} if "expiration" in changes else {}
    world.publish(body, key, headers=headers, **more)


def _visit(world: World) -> None:
    world.host_of(Person(world, "person", whole=False))


def _plan(chance: random.Random) -> Iterator[tuple[float, dict[str, Any], str | None, dict[str, Any]]]:
    """Say what is published, when: dials, and commands of two calls in their order."""
    for number in range(chance.randint(2, 12)):
        at, key = chance.uniform(0, 90), f"dial-{number}"
        body = _dial(number)
        changes: dict[str, Any] = {}
        if chance.random() < 0.2:
            changes["expires_in"] = chance.choice((0.5, 3.0, 20.0))
        elif chance.random() < 0.15:
            changes["expiration"] = str(chance.choice((500, 5000)))
        if chance.random() < 0.4:
            changes["headers"] = {
                "campaign": chance.choice(("spring", "autumn")),
                "priority": chance.choice(("high", "bulk")),
            }
        yield at, body, key, changes
        while chance.random() < 0.35:
            yield at + chance.choice((0.0, 0.01, 1.0, 20.0, 90.0)), body, key, changes
        if chance.random() < 0.15:
            yield at + chance.choice((0.0, 0.5, 30.0)), _dial(number, timeout=17), key, changes
    for call in CALLS:
        at = chance.uniform(0, 60)
        for number in range(chance.randint(0, 6)):
            at += chance.choice((0.0, 0.0, 0.3, 10.0))
            name = chance.choice(ON_CALLS)
            keyless = name in ("calling.denoise", "calling.play.stop") and chance.random() < 0.2
            key = None if keyless else f"{call[:2]}-{number}"
            changes = {"expires_in": chance.choice((30.0, 600.0))} if chance.random() < 0.7 else {}
            body = {**EXAMPLES[name][0], "id": call}
            yield at, body, key, changes
            if key and chance.random() < 0.25:
                yield at + chance.choice((0.0, 0.5, 40.0)), body, key, changes


def _dial(number: int, **more: Any) -> dict[str, Any]:
    body = EXAMPLES["dial"][0]
    return {**body, "params": {**body["params"], "to": f"+1555010{number:04}", **more}}


def broken_seed(seeds: range) -> tuple[LivedLarge | None, int]:
    """Return the first world of these seeds in which a promise is broken, and how many were lived."""
    for lived_before, seed in enumerate(seeds):
        lived = live_large(seed)
        if lived.breaches:
            return lived, lived_before + 1
    return None, len(seeds)
