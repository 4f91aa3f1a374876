"""What an account allows its commands: whom they call, as whom, and what they have fetched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.examples import EXAMPLES
from callmq_contracts.problem import Problem, ProblemCode
from callmq_worker.core.denial import Restrictions, denial
from commands import CALL_ID
from restricted import EVIL, FRAUD, STRICT, command, dial, on_call, swml, trees


def denied(body: dict[str, Any], rules: Restrictions = STRICT) -> dict[str, str]:
    """Return which field breaks which rule."""
    problem = denial(rules, None, command(body))
    if problem is None:
        return {}
    assert problem.code is ProblemCode.POLICY_DENIED
    assert "9005550" not in str(problem)
    assert "evil" not in str(problem)
    return {error.path: error.message.partition(":")[0] for error in problem.errors}


# What a body reaches


CASES = [
    (dial(to=FRAUD), {"params.to": "denied_prefixes"}),
    (dial(to="+33123456789"), {"params.to": "allowed_prefixes"}),
    (dial(to=f"sip:{FRAUD}@sip.example.com"), {"params.to": "denied_prefixes"}),
    (dial(to="sip:a@evil.example"), {"params.to": "allowed_sip_hosts"}),
    (dial(**{"from": "+15550109"}), {"params.from": "from_numbers"}),
    (dial(caller_id="+15550109"), {"params.caller_id": "from_numbers"}),
    (dial(url=EVIL), {"params.url": "allowed_url_hosts"}),
    (dial(url="https://{host}/x"), {"params.url": "allowed_url_hosts"}),
    (dial(fallback_url=EVIL, status_url=EVIL),
     {"params.fallback_url": "allowed_url_hosts", "params.status_url": "allowed_url_hosts"}),
    (dial(to_script=EVIL), {"params.to_script": "allowed_url_hosts"}),
    (dial(to_script='{"sections": {"main": []}}'), {"params.to_script": "from_numbers"}),
    (dial(to_script={"sections": {"main": [{"connect": {"to": FRAUD}}]}}),
     {"params.to_script.sections.main[0].connect.to": "denied_prefixes"}),
    (on_call("calling.transfer", dest=FRAUD), {"params.dest": "denied_prefixes"}),
    (on_call("calling.transfer", dest="19005550200"), {"params.dest": "allowed_prefixes"}),
    (on_call("calling.transfer", dest=EVIL), {"params.dest": "allowed_url_hosts"}),
    (on_call("calling.refer", device={"type": "sip", "params": {"to": f"sip:{FRAUD}@sip.example.com"}}),
     {"params.device.params.to": "denied_prefixes"}),
    (on_call("calling.refer", device={"type": "sip", "params": {"to": "sip:a@sip.example.com", "from": "sip:x@y.z"}}),
     {"params.device.params.from": "from_numbers"}),
    ({"command": "update", "params": {"id": CALL_ID, "url": EVIL}}, {"params.url": "allowed_url_hosts"}),
    (on_call("calling.play", control_id="c", play=[{"type": "tts", "params": {"text": "a: b"}},
                                                   {"type": "audio", "params": {"url": EVIL}}]),
     {"params.play[1].params.url": "allowed_url_hosts"}),
    (on_call("calling.stream", control_id="c", url="wss://evil.example/s"), {"params.url": "allowed_url_hosts"}),
    (on_call("calling.tap", control_id="c", tap={"type": "audio", "params": {"direction": "both"}},
             device={"type": "ws", "params": {"uri": "ws://example.com/"}}),
     {"params.device.params.uri": "allowed_url_hosts"}),
    (on_call("calling.tap", control_id="c", tap={"type": "audio", "params": {"direction": "both"}},
             device={"type": "rtp", "params": {"addr": "203.0.113.9", "port": 4000}}),
     {"params.device.params.addr": "allowed_url_hosts"}),
    (on_call("calling.live_transcribe",
             action={"start": {"lang": "en", "direction": ["remote-caller"], "webhook": EVIL}}),
     {"params.action.start.webhook": "allowed_url_hosts"}),
    (on_call("calling.ai_sidecar", lang="en", SWAIG={"functions": [{"function": "f", "web_hook_url": EVIL}],
                                                     "mcp_servers": [{"url": EVIL}]}),
     {"params.SWAIG.functions[0].web_hook_url": "allowed_url_hosts",
      "params.SWAIG.mcp_servers[0].url": "allowed_url_hosts"}),
    (on_call("calling.new_thing", devices=[[{"type": "phone", "params": {"to_number": FRAUD, "from_number": "+1"}}]]),
     {"params.devices[0][0].params.to_number": "denied_prefixes",
      "params.devices[0][0].params.from_number": "from_numbers"}),
    (on_call("calling.new_thing", anything=FRAUD), {"params.anything": "denied_prefixes"}),
    (swml({"connect": {"serial": [{"to": "+15550102"}, {"to": FRAUD}]}}),
     {"params.swml.sections.main[0].connect.serial[1].to": "denied_prefixes"}),
    (swml({"set": {"x": FRAUD}}, {"connect": {"to": "${x}"}}),
     {"params.swml.sections.main[0].set.x": "denied_prefixes",
      "params.swml.sections.main[1].connect.to": "allowed_prefixes"}),
    (swml({"play": {"urls": ["say:Hi", "https://example.com/a.mp3", EVIL]}}, {"transfer": EVIL}, {"play": "${x}"}),
     {"params.swml.sections.main[0].play.urls[2]": "allowed_url_hosts",
      "params.swml.sections.main[1].transfer": "allowed_url_hosts",
      "params.swml.sections.main[2].play": "allowed_url_hosts"}),
    (swml({"send_sms": {"to_number": FRAUD, "from_number": "+15550100", "body": "Hi: there"}}),
     {"params.swml.sections.main[0].send_sms.to_number": "denied_prefixes"}),
    (swml({f"{FRAUD}": {"to": FRAUD}}), {"params.swml.sections.main[0].*.to": "denied_prefixes"}),
]  # fmt: skip


@pytest.mark.parametrize(("body", "fields"), CASES)
def test_what_a_command_may_not_reach(body, fields):
    assert denied(body) == fields


@pytest.mark.parametrize(
    "body",
    [
        dial(),
        dial(**{"from": "sip:desk@sip.example.com"}, to="sip:101@sip.example.com", caller_id="Desk"),
        dial(custom_variables={"to": FRAUD, "link": EVIL}, send_digits="1900#", codecs="PCMU", region="us"),
        dial(to_script="https://example.com/called", timeout=20, max_price_per_minute=9),
        on_call("calling.transfer", dest="main"),
        on_call("calling.transfer", dest="+15550102"),
        on_call("calling.user_event", event={"to": FRAUD, "url": EVIL}),
        on_call("calling.ai_message", role="user", message_text="Call +1900 or see https://evil.example"),
        on_call("calling.ai_message", global_data={"url": EVIL, "to": FRAUD}),
        on_call("calling.stream", control_id="c", url="wss://example.com/s", custom_parameters={"to": FRAUD}),
        on_call("calling.end"),
        swml({"answer": {}}, {"play": {"url": "https://example.com/a"}}, {"execute": {"dest": "sub"}}, {"hangup": {}},
             {"connect": {"from": "+15550100", "to": "+15550102"}}, {"request": {"url": "https://example.com/${x}"}}),
    ],
)  # fmt: skip
def test_what_it_may(body):
    assert denied(body) == {}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_account_without_rules_of_content_takes_all_there_is(name):
    rules = Restrictions(producers=frozenset({"billing"}), max_price_per_minute=0.05)
    for body in EXAMPLES[name]:
        assert denial(rules, "billing", command(body)) is None


@pytest.mark.parametrize("rule", ["numbers", "from_numbers", "sip_hosts", "url_hosts"])
def test_each_rule_stands_for_itself(rule):
    alone = replace(Restrictions(), **{rule: getattr(STRICT, rule)})
    body = dial(**{"from": "+15550109"}, to=FRAUD, url=EVIL)
    found = {"numbers": "denied_prefixes", "from_numbers": "from_numbers", "url_hosts": "allowed_url_hosts"}
    assert set(denied(body, alone).values()) == ({found[rule]} if rule in found else set())
    if rule == "sip_hosts":
        assert set(denied(dial(to="sip:a@evil.example"), alone).values()) == {"allowed_sip_hosts"}


def test_a_problem_tells_all_rules_and_at_most_a_hundred_fields():
    body = swml(*({"connect": {"to": FRAUD, "url": EVIL}} for _ in range(80)))
    problem = denial(STRICT, None, command(body))
    assert isinstance(problem, Problem)
    assert problem.detail == "The account's own rules refuse it: allowed_url_hosts, denied_prefixes."
    assert len(problem.errors) == 100
    assert {error.code.value for error in problem.errors} == {"not_allowed"}


@given(st.dictionaries(st.sampled_from(["to", "from", "dest", "x", "max_price_per_minute"]), trees, max_size=4))
def test_whatever_a_body_holds_is_judged_and_repeated_nowhere(params):
    given_command = command(on_call("calling.new_thing", **params))
    before = orjson.dumps(given_command.body)
    problem = denial(STRICT, None, given_command)
    assert "19005550" not in str(problem)
    assert orjson.dumps(given_command.body) == before
