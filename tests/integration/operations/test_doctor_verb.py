"""``callmq doctor`` beside real brokers, ledgers and endpoints, well and unwell. It never sends and never makes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl

import pytest
import trustme

from operator_verb import Ran, run_verb
from world import TOKEN, World


def by_name(ran: Ran) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in ran.rows:
        found.setdefault(row["check"], []).append(row)
    return found


@pytest.fixture
def seeing(node):
    return {"CALLMQ_MANAGEMENT_URL": node.administration._http.geturl()}


async def test_a_healthy_place_is_said_to_be_one(w: World, callmq, seeing):
    async with w.working():
        ran = await callmq("doctor", "--json", **seeing)
        words = await callmq("doctor", **seeing)
    assert ran.code == 0, ran.out
    assert {r["state"] for r in ran.rows} == {"ok"}, ran.out
    assert set(by_name(ran)) == {
        *("settings", "retention", "file descriptors", "disk", "ledger", "broker", "version", "topology", "lane"),
        *("depth", "clock", "consumer timeout", "nodes", "endpoint", "account", "telemetry"),
    }
    assert {r["detail"].split(":")[0] for r in by_name(ran)["lane"]} == {"control", "dial", "unrouted", "returned"}
    assert words.out.startswith("ok       settings")
    assert list(w.sandbox.journal.since(0)) == []


async def test_no_secret_is_printed(w: World, node, callmq):
    url = node.administration._http
    wrong = url._replace(netloc=f"someone:canary-management@{url.hostname}:{url.port}").geturl()
    async with w.working():
        ran = await callmq("doctor", "--json", CALLMQ_MANAGEMENT_URL=wrong)
    assert ran.code == 3
    assert "refuses this user" in by_name(ran)["management"][0]["detail"]
    for secret in (TOKEN, "canary-management", w.amqp_url.split("@")[0].split(":")[-1]):
        assert secret not in ran.out + ran.err


async def test_nothing_is_made_where_nothing_is(w: World, callmq):
    ran = await callmq("doctor", "--json")
    assert ran.code == 1
    found = by_name(ran)
    assert "there is none yet" in found["ledger"][-1]["detail"]
    assert not w.ledger.exists()
    assert {r["state"] for r in found["topology"]} == {"wrong"}
    assert "declare" in found["topology"][0]["todo"]
    assert "can't be" in found["clock"][0]["detail"]
    assert (await callmq("topology", "verify")).code == 1


async def test_idle_lanes_and_full_queues_are_warnings(w: World, callmq):
    async with w.working():
        await w.put(b"{]", "dial")
        await w.reply(None)
    ran = await callmq("doctor", "--json")
    assert ran.code == 0
    found = by_name(ran)
    assert {r["state"] for r in found["lane"]} == {"warning"}
    assert "callmq work" in found["lane"][0]["todo"]
    assert (found["depth"][0]["state"], found["depth"][1]["state"]) == ("warning", "ok")
    assert "callmq dead list" in found["depth"][0]["todo"]


async def test_each_wrong_setting_is_named_and_the_rest_still_looked_at(w: World, callmq):
    async with w.working():
        ran = await callmq("doctor", "--json", SIGNALWIRE_API_TOKEN="", CALLMQ_HEALTH_ADDR="nonsense")
    assert ran.code == 1
    details = [r["detail"] for r in by_name(ran)["settings"]]
    assert any("SIGNALWIRE_API_TOKEN" in d for d in details)
    assert any("CALLMQ_HEALTH_ADDR" in d for d in details)
    assert by_name(ran)["broker"][0]["state"] == "ok"
    nothing = await run_verb({}, "doctor", "--json")
    assert nothing.code == 1
    assert any("CALLMQ_AMQP_URL" in r["detail"] for r in nothing.rows)


async def test_what_is_away_is_said_with_its_address(w: World, callmq):
    async with w.working():
        pass
    away = await callmq(
        "doctor",
        "--json",
        CALLMQ_AMQP_URL="amqp://a:secret-canary@127.0.0.1:9/",
        CALLMQ_ENDPOINT_URL="https://127.0.0.1:9/api",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
    )
    found = by_name(away)
    assert away.code == 3
    assert found["broker"][0]["state"] == found["endpoint"][0]["state"] == "away"
    assert found["telemetry"][0]["state"] == "warning"
    assert "127.0.0.1:9" in found["broker"][0]["detail"]
    assert "secret-canary" not in away.out + away.err
    nowhere = await callmq("doctor", "--json", CALLMQ_ENDPOINT_URL="https://no-such-host.invalid/api")
    assert "does not resolve" in by_name(nowhere)["endpoint"][0]["detail"]


@contextlib.asynccontextmanager
async def tls_listener(authority: trustme.CA):
    received: list[bytes] = []

    async def talk(reader, writer):
        received.append(await reader.read())
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1], received


async def test_the_endpoints_certificate_is_checked_and_nothing_is_sent(w: World, callmq, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with tls_listener(authority) as (port, received):
        url = f"https://127.0.0.1:{port}/api/calling/calls"
        bad = await callmq("doctor", "--json", CALLMQ_ENDPOINT_URL=url)
        good = await callmq("doctor", "--json", CALLMQ_ENDPOINT_URL=url, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    assert "not trusted" in by_name(bad)["endpoint"][0]["detail"]
    assert by_name(good)["endpoint"][0]["state"] == "ok"
    assert "TLSv1" in by_name(good)["endpoint"][0]["detail"]
    assert received in ([], [b""])


async def test_a_ledger_that_is_none_or_can_not_be_written_is_wrong(w: World, callmq, tmp_path):
    stranger = tmp_path / "notes.db"
    stranger.write_text("not a database, but long enough to be taken for one" * 40)
    ran = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=f"sqlite:///{stranger}")
    assert ran.code == 1
    assert any(r["state"] == "wrong" and "not a ledger" in r["detail"] for r in by_name(ran)["ledger"])
    if os.geteuid() != 0:
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        ran = await callmq("doctor", "--json", CALLMQ_LEDGER_URL=f"sqlite:///{closed / 'l.db'}")
        assert any("can't be written" in r["detail"] for r in by_name(ran)["ledger"])


async def test_bindings_and_alarms_are_seen_through_the_management_api(w: World, callmq, seeing):
    async with w.working():
        pass
    queue = await w.admin.get_queue("callmq.control")
    await queue.unbind("callmq.control", "")
    assert (await callmq("doctor", "--json")).code == 0
    ran = await callmq("doctor", "--json", **seeing)
    assert ran.code == 1
    assert any("callmq.control ->" in r["detail"] and r["state"] == "wrong" for r in by_name(ran)["topology"])


async def test_help_says_what_it_does():
    ran = await run_verb({}, "doctor", "--help")
    assert ran.code == 0
    assert "changes nothing" in ran.out
