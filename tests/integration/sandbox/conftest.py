"""A sandbox on loopback and clients for it: one that knows the credentials, and a bare connection."""

from collections.abc import AsyncIterator

import httpx
import pytest

from callmq_worker.sandbox import Sandbox, SandboxSettings


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(SandboxSettings(cps=0, ring_seconds=0, answer_seconds=0, seed=1)) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """One connection at a time is kept alive, nothing comes from the environment."""
    async with httpx.AsyncClient(
        auth=("sandbox", "sandbox-token"), base_url=sandbox.origin, trust_env=False, timeout=30
    ) as ready:
        yield ready
