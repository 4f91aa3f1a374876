"""A world, and the command ``callmq`` run in it as an operator would."""

from __future__ import annotations

import pytest

from operator_verb import Ran, run_verb
from world import World, environment, world


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as here:
        yield here


@pytest.fixture
def callmq(w: World):
    """Run a verb with the settings of the world's worker."""

    async def run(*words: str, **more: str) -> Ran:
        settings = environment(w.amqp_url, w.ledger, w.sandbox.url)
        return await run_verb({n: v for n, v in {**settings, **more}.items() if v}, *words)

    return run
