"""How the dispatcher finds its endpoint: one question for a name at a time, and the next address where one is deaf."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import tracemalloc

import pytest

from callmq_worker.adapters import names
from callmq_worker.core.outcome import Answered, NotSent
from endpoints import DONE, Connection, Endpoint, Gate, dispatching, full_backlog, order, serving


@pytest.fixture
def resolver(monkeypatch):
    """Answer for the name ``endpoint.test`` in the system's stead, and count the questions."""
    known: dict[str, list] = {"ports": [], "asked": []}
    gate = threading.Event()
    gate.set()

    def getaddrinfo(host, port, **_):
        known["asked"].append(host)
        gate.wait(30)
        if not known["ports"]:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        found = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*found, ("127.0.0.1", each)) for each in known["ports"]]

    monkeypatch.setattr(names.socket, "getaddrinfo", getaddrinfo)
    return known, gate


async def test_the_next_address_is_tried_where_one_does_not_answer(resolver):
    known, _ = resolver
    async with Endpoint(serving) as endpoint:
        with full_backlog() as deaf:
            known["ports"] = [deaf, endpoint.port]
            async with dispatching("http://endpoint.test/x") as dispatcher:
                assert await dispatcher.dispatch(order(), Gate()) == Answered(200, DONE)


async def test_many_requests_at_once_ask_for_a_name_once(resolver):
    known, gate = resolver
    gate.clear()
    async with Endpoint(serving) as endpoint, dispatching("http://endpoint.test/x") as dispatcher:
        known["ports"] = [endpoint.port]
        asking = [asyncio.create_task(dispatcher.dispatch(order(), Gate())) for _ in range(20)]
        while not known["asked"]:
            await asyncio.sleep(0.01)
        gate.set()
        assert await asyncio.gather(*asking) == [Answered(200, DONE)] * 20
    assert len(known["asked"]) == 1


async def test_a_name_that_was_not_found_is_asked_for_again(resolver):
    known, _ = resolver
    async with Endpoint(serving) as endpoint, dispatching("http://endpoint.test/x") as dispatcher:
        assert await dispatcher.dispatch(order(), Gate()) == NotSent("host not found")
        known["ports"] = [endpoint.port]
        assert await dispatcher.dispatch(order(), Gate()) == Answered(200, DONE)
    assert len(known["asked"]) == 2


async def test_one_that_gives_up_leaves_the_answer_to_the_others(resolver):
    known, gate = resolver
    gate.clear()
    async with Endpoint(serving) as endpoint, dispatching("http://endpoint.test/x") as dispatcher:
        known["ports"] = [endpoint.port]
        impatient = asyncio.create_task(dispatcher.dispatch(order(deadline=0.05), Gate()))
        patient = asyncio.create_task(dispatcher.dispatch(order(), Gate()))
        assert await impatient == NotSent("no answer in time")
        gate.set()
        assert await patient == Answered(200, DONE)


async def test_a_thread_that_can_not_start_once_does_no_lasting_harm(resolver, monkeypatch):
    known, _ = resolver
    async with Endpoint(serving) as endpoint, dispatching("http://endpoint.test/x") as dispatcher:
        known["ports"] = [endpoint.port]
        with monkeypatch.context() as m:
            m.setattr(names.threading.Thread, "start", no_thread)
            assert isinstance(await dispatcher.dispatch(order(), Gate()), NotSent)
        assert await dispatcher.dispatch(order(), Gate()) == Answered(200, DONE)


def no_thread(_self):
    raise RuntimeError("can't start new thread")


async def test_the_name_that_was_configured_is_the_name_that_is_asked_for(resolver):
    known, _ = resolver
    async with dispatching("https://xn--fa-hia.test/x") as dispatcher:
        await dispatcher.dispatch(order(), Gate())
    assert known["asked"] == ["xn--fa-hia.test"]


async def test_trailers_without_end_are_not_kept():
    async def trailing(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        for _ in range(100):
            await connection.send(b"x-trailer: %s\r\n" % (b"y" * 80) * 1000)
        await connection.send(b"\r\n")

    async with Endpoint(trailing) as endpoint, dispatching(endpoint.url) as dispatcher:
        tracemalloc.start()
        try:
            answer = await dispatcher.dispatch(order(), Gate())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert isinstance(answer, Answered)
    assert peak < 5_000_000


HANGING = """
import asyncio, socket, time
socket.getaddrinfo = lambda *_, **__: time.sleep(600)
from callmq_worker.adapters.names import Names
async def main():
    try:
        async with asyncio.timeout(0.1):
            await Names().addresses("endpoint.test", 80)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""


def test_a_resolver_that_hangs_does_not_keep_the_process():
    ended = subprocess.run([sys.executable, "-c", HANGING], check=True, capture_output=True, text=True, timeout=60)
    assert ended.stdout == "gave up\n"


async def test_a_fresh_connection_is_closed_after_its_answer():
    async with Endpoint(serving) as endpoint, dispatching(endpoint.url) as dispatcher:
        for _ in range(10):
            assert await dispatcher.dispatch(order(fresh=True), Gate()) == Answered(200, DONE)
        await endpoint.over(10)  # while the dispatcher is still open
        assert len(endpoint.connections) == 10
