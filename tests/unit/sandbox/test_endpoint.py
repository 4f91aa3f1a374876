import base64

import orjson
import pytest

from callmq_contracts.catalog import CATALOG
from callmq_worker.adapters.web import Request, Response
from callmq_worker.sandbox.calls import Calls, Operation
from callmq_worker.sandbox.endpoint import PATH, Window, answer, key_of, peek
from callmq_worker.sandbox.settings import SandboxSettings

NOW = 1_000_000.0
ID = "0e9c80d7-a149-4917-892d-420043709f45"
DIAL = {
    "command": "dial",
    "params": {"from": "+15550100000", "to": "+15550100001", "url": "https://example.com/swml"},
}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


GOOD = {"authorization": basic("sandbox:sandbox-token"), "content-type": "application/json"}


def post(body, calls: Calls | None = None, headers: dict[str, str] | None = None, path: str = PATH) -> Response:
    calls = calls or Calls(SandboxSettings(), lambda: ID)
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return answer(Request("POST", path, {}, GOOD if headers is None else headers, raw), calls, Window(0), NOW)


def test_a_dial_is_answered_with_a_queued_leg():
    response = post(DIAL)
    leg = orjson.loads(response.body)
    assert (response.status, leg["id"], leg["status"], leg["to"]) == (200, ID, "queued", "+15550100001")


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Bearer sandbox-token",
        basic("sandbox:wrong"),
        basic("other:sandbox-token"),
        basic("sandbox:sandbox-token "),
        basic("nocolon"),
        "Basic \xff",
    ],
)
def test_only_the_right_credentials_are_let_in(authorization):
    headers = {"content-type": "application/json"} | ({} if authorization is None else {"authorization": authorization})
    response = post(DIAL, headers=headers)
    assert (response.status, orjson.loads(response.body)) == (401, {"error": "Unauthorized"})
    assert "www-authenticate" in dict(response.headers)


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_only_json_is_taken(kind):
    headers = {"authorization": GOOD["authorization"]} | ({} if kind is None else {"content-type": kind})
    response = post(DIAL, headers=headers)
    assert (response.status, orjson.loads(response.body)) == (400, {"error": "Bad Request"})


def test_a_charset_beside_json_does_not_matter():
    assert post(DIAL, headers=GOOD | {"content-type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"nope", b"\xff", {}, {"params": {}}, {"command": None, "params": {}}, b"[" * 100_000],
)
def test_what_names_no_command_is_a_bad_request(body):
    response = post(body)
    assert (response.status, orjson.loads(response.body)) == (400, {"error": "Bad Request"})


def test_a_collect_of_nothing_is_a_bad_request():
    assert post({"command": "calling.collect", "id": ID, "params": {"control_id": "c"}}).status == 400


@pytest.mark.parametrize(
    ("body", "attributes"),
    [
        ({"command": "calling.fly", "params": {}}, {"command"}),
        ({"command": "dial", "params": {"to": "+15550100001", "url": "https://example.com"}}, {"params.from"}),
        ({"command": "calling.play.stop", "params": {}}, {"id", "params.control_id"}),
    ],
)
def test_a_broken_contract_names_what_is_wrong(body, attributes):
    response = post(body)
    errors = orjson.loads(response.body)["errors"]
    assert response.status == 422
    assert {error["attribute"] for error in errors} == attributes
    assert all(error.keys() == {"type", "code", "message", "attribute", "url"} for error in errors)
    assert {error["type"] for error in errors} == {"validation_error"}


def test_an_update_with_only_a_status_is_taken():
    calls = Calls(SandboxSettings(), lambda: ID)
    calls.make(ID, "queued", NOW)
    body = {"command": "update", "params": {"id": ID, "status": "canceled"}}
    assert orjson.loads(post(body, calls).body)["status"] == "canceled"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("calling.play", {"play": [{"type": "silence", "params": {"duration": 1}}]}),
        ("calling.record", {"control_id": "c", "audio": {}}),
        ("calling.ai_hold", {"timeout": 60}),
    ],
)
def test_the_other_leniencies_are_the_workers_not_the_endpoints(name, params):
    assert post({"command": name, "id": ID, "params": params}).status == 422


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("PUT", PATH), ("POST", "/"), ("POST", PATH + "/")])
def test_elsewhere_is_nothing(method, path):
    response = answer(Request(method, path, {}, GOOD), Calls(SandboxSettings(), lambda: ID), Window(0), NOW)
    assert (response.status, orjson.loads(response.body)) == (404, {"error": "Not Found"})


@pytest.mark.parametrize(("verb", "field"), [("ask", "answer"), ("status", "active")])
def test_a_sidecar_answers_something_else(verb, field):
    calls = Calls(SandboxSettings(), lambda: ID)
    calls.make(ID, "answered", NOW)
    assert post({"command": "calling.ai_sidecar", "id": ID, "params": {"lang": "en-US"}}, calls).status == 200
    params = {"text": "Who is it?"} if verb == "ask" else {}
    answered = orjson.loads(post({"command": f"calling.ai_sidecar.{verb}", "id": ID, "params": params}, calls).body)
    assert field in answered
    assert "direction" not in answered


def test_too_many_requests_are_told_when_to_come_back():
    calls, window = Calls(SandboxSettings(cps=0), lambda: ID), Window(2)

    def status(now: float) -> int:
        return answer(Request("POST", PATH, {}, GOOD, orjson.dumps(DIAL)), calls, window, now).status

    assert [status(NOW + second) for second in (0, 1, 2, 9.9, 10, 11, 12)] == [200, 200, 429, 429, 200, 200, 429]
    refused = answer(Request("POST", PATH, {}, GOOD, orjson.dumps(DIAL)), calls, window, NOW + 12.5)
    assert dict(refused.headers)["retry-after"] == "8"
    assert orjson.loads(refused.body)["errors"][0]["code"] == "rate_limit_exceeded"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        (None, None),
        ('"order-17"', "order-17"),
        ("order-17", "order-17"),
        (r'"a\"b\\c"', r'a"b\c'),
        ('"', '"'),
        ("", ""),
    ],
)
def test_the_key_is_read_as_a_structured_string(header, key):
    assert key_of(header) == key


def test_a_peek_reads_what_is_there():
    seen = peek(
        Request(
            "POST",
            PATH,
            {},
            {"idempotency-key": '"k"'},
            orjson.dumps({"command": "update", "params": {"id": ID.upper()}}),
        )
    )
    assert (seen.subject.key, seen.subject.command, seen.subject.call_id) == ("k", "update", ID)


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'{"command": 1, "id": {}, "params": []}'])
def test_a_peek_at_nonsense_finds_nothing(body):
    seen = peek(Request("POST", PATH, {}, {}, body))
    assert (seen.subject.key, seen.subject.command, seen.subject.call_id, seen.to) == (None, None, None, None)


def test_every_command_of_the_catalogue_has_a_call_that_it_can_act_on():
    examples = pytest.importorskip("callmq_contracts.examples")
    assert examples.EXAMPLES.keys() == CATALOG.keys()
    for name, bodies in examples.EXAMPLES.items():
        calls = Calls(SandboxSettings(), lambda: ID)
        kind, _, _ = name.removeprefix("calling.").partition(".")
        for body in bodies:
            control_id = body["params"].get("control_id", "")
            state = "queued" if body["params"].get("status") == "canceled" else "answered"
            call = calls.make(examples.EXAMPLE_CALL_ID, state, NOW)
            if "." in name.removeprefix("calling.") or set(body["params"].get("action", ())) - {"start"}:
                call.operations[kind, control_id] = Operation(kind, control_id, float("inf"))
            response = post(body, calls)
            assert response.status == 200, (body, response.body)
