"""Large worlds from seeds keep every promise; a seed is one world, whenever and wherever it is lived."""

from __future__ import annotations

import logging
from collections import Counter

import pytest

from promises import tally
from simulation.large import HEALTHY_EVERY, live_large

SEEDS = range(200)
BATCH = 50


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", SEEDS[::BATCH])
def test_every_world_keeps_every_promise(first: int):
    for seed in range(first, first + BATCH):
        lived = live_large(seed)
        assert not lived.breaches, str(lived)


def test_a_seed_is_one_world():
    assert live_large(3).world.tell() == live_large(3).world.tell()
    assert live_large(3).world.tell() != live_large(4).world.tell()


def test_the_worlds_are_as_wild_as_they_should_be():
    words: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for seed in range(1, 60):
        lived = live_large(seed)
        words.update(word for _, _, word, _ in lived.world.story)
        outcomes.update(said.outcome for said in lived.journal.replies)
        outcomes += tally(lived.journal)
    for word in ("KILLED", "STOPPED", "CUT", "ledger away", "ledger away after the commit", "not confirmed", "withheld",
                 "resolves", "dispatches again", "is told to stop"):  # fmt: skip
        assert words[word] > 3, word
    assert {"succeeded", "rejected", "failed", "expired", "unknown"} <= outcomes.keys()


def test_some_worlds_are_healthy_and_have_no_doubt():
    lived = live_large(HEALTHY_EVERY)
    assert lived.journal.healthy
    assert lived.world.disturbed == 0
