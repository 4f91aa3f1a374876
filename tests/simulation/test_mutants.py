"""The judges judged: every mutant breaks a promise in some world, the code as it is breaks none in the same ones."""

from __future__ import annotations

import logging
from itertools import islice

import pytest

from simulation.large import live_large
from simulation.mutants import MUTANTS
from simulation.small import Count, Family, every

# Worlds in which a mutant may show itself, the cheapest first.
SMALL = (
    Family(longest=1, faults=1),
    Family(longest=1, faults=1, kinds=("stop",), workers=2),
    Family(longest=1, faults=2, kinds=("untaken",), copies=2),
    Family("convergent", longest=2, faults=1),
)
SMALL_WORLDS, SEEDS = 600, range(1, 101)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def worlds():
    for family in SMALL:
        yield from islice(every(family, Count()), SMALL_WORLDS)
    for seed in SEEDS:
        yield live_large(seed)


def hunt() -> tuple[int, list[str]]:
    """Return how many worlds were lived until a promise was broken, and what was broken."""
    number = 0
    for number, lived in enumerate(worlds(), 1):
        if lived.breaches:
            return number, lived.breaches
    return number, []


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(name, record_testsuite_property):
    changed: list[str] = []
    with MUTANTS[name](changed):
        number, found = hunt()
    record_testsuite_property(name, f"caught in world {number}: {found[:1]}")
    print(f"{name}: caught in world {number} by {found[:1]}")
    assert changed, "it changed nothing"
    assert found, f"it lived through {number} worlds"


def test_the_code_as_it_is_breaks_nothing_in_the_same_worlds():
    assert hunt()[1] == []
