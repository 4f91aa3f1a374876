"""The control API: what can be armed, asked and forced, and what a mistake is told."""

import httpx
import pytest

from callmq_worker.adapters.web import Request
from callmq_worker.sandbox import Sandbox, SandboxSettings
from callmq_worker.sandbox.control import control

PATH = "/api/calling/calls"
CALL = "0e9c80d7-a149-4917-892d-420043709f45"
DIAL = {
    "command": "dial",
    "params": {"from": "+15550100000", "to": "+15550100001", "url": "https://example.com/swml"},
}


async def test_faults_are_armed_listed_and_taken_away(client):
    armed = await client.post("/_sandbox/faults", json={"action": "hang", "match": {"command": "dial"}})
    assert armed.json() == {"id": 1, "action": "hang", "match": {"command": "dial"}, "times": 1, "acts": True}
    listed = (await client.get("/_sandbox/faults")).json()["faults"]
    assert listed == [armed.json() | {"taken": 0}]
    assert (await client.delete("/_sandbox/faults/1")).status_code == 200
    assert (await client.delete("/_sandbox/faults/1")).status_code == 404
    assert (await client.delete("/_sandbox/faults")).json() == {"released": 0}
    assert (await client.post(PATH, json=DIAL)).status_code == 200


async def test_a_fault_armed_without_a_content_type_works(client):
    armed = await client.post("/_sandbox/faults", content=b'{"action": "html_502"}')
    assert armed.status_code == 200
    assert (await client.post(PATH, json=DIAL)).status_code == 502


async def test_the_journal_can_be_read_from_a_number_and_by_key(client):
    for key in ("a", "b", "a"):
        await client.post(PATH, json=DIAL, headers={"idempotency-key": f'"{key}"'})
    page = (await client.get("/_sandbox/journal", params={"since": 1, "key": "a"})).json()
    assert [entry["number"] for entry in page["entries"]] == [3]
    assert (page["times_acted"], page["acted_more_than_once"], page["received"]) == (2, {"a": 2}, 3)
    first = (await client.get("/_sandbox/journal", params={"limit": 1})).json()
    assert (len(first["entries"]), first["next"]) == (1, 1)
    await client.delete("/_sandbox/journal")
    assert (await client.get("/_sandbox/journal")).json()["entries"] == []


async def test_calls_are_made_forced_and_shown(client):
    operations = [{"kind": "send_fax", "control_id": "f"}]
    made = await client.post("/_sandbox/calls", json={"id": CALL, "state": "ringing", "operations": operations})
    assert (made.json()["id"], made.json()["state"]) == (CALL, "ringing")
    assert made.json()["operations"] == [{**operations[0], "paused": False, "ends": None}]
    assert (await client.post(f"/_sandbox/calls/{CALL}", json={"state": "answered"})).json()["state"] == "answered"
    stop = {"command": "calling.send_fax.stop", "id": CALL, "params": {"control_id": "f"}}
    assert [(await client.post(PATH, json=stop)).status_code for _ in range(2)] == [200, 422]
    ended = {"command": "calling.end", "id": CALL, "params": {}}
    assert (await client.post(PATH, json=ended)).json()["status"] == "ended"
    assert (await client.get(f"/_sandbox/calls/{CALL.upper()}")).json()["state"] == "ended"
    assert (await client.get("/_sandbox/calls")).json()["known"] == 1


async def test_a_call_can_be_made_without_a_word(client):
    made = (await client.post("/_sandbox/calls", json={})).json()
    assert made["state"] == "answered"
    assert (await client.get(f"/_sandbox/calls/{made['id']}")).status_code == 200


async def test_settings_change_while_it_runs(client):
    changed = await client.patch("/_sandbox/settings", json={"cps": 1, "backlog": 0, "talk_seconds": 5.5})
    assert changed.json() == (await client.get("/_sandbox/settings")).json()
    assert (changed.json()["talk_seconds"], changed.json()["backlog"]) == (5.5, 0)
    answered = [await client.post(PATH, json=DIAL) for _ in range(2)]
    assert [response.status_code for response in answered] == [200, 422]
    assert answered[1].json()["errors"][0]["code"] == "max_queued_calls_exceeded"


async def test_reset_forgets_everything(sandbox, client):
    await client.patch("/_sandbox/settings", json={"cps": 1})
    await client.post(PATH, json=DIAL)
    await client.post("/_sandbox/faults", json={"action": "html_502"})
    assert (await client.post("/_sandbox/reset")).status_code == 200
    assert (await client.get("/_sandbox/calls")).json() == {"calls": [], "known": 0}
    assert (await client.get("/_sandbox/faults")).json() == {"faults": []}
    assert (await client.get("/_sandbox/journal")).json()["received"] == 0
    assert (await client.get("/_sandbox/settings")).json()["cps"] == 0


async def test_health(client):
    assert (await client.get("/_sandbox/health")).json() == {"status": "ok", "received": 0}
    head = await client.head("/_sandbox/health")
    assert (head.status_code, head.content, int(head.headers["content-length"])) == (200, b"", 28)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", "{", 400),
        ("POST", "faults", "[]", 400),
        ("POST", "faults", '{"action": "explode"}', 400),
        ("GET", "journal?since=-1", "", 400),
        ("GET", "journal?since=x", "", 400),
        ("GET", "journal?limit=99999999999999999999", "", 400),
        ("DELETE", "faults/x", "", 400),
        ("POST", "calls", "[]", 400),
        ("POST", "calls", '{"id": "7"}', 400),
        ("POST", "calls", '{"id": 7}', 400),
        ("POST", "calls", '{"state": "asleep"}', 400),
        ("POST", "calls", '{"to": 1}', 400),
        ("POST", "calls", '{"colour": 1}', 400),
        ("POST", "calls", '{"operations": {}}', 400),
        ("POST", "calls", '{"operations": [{"kind": [], "control_id": "c"}]}', 400),
        ("POST", f"calls/{CALL}", '{"state": "answered"}', 404),
        ("POST", f"calls/{CALL}", "{}", 400),
        ("GET", f"calls/{CALL}", "", 404),
        ("PATCH", "settings", "[]", 400),
        ("PATCH", "settings", '{"cps": "fast"}', 400),
        ("PATCH", "settings", '{"api_token": "x"}', 400),
        ("PUT", "faults", "", 405),
        ("GET", "reset", "", 405),
        ("GET", "", "", 404),
        ("GET", "nothing", "", 404),
        ("GET", "health/deeper", "", 404),
    ],
)
async def test_a_mistake_is_told_in_a_sentence(client, method, path, body, status):
    answered = await client.request(method, f"/_sandbox/{path}", content=body)
    assert answered.status_code == status
    assert " " in answered.json()["error"]
    assert "Traceback" not in answered.text


@pytest.mark.parametrize(
    ("peer", "status"),
    [("127.0.0.1", 200), ("127.8.9.1", 200), ("::1", 200), ("::ffff:127.0.0.1", 200), ("192.0.2.1", 403), ("", 403)],
)
def test_only_this_machine_may_control(peer, status):
    request = Request("GET", "/_sandbox/health", {}, {}, peer=peer)
    assert control(Sandbox(), request).status == status
    assert control(Sandbox(SandboxSettings(open_control=True)), request).status == 200


async def test_the_control_api_needs_no_credentials_and_is_not_journaled(sandbox):
    async with httpx.AsyncClient(trust_env=False) as stranger:
        assert (await stranger.get(sandbox.control + "/settings")).status_code == 200
    assert sandbox.journal.received == 0
