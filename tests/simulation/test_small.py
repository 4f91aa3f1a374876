"""Every small world of each family keeps every promise."""

from __future__ import annotations

import logging

import pytest

from simulation.fate import Path
from simulation.small import USUALLY, Count, Family, broken, live

LEAST = 300


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("family", USUALLY, ids=str)
def test_every_world_keeps_every_promise(family: Family):
    count = Count()
    lived = broken(family, count)
    assert lived is None, str(lived)
    assert count.worlds > LEAST
    if family.key is not None:
        assert {"succeeded", "rejected"} <= count.outcomes.keys()
    print(f"{family}: {count.worlds} worlds, {count.steps} steps")


def test_a_killed_worker_says_nothing_more():
    lived = live(Family(longest=1), Path((0, 0, 1)))
    words = [(who, word) for _, who, word, _ in lived.world.story]
    killed = words.index(("worker 1.1", "KILLED"))
    assert not [who for who, _ in words[killed + 1 :] if who == "worker 1.1"]
    assert ("worker 1.2", "starts") in words


def test_one_path_is_one_world():
    one, two = (live(Family(longest=2), Path((0, 0, 0, 4, 0, 1))) for _ in range(2))
    assert one.world.tell() == two.world.tell()
