"""The private node: alone with itself on loopback, and gone without a trace."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import aio_pika
import pytest

from callmq_demo import layout
from callmq_demo.broker import BrokerError, PrivateNode
from callmq_demo.node import answers_amqp, find_server
from callmq_demo.processes import at_home_in, wait_until
from needs import missing

if TYPE_CHECKING:
    from callmq_demo.layout import Ports

DEPLOY = Path(__file__).parents[3] / "deploy"
LOOPBACK_HEX = {"0100007F", "00000000000000000000000001000000"}
LISTENING = "0A"


@pytest.fixture(autouse=True)
def server() -> Path:
    return find_server() or missing("rabbitmq-server")


def listeners(pids: list[int]) -> list[tuple[str, int]]:
    """List (address in hex, port) of every TCP listener that one of these processes holds."""
    inodes = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed; a listener stays open
                target = str(descriptor.readlink())
                if target.startswith("socket:"):
                    inodes.add(target[8:-1])
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    held = [row[1].split(":") for row in rows if row[3] == LISTENING and row[9] in inodes]
    return [(address, int(port, 16)) for address, port in held]


def connects(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def nobody_on(ports: Ports) -> bool:
    return not any(connects(port) for port in (ports.amqp, ports.management, ports.distribution, ports.epmd))


def test_two_nodes_side_by_side_keep_to_loopback_and_leave_nothing() -> None:
    with PrivateNode() as first, PrivateNode() as second:
        layouts = (first.layout, second.layout)
        for each in layouts:
            held = listeners(at_home_in(each.folder))
            ports = each.ports
            assert {port for _, port in held} == {ports.amqp, ports.management, ports.distribution, ports.epmd}
            assert {address for address, _ in held} <= LOOPBACK_HEX
        first.administration.create_vhost("only-here")
        assert [each["name"] for each in second.administration.call("GET", "/api/vhosts")] == ["/"]
    for each in layouts:
        assert at_home_in(each.folder) == []
        assert nobody_on(each.ports)
        assert not each.folder.exists()


START_AND_SAY = """
import callmq_demo.node as node, callmq_demo.processes as processes
class Told(node.PrivateNode):
    def _await(self, child, ready):
        print(self.layout.folder, flush=True)
        super()._await(child, ready)
{prelude}
with Told() as started:
    print("ready", flush=True)
    input()
"""


def start_elsewhere(prelude: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START_AND_SAY.format(prelude=prelude)],
        env={**os.environ, "PYTHONPATH": str(DEPLOY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


MOMENTS = ["epmd starts", "the broker starts", "ready"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_interrupted_start_leaves_nothing(moment: str) -> None:
    with start_elsewhere() as child:
        lines = [child.stdout.readline().strip() for _ in MOMENTS[: MOMENTS.index(moment) + 1]]
        folder = Path(lines[0])
        assert folder.is_dir()
        child.send_signal(signal.SIGINT)
        child.wait(60)
    assert child.returncode != 0
    assert at_home_in(folder) == []
    assert not folder.exists()


def test_a_killed_owner_takes_its_node_along() -> None:
    with start_elsewhere() as child:
        folder = Path(child.stdout.readline().strip())
        while child.stdout.readline().strip() != "ready":
            pass
        child.kill()
        child.wait(60)
    try:
        assert wait_until(lambda: not at_home_in(folder), 60)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests show it: we are no root ourselves")
def test_an_ordinary_user_may_have_one() -> None:
    nobody, python = 65534, shutil.which("python3", path="/usr/bin")
    if python is None:
        missing("a Python that every user may run")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(DEPLOY / "callmq_demo", folder / "callmq_demo", ignore=shutil.ignore_patterns("__pycache__"))
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o755)
        script = "from callmq_demo.broker import find_broker\nwith find_broker() as b: print(b.describe(), b.pid)"
        done = subprocess.run(
            [python, "-c", script],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            user=nobody,
            group=nobody,
            extra_groups=[],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stdout.startswith("a private RabbitMQ "), done.stderr


def test_a_node_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(BrokerError, match=r"ended \(\d+\)(.|\n)*no_such_setting"):
        PrivateNode(settings={"no_such_setting": "1"}).start()
    assert list(tmp_path.iterdir()) == []


def test_ports_taken_by_another_are_given_up_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    good = layout.free_ports()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        offers = iter([replace(good, epmd=taken), replace(good, amqp=taken), good])
        monkeypatch.setattr(layout, "free_ports", lambda: next(offers))
        with PrivateNode() as started:
            assert started.layout.ports == good


def test_no_server_is_a_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callmq_demo.node.find_server", lambda: None)
    with pytest.raises(BrokerError, match="RabbitMQ is not installed"):
        PrivateNode().start()


def test_messages_survive_a_crash(private_node: PrivateNode) -> None:
    async def publish(url: str) -> None:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
            message = aio_pika.Message(b"here", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "kept")

    async def fetch(url: str) -> bytes:
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("kept", passive=True)
            message = await queue.get(timeout=30)
            return message.body

    port = private_node.layout.ports.amqp
    with private_node.vhost() as url:
        asyncio.run(publish(url))
        # RabbitMQ 3.10 forgets the leader of a quorum queue that is younger than a second or two when it is killed.
        time.sleep(5)
        private_node.crash()
        assert not answers_amqp(port)
        private_node.boot()
        assert asyncio.run(fetch(url)) == b"here"


async def test_connections_are_closed_by_the_broker(private_node: PrivateNode, amqp_url: str) -> None:
    connection = await aio_pika.connect(amqp_url)
    closed = asyncio.Event()
    connection.close_callbacks.add(lambda *_: closed.set())
    await asyncio.to_thread(private_node.close_connections, amqp_url)
    async with asyncio.timeout(30):
        await closed.wait()


async def test_the_memory_alarm_blocks_publishers_until_it_is_cleared(private_node: PrivateNode, amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("waiting", durable=True, arguments={"x-queue-type": "quorum"})
        await asyncio.to_thread(private_node.set_memory_alarm, on=True)
        try:
            publishing = asyncio.create_task(channel.default_exchange.publish(aio_pika.Message(b"later"), "waiting"))
            done, _ = await asyncio.wait({publishing}, timeout=1)
            assert not done
        finally:
            await asyncio.to_thread(private_node.set_memory_alarm, on=False)
        async with asyncio.timeout(30):
            await publishing


def test_a_vhost_is_gone_after_its_test(node: PrivateNode) -> None:
    def names() -> list[str]:
        return [each["name"] for each in node.administration.call("GET", "/api/vhosts")]

    before = names()
    with node.vhost():
        assert len(names()) == len(before) + 1
    assert names() == before


def test_a_frozen_node_answers_nobody(private_node: PrivateNode) -> None:
    port = private_node.layout.ports.amqp
    with private_node.frozen(), socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        connection.settimeout(1)
        with pytest.raises(TimeoutError):
            connection.recv(1)
    assert answers_amqp(port)
