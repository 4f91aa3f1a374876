"""Workers that share shards: each hears of the ones that another should have and stands behind it for."""

import asyncio

import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryLedger, MemoryStore
from callmq_worker.core.crew import LOST
from callmq_worker.core.layout import SINGLE, Shards
from callmq_worker.crew import Crew, Opening, count_shards
from callmq_worker.ports import LedgerAwayError

QUEUES = tuple(f"callmq.control.default.{n}" for n in range(1, 5))
FOUR = Shards(4, 4)


class Team:
    def __init__(self, *, auto: bool = False) -> None:
        self.clock = ManualClock(auto=auto)
        self.store = MemoryStore()
        self.told: list[str] = []

    def worker(self, owner: str, shards: Shards = FOUR) -> Crew:
        crew = Crew(MemoryLedger(self.clock.now, self.store), self.clock, owner, shards)
        crew.offered = True
        crew.changed = lambda: self.told.append(owner)
        return crew


def open_all(crew: Crew) -> None:
    for queue in QUEUES:
        crew.opened(queue)


async def test_a_worker_alone_has_no_rival():
    team = Team()
    one = team.worker("one")
    open_all(one)
    await one.look()
    assert [one.rival(queue) for queue in QUEUES] == [None] * 4
    assert team.told == []


async def test_of_two_workers_each_has_half_and_hears_of_the_other_half():
    team = Team()
    one, two = team.worker("one"), team.worker("two")
    open_all(one)
    await one.look()
    await two.look()  # it is there, and has nothing open that could stand behind the first one's
    await one.look()
    assert [one.rival(queue) for queue in QUEUES] == [None] * 4
    assert [two.rival(queue) for queue in QUEUES] == [Opening("one", 1)] * 4
    team.told.clear()
    open_all(two)
    await two.look()
    await one.look()
    mine = [queue for queue in QUEUES if one.rival(queue) is None]
    theirs = [queue for queue in QUEUES if two.rival(queue) is None]
    assert (len(mine), len(theirs)) == (2, 2)
    assert set(mine) | set(theirs) == set(QUEUES)
    assert one.rival(theirs[0]) == Opening("two", 1)
    assert team.told == ["two", "one"]
    await one.look()
    assert team.told == ["two", "one"]  # only what changed is told


async def test_one_that_closed_a_shard_or_died_is_no_rival():
    team = Team()
    one, two = team.worker("one"), team.worker("two")
    open_all(one)
    open_all(two)
    await two.look()
    await one.look()
    [first, second] = [queue for queue in QUEUES if one.rival(queue) is not None]
    two.closed(first)
    await two.look()
    await one.look()
    assert one.rival(first) is None
    assert one.rival(second) == Opening("two", 1)
    two.opened(first)
    await two.look()
    await one.look()
    assert one.rival(first) == Opening("two", 2)  # a later opening: it stands behind again
    await team.clock.advance(LOST)
    await one.look()
    assert [one.rival(queue) for queue in QUEUES] == [None] * 4


async def test_the_number_of_shards_is_kept_by_who_has_them_and_outlives_who_has_fewer():
    ledger = MemoryLedger()
    assert await count_shards(ledger, 1) == SINGLE
    assert await count_shards(ledger, 4) == Shards(4, 4)
    assert await count_shards(ledger, 2) == Shards(2, 4)
    assert await count_shards(ledger, 1) == Shards(1, 4)


def test_without_the_plugin_no_shard_is_used():
    crew = Team().worker("one")
    assert crew.shards == Shards(4, 4)
    crew.offered = False
    assert crew.shards == Shards(1, 4)  # none is used, and what lies in them is worked off


async def kept_until(crew: Crew, done) -> None:
    keeping = asyncio.create_task(crew.keep())
    while not done():
        await asyncio.sleep(0)
        assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def test_who_can_not_hear_says_so_once_and_goes_on(caplog):
    team = Team(auto=True)
    crew, looks = team.worker("one"), 0

    async def look() -> None:
        nonlocal looks
        looks += 1
        raise LedgerAwayError("of the test")

    crew.look = look
    await kept_until(crew, lambda: looks == 3)
    assert caplog.text.count("other workers not heard") == 1


@pytest.mark.parametrize(("shards", "kept"), [(Shards(4, 5), True), (Shards(1, 5), False)])
async def test_the_number_of_shards_is_not_forgotten_while_somebody_has_them(shards, kept):
    team = Team(auto=True)
    ledger = MemoryLedger(team.clock.now, team.store)
    await count_shards(ledger, 5)
    began = team.clock.now()
    await kept_until(team.worker("one", shards), lambda: team.clock.now() > began + 4000)
    await ledger.purge(1000.0, 10)
    assert await count_shards(ledger, 1) == Shards(1, 5 if kept else 1)
