"""Shards of the control lane by an operator: made, verified, looked at; and a broker without their plugin."""

from __future__ import annotations

import asyncio

import pytest

from callmq.cli import main
from callmq_worker.core.layout import HASH_PLUGIN
from world import World, environment

SHARDS = {"CALLMQ_CONTROL_SHARDS": "3"}
QUEUES = [f"callmq.control.default.{n}" for n in (1, 2, 3)]


@pytest.fixture
def seeing(node):
    return {"CALLMQ_MANAGEMENT_URL": node.administration._http.geturl()}


@pytest.fixture
def without_plugin(w: World, monkeypatch):
    """Run a verb in this process, as beside a broker that does not know the type of exchange."""
    monkeypatch.setattr("callmq_worker.opening.CONSISTENT_HASH", "x-of-no-plugin")
    for name, value in {**environment(w.amqp_url, w.ledger, w.sandbox.url), **SHARDS}.items():
        monkeypatch.setenv(name, value)
    return lambda *words: asyncio.to_thread(main, list(words))


async def test_they_are_made_and_verified_and_none_is_left_bound_that_is_not_used(w: World, callmq, seeing):
    assert (await callmq("topology", "declare", **SHARDS)).code == 0
    seen = await callmq("topology", "verify", "--json", **SHARDS, **seeing)
    assert seen.code == 0, seen.out
    assert {"callmq.calls.default", *QUEUES} <= {row["name"] for row in seen.rows}
    fewer = await callmq("topology", "verify", **seeing)
    assert fewer.code == 1
    assert "callmq.control -> callmq.calls.default" in fewer.out
    assert (await callmq("topology", "declare")).code == 0
    assert (await callmq("topology", "verify", **seeing)).code == 0


async def test_lanes_and_doctor_show_them(w: World, callmq):
    async with w.working(**SHARDS):
        rows = (await callmq("lanes", "--json", **SHARDS)).rows
        checks = (await callmq("doctor", "--json", **SHARDS)).rows
    assert [row["lane"] for row in rows if row["kind"] == "control"] == ["callmq.control", *QUEUES]
    assert sum(check["detail"].startswith("control: consumers 1") for check in checks) == 4


async def test_without_the_plugin_each_lane_is_one_queue_and_that_is_said(w: World, without_plugin, capsys):
    assert await without_plugin("topology", "declare") == 1
    assert HASH_PLUGIN in capsys.readouterr().out
    async with w.working():
        assert await without_plugin("doctor") in (0, 3)
    assert "CALLMQ_CONTROL_SHARDS has no effect" in capsys.readouterr().out
