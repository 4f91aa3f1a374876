"""Each fault as a client really sees it, and what the journal says of it."""

import asyncio

import httpx
import pytest

from callmq_worker.sandbox import Sandbox, SandboxSettings

PATH = "/api/calling/calls"
CALL = "0e9c80d7-a149-4917-892d-420043709f45"
DIAL = {
    "command": "dial",
    "params": {"from": "+15550100000", "to": "+15550100001", "url": "https://example.com/swml"},
}


def play(control_id: str = "c") -> dict:
    items = [{"type": "silence", "params": {"duration": 1}}]
    return {"command": "calling.play", "id": CALL, "params": {"control_id": control_id, "play": items}}


async def post(client: httpx.AsyncClient, body=DIAL, key: str | None = "k") -> httpx.Response:
    return await client.post(PATH, json=body, headers={} if key is None else {"idempotency-key": f'"{key}"'})


def last(sandbox: Sandbox) -> dict:
    return sandbox.journal.as_dict()["entries"][-1]


async def test_a_dial_is_answered_and_journaled(sandbox, client):
    answered = await post(client, key="order-17-dial-1")
    assert (answered.status_code, answered.reason_phrase, answered.json()["status"]) == (200, "OK", "queued")
    entry = last(sandbox)
    assert (entry["key"], entry["command"], entry["status"], entry["acted"]) == ("order-17-dial-1", "dial", 200, True)
    assert sandbox.journal.times_acted("order-17-dial-1") == 1


async def test_the_same_key_acts_again_here_as_on_the_platform(sandbox, client):
    assert (await post(client)).json()["id"] != (await post(client)).json()["id"]
    assert sandbox.journal.repeated() == {"k": 2}


async def test_wrong_credentials_do_not_act_and_are_not_journaled(sandbox, client):
    answered = await client.post(PATH, json=DIAL, auth=("sandbox", "hush-hush"), headers={"idempotency-key": '"k"'})
    assert (answered.status_code, answered.json()) == (401, {"error": "Unauthorized"})
    assert sandbox.journal.times_acted("k") == 0
    assert "hush" not in str(sandbox.journal.as_dict())
    assert "15550100001" not in str(sandbox.journal.as_dict())


async def test_a_control_id_conflict(sandbox, client):
    sandbox.calls.make(CALL, "answered", sandbox.now())
    assert (await post(client, play())).status_code == 200
    refused = await post(client, play())
    assert (refused.status_code, refused.json()["errors"][0]["attribute"]) == (422, "control_id")
    assert (await post(client, play("other"))).status_code == 200
    assert sandbox.journal.times_acted("k") == 2, "a refusal does not act"


async def test_state_rules(sandbox, client):
    sandbox.calls.make(CALL, "ended", sandbox.now())
    assert (await post(client, play())).json()["errors"][0]["code"] == "invalid_state"
    unknown = {**play(), "id": "00000000-0000-4000-8000-000000000000"}
    assert (await post(client, unknown)).status_code == 404


@pytest.mark.parametrize(
    ("fault", "times"),
    [("reset_before_reading", 0), ("reset_before_acting", 0), ("reset_after_reading", 1)],
)
@pytest.mark.parametrize("warm", [False, True])
async def test_resets_look_alike_and_differ_in_what_was_done(sandbox, client, fault, times, warm):
    if warm:
        await client.get("/_sandbox/health")
    sandbox.arm(fault, match={"key": "k"})
    with pytest.raises(httpx.ReadError):
        await post(client)
    assert sandbox.journal.times_acted("k") == times
    assert (last(sandbox)["fault"], last(sandbox)["status"]) == (fault, None)
    assert (await post(client)).status_code == 200, "it hits once"


async def test_a_reset_before_reading_leaves_the_control_api_alone(sandbox, client):
    sandbox.arm("reset_before_reading")
    async with httpx.AsyncClient(base_url=sandbox.origin, trust_env=False) as other:
        assert (await other.get("/_sandbox/faults")).json()["faults"][0]["taken"] == 0
    with pytest.raises(httpx.ReadError):
        await post(client)


@pytest.mark.parametrize("fault", ["reset_before_reading", "reset_after_reading"])
async def test_the_reset_is_a_real_one(sandbox, fault):
    sandbox.arm(fault)
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.web.port)
    writer.write(b"POST /api/calling/calls HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    with pytest.raises(ConnectionResetError):
        await writer.wait_closed()


async def test_a_status_does_not_act_unless_told(sandbox, client):
    sandbox.arm("status", status=503, body={"error": "later"}, headers={"x-why": "test"})
    sandbox.arm("status", status=500, body="oops", acts=True)
    first, second = await post(client), await post(client)
    assert (first.status_code, first.json(), first.headers["x-why"]) == (503, {"error": "later"}, "test")
    assert (second.status_code, second.text, second.headers["content-type"]) == (500, "oops", "text/plain")
    assert sandbox.journal.times_acted("k") == 1


@pytest.mark.parametrize(("given", "told"), [(7, "7"), ("Wed, 21 Oct 2026 07:28:00 GMT",) * 2, ("soon", "soon")])
async def test_retry_after(sandbox, client, given, told):
    sandbox.arm("retry_after", retry_after=given)
    answered = await post(client)
    assert (answered.status_code, answered.headers["retry-after"]) == (429, told)


async def test_a_redirect_is_told_and_not_followed(sandbox, client):
    sandbox.arm("status", status=302, headers={"location": "https://example.com/"})
    answered = await post(client)
    assert (answered.status_code, answered.headers["location"]) == (302, "https://example.com/")


async def test_an_html_page(sandbox, client):
    sandbox.arm("html_502")
    answered = await post(client)
    assert (answered.status_code, answered.headers["content-type"]) == (502, "text/html")
    assert answered.text.startswith("<html>")


@pytest.mark.parametrize("when", ["before_acting", "before_answering"])
async def test_a_delay_outlasts_the_clients_patience(sandbox, client, when):
    sandbox.arm("delay", seconds=3600, when=when)
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=DIAL, headers={"idempotency-key": '"k"'}, timeout=httpx.Timeout(30, read=0.2))
    assert sandbox.journal.times_acted("k") == (when == "before_answering")
    sandbox.arm("delay", seconds=0.01, when=when)
    assert (await post(client)).status_code == 200


async def test_a_hang_ends_with_the_client(sandbox, client):
    sandbox.arm("hang")
    with pytest.raises(httpx.ReadTimeout):
        await client.post(PATH, json=DIAL, headers={"idempotency-key": '"k"'}, timeout=httpx.Timeout(30, read=0.2))
    assert sandbox.journal.times_acted("k") == 1
    await sandbox.holding(0)
    assert last(sandbox)["status"] is None


async def test_a_hang_is_released_with_the_real_answer(sandbox, client):
    sandbox.arm("hang", acts=False, match={"key": "a"})
    sandbox.arm("hang", match={"key": "b"})
    waiting = [asyncio.create_task(post(client, key=key)) for key in "ab"]
    await sandbox.holding(2)
    assert not any(task.done() for task in waiting)
    released = await client.post("/_sandbox/release")
    assert released.json() == {"released": 2}
    assert [(await task).status_code for task in waiting] == [200, 200]
    assert [sandbox.journal.times_acted(key) for key in "ab"] == [0, 1]


async def test_half_an_answer(sandbox, client):
    sandbox.arm("half_answer", size=11)
    with pytest.raises(httpx.RemoteProtocolError, match="received 11 bytes"):
        await post(client)
    assert sandbox.journal.times_acted("k") == 1


async def test_no_http_at_all(sandbox, client):
    sandbox.arm("bad_framing")
    with pytest.raises(httpx.RemoteProtocolError):
        await post(client)


async def test_a_huge_body(sandbox, client):
    sandbox.arm("huge_body", size=3_000_000)
    answered = await post(client)
    assert len(answered.content) == 3_000_000
    assert set(answered.json()) == {"padding"}


async def test_a_client_may_leave_a_huge_body(sandbox, client):
    sandbox.arm("huge_body", size=2**30)
    async with client.stream("POST", PATH, json=DIAL) as answered:
        assert answered.headers["content-length"] == str(2**30)
        assert await anext(answered.aiter_raw())
    assert (await post(client)).status_code == 200


async def test_a_bomb_is_small_until_it_is_opened(sandbox, client):
    sandbox.arm("gzip_bomb", size=20_000_000)
    async with client.stream("POST", PATH, json=DIAL, headers={"accept-encoding": "identity"}) as answered:
        packed = b"".join([chunk async for chunk in answered.aiter_raw()])
    assert answered.headers["content-encoding"] == "gzip"
    assert len(packed) < 50_000
    sandbox.arm("gzip_bomb", size=20_000_000)
    assert len((await post(client)).json()["padding"]) == 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_compressed_answer_nobody_asked_for(sandbox, client, encoding):
    sandbox.arm("compressed", encoding=encoding)
    answered = await client.post(PATH, json=DIAL, headers={"accept-encoding": "identity"})
    assert answered.headers["content-encoding"] == encoding
    assert answered.json()["status"] == "queued"


async def test_a_dripping_answer_arrives_whole(sandbox, client):
    sandbox.arm("drip", seconds=0)
    assert (await post(client)).json()["status"] == "queued"


async def test_two_hundred_at_once_all_act_once(sandbox, client):
    answered = await asyncio.gather(*(post(client, key=f"k{n}") for n in range(200)))
    assert {response.status_code for response in answered} == {200}
    assert len({response.json()["id"] for response in answered}) == 200
    assert all(sandbox.journal.times_acted(f"k{n}") == 1 for n in range(200))
    assert sandbox.journal.acted == 200


async def test_the_rate_limit(sandbox, client):
    sandbox.change(sandbox.settings.changed({"rate_limit": 3}))
    answered = [await post(client) for _ in range(4)]
    assert [response.status_code for response in answered] == [200, 200, 200, 429]
    assert 1 <= int(answered[3].headers["retry-after"]) <= 10


async def test_stopping_ends_what_hangs(client):
    async with Sandbox() as other:
        other.arm("hang")
        waiting = asyncio.create_task(client.post(other.url, json=DIAL))
        await other.holding(1)
    with pytest.raises(httpx.TransportError):
        await waiting


async def test_a_seed_makes_the_ids_repeat():
    async def ids() -> list[str]:
        async with (
            Sandbox(SandboxSettings(cps=0, seed=7)) as seeded,
            httpx.AsyncClient(auth=("sandbox", "sandbox-token"), trust_env=False) as client,
        ):
            return [(await client.post(seeded.url, json=DIAL)).json()["id"] for _ in range(3)]

    assert await ids() == await ids()
