"""The newest RabbitMQ, whichever is installed: a command goes the whole way through it, and nothing is left of it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_demo.broker import BrokerError, PrivateNode
from callmq_demo.processes import at_home_in
from callmq_demo.suites import NEWEST, other_suite
from world import world

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST_OF_THEM = (4, 3)


@pytest.fixture
def newest() -> Iterator[PrivateNode]:
    try:
        server = other_suite(NEWEST)
    except BrokerError as why:
        pytest.skip(str(why))  # in CI as well: what the archive's moving suite offers today is not in our hands
    with PrivateNode(server=server) as node:
        yield node


@pytest.mark.timeout(300)  # it is downloaded and unpacked the first time
async def test_a_command_goes_the_whole_way_through_the_newest(newest: PrivateNode, tmp_path: Path) -> None:
    version = newest.administration.version()
    assert tuple(map(int, version.split(".")[:2])) >= OLDEST_OF_THEM
    assert newest.ctl("version").strip() == version
    with newest.vhost() as amqp_url:
        async with world(amqp_url, tmp_path / "l.db") as w, w.working():
            assert (await w.client.send(EXAMPLES["dial"][0], key="k1")).ok
            await w.reply("k1")
            await w.client.send(EXAMPLES["dial"][0], key="k1")
            assert (await w.reply("k1", 2))["replayed"]
            assert w.acted("k1") == 1
    folder, port = newest.layout.folder, newest.layout.ports.amqp
    newest.stop()
    assert at_home_in(folder) == []
    assert not folder.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
