import copy
import random
import re

import pytest

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, FieldCode, Rejected, decode
from callmq_contracts.formats import FORMS, misformed
from callmq_contracts.urls import LOOSE_SOCKET_URL, LOOSE_WEB_URL, SECURE_SOCKET_URL, SIP_URI, WEB_URL
from unit.contracts.mutations import DROP, additions, find, look, mutated, mutations, places
from unit.contracts.spellings import addresses

CANARY = "kXq7canary"
UNSAID = "is not valid"


def on_call(command, **params):
    return {"command": command, "id": EXAMPLE_CALL_ID, "params": params}


def told(decoded):
    return {e.path: (e.code.value, e.message) for e in decoded.problem.errors}


BARE_ITEM = on_call("calling.play", control_id="c", play=[{"type": "tts", "text": "x"}])

MISTAKES = [
    ({"command": "update", "id": EXAMPLE_CALL_ID, "params": {"url": "https://a"}}, "id", "params.id"),
    ({"command": "update", "call_id": EXAMPLE_CALL_ID, "params": {"url": "https://a"}}, "call_id", "params.id"),
    ({"command": "update", "params": {"call_id": "x", "url": "https://a"}}, "params.call_id", "params.id"),
    ({"command": "calling.end", "call_id": EXAMPLE_CALL_ID, "params": {}}, "call_id", "call id in id"),
    ({"command": "calling.end", "params": {"id": EXAMPLE_CALL_ID}}, "params.id", "beside params"),
    ({"command": "dial", "id": EXAMPLE_CALL_ID, "params": {}}, "id", "no call id"),
    ({"command": "dial", "params": {"from_": "x"}}, "params.from_", "write from"),
    ({"command": "dial", "from": "x", "to": "y"}, "from", "into params"),
    (BARE_ITEM, "params.play[0].params", "its params"),
    (BARE_ITEM, "params.play[0].text", "params of the item"),
    (on_call("calling.live_translate", action={}), "params.action.start", "inject"),
    (on_call("calling.live_transcribe", action={"begin": {}}), "params.action.start", "stop"),
    (on_call("calling.ai_sidecar", lang="en", prompt={}), "params.prompt.text", "pom"),
    (on_call("calling.ai_sidecar", lang="en", prompt={"pom": [{}]}), "params.prompt.pom[0].bullets", "body"),
    (on_call("calling.record", control_id="c", audio={}), "params.audio", "params.record.audio"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "words"), MISTAKES)
def test_common_mistakes_get_their_correction(body, path, words, as_bytes):
    assert words in told(decode(as_bytes(body), leniencies=frozenset()))[path][1]


def test_one_wrong_item_gives_one_error(as_bytes):
    for item, path, code in [
        ({"type": "sing", "params": {}}, "params.play[0].type", "not_allowed"),
        ({"params": {}}, "params.play[0].type", "missing"),
        ({"type": ["tts"], "params": {}}, "params.play[0].type", "wrong_type"),
        ({"type": "tts"}, "params.play[0].params", "missing"),
        ({"type": "tts", "params": {"text": 3}}, "params.play[0].params.text", "wrong_type"),
        ("say:hello", "params.play[0]", "wrong_type"),
        ({"type": "audio", "params": {"url": "https://a", "text": "x"}}, "params.play[0].params.text", "unknown_key"),
    ]:
        body = on_call("calling.play", control_id="c", play=[item])
        assert {p: c for p, (c, _) in told(decode(as_bytes(body))).items()} == {path: code}


def test_all_errors_at_once(as_bytes):
    body = {
        "command": "dial",
        "params": {"timeout": 0, "url": "x", "swml": {"sections": {}}, "codecs": ["X", 1], "zz": 1},
    }
    assert {p: c for p, (c, _) in told(decode(as_bytes(body))).items()} == {
        "params.from": "missing",
        "params.to": "missing",
        "params.url": "bad_format",
        "params.swml": "conflict",
        "params.codecs[0]": "not_allowed",
        "params.codecs[1]": "wrong_type",
        "params.timeout": "out_of_bounds",
        "params.zz": "unknown_key",
    }


def test_keys_of_two_branches_are_a_conflict(as_bytes):
    """A key that a sister example has in the same place is never called unknown, unless ``type`` has decided."""
    conflicts = set()
    for command, body, path, value in additions():
        decoded = decode(as_bytes(mutated(body, path, value)), leniencies=frozenset())
        for where, (code, sentence) in told(decoded).items() if isinstance(decoded, Rejected) else ():
            typed = any("type" in look(body, path[:depth]) for depth in range(len(path)))
            if where == ".".join(map(str, path)) and not typed:
                assert code != "unknown_key", (command, where)
                if code == "conflict":
                    assert f"or {path[-1]}, not both" in sentence
                    conflicts.add((command, where))
    places = {("calling.live_transcribe", "action.summarize"), ("calling.live_translate", "action.inject")}
    places |= {("calling.ai_sidecar", "prompt.pom"), ("calling.ai_sidecar", "prompt.file"), ("dial", "swml")}
    assert {(command, f"params.{where}") for command, where in places} <= conflicts


def test_other_rivals_are_told_as_well(as_bytes):
    action = {"start": {"direction": [], "from_lang": "a", "to_lang": "b"}, "inject": {}, "summarize": {}, "zz": 1}
    errors = told(decode(as_bytes(on_call("calling.live_translate", action=action))))
    assert {path: code for path, (code, _) in errors.items()} == {
        "params.action.inject": "conflict",
        "params.action.summarize": "conflict",
        "params.action.zz": "unknown_key",
    }


@pytest.mark.parametrize("action", ["start", "summarize", "", 5, None, []])
@pytest.mark.parametrize("command", ["calling.live_transcribe", "calling.live_translate"])
def test_an_action_that_is_none_is_told_all_choices(command, action, as_bytes):
    ((path, (_code, sentence)),) = told(decode(as_bytes(on_call(command, action=action)))).items()
    assert path == "params.action"
    choices = {"stop", "start", "summarize"} | ({"inject"} if command == "calling.live_translate" else set())
    assert {word for word in ("stop", "start", "summarize", "inject") if word in sentence} == choices


def test_sentences_say_the_bound_or_the_words(as_bytes):
    body = {"command": "dial", "params": {"timeout": 601, "url_method": "PUT", "max_price_per_minute": -1}}
    errors = told(decode(as_bytes(body)))
    assert errors["params.timeout"] == ("out_of_bounds", "must be at most 600")
    assert errors["params.max_price_per_minute"] == ("out_of_bounds", "must be at least 0")
    assert errors["params.url_method"] == ("not_allowed", "must be 'GET' or 'POST'")


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("a" * 64, "a" * 64),
        ("a" * 65, "a" * 63 + "…"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202eevil", "\\u202eevil"),
        ("a.b", "a.b"),
        ("", ""),
        ("<tts>", "<tts>"),
        ("<?>", "<?>"),
    ],
)
def test_unknown_keys_are_shown_within_bounds(key, shown, as_bytes):
    assert list(told(decode(as_bytes(on_call("calling.end", **{key: 1}))))) == [f"params.{shown}"]
    item = {"type": "tts", "params": {"text": "x"}, key: 1}
    body = on_call("calling.play", control_id="c", play=[item])
    assert list(told(decode(as_bytes(body)))) == [f"params.play[0].{shown}"]


def test_paths_are_bounded(as_bytes):
    argument = {"type": "zzz"}
    for _ in range(25):
        argument = {"type": "object", "properties": {"n" * 200: argument}}
    tools = {"functions": [{"function": "f", "parameters": {"type": "object", "properties": {"a": argument}}}]}
    decoded = decode(as_bytes(on_call("calling.ai_sidecar", lang="en", SWAIG=tools)))
    assert [len(e.path) for e in decoded.problem.errors] == [256]


def wrong_bodies():
    for bodies in EXAMPLES.values():
        for body in bodies:
            for path, value in mutations(body):
                yield mutated(body, path, value), path, value


def test_every_error_points_at_something_and_has_its_sentence(as_bytes):
    """The parent of each path exists as the producer wrote it, no tag of ours is in it, the code is of the list."""
    codes = set()
    for body, _path, _value in wrong_bodies():
        decoded = decode(as_bytes(body), leniencies=frozenset())
        if not isinstance(decoded, Rejected):
            continue
        assert decoded.command == body["command"]
        paths = [e.path for e in decoded.problem.errors]
        assert len(set(paths)) == len(paths) or "conflict" in {e.code.value for e in decoded.problem.errors}, paths
        for error in decoded.problem.errors:
            codes.add(error.code)
            assert error.message != UNSAID, error
            assert "<" not in error.path, error
            steps = [int(s) if s.isdigit() else s for s in error.path.replace("[", ".").replace("]", "").split(".")]
            holder = find(body, steps[:-1])
            missing = error.code is FieldCode.MISSING
            if isinstance(holder, dict):
                assert (steps[-1] not in holder) == missing, error
            else:
                assert steps[-1] < len(holder)
    assert codes == set(FieldCode) - {FieldCode.CONFLICT}  # no single change makes one


def test_no_value_is_ever_repeated(as_bytes):
    """A canary in the place of every value, also of those that are right, never comes back."""
    chance = random.Random(7)
    for bodies in EXAMPLES.values():
        for body in bodies:
            for path in places(body):
                if not path or path == ("command",):
                    continue
                for canary in (CANARY, [CANARY], {"type": CANARY}, f"https://{CANARY} x", 73519264.5, -73519264):
                    wrong = mutated(body, path, canary)
                    second = chance.choice([p for p in places(wrong) if p and p != ("command",)])
                    for made in (wrong, mutated(wrong, second, DROP)):
                        answer = str(getattr(decode(as_bytes(made)), "problem", ""))
                        assert CANARY not in answer
                        assert "73519264" not in answer


def test_secrets_are_never_repeated(as_bytes):
    body = copy.deepcopy(EXAMPLES["dial"][2])
    body["params"] |= {"password": {"x": CANARY}, "to": CANARY, "custom_variables": {"a": [CANARY], "b": CANARY * 200}}
    decoded = decode(as_bytes(body))
    assert len(decoded.problem.errors) == 4
    assert CANARY not in repr(decoded)


BEGINNINGS = {
    WEB_URL: ("http://", "https://"),
    LOOSE_WEB_URL: ("http://", "https://"),
    LOOSE_SOCKET_URL: ("ws://", "wss://"),
    SECURE_SOCKET_URL: ("wss://",),
    SIP_URI: ("sip:",),
}
BEGUN = {pattern: f"(?i:{'|'.join(begins)})" for pattern, begins in BEGINNINGS.items()} | {SIP_URI: r"sip:(?!\Z)"}


@pytest.mark.parametrize("pattern", BEGINNINGS)
def test_who_begins_as_he_must_is_not_told_to(pattern):
    """The sentence about the beginning is for what begins otherwise, and for nothing else."""
    refused = [text for begin in BEGINNINGS[pattern] for text in addresses(begin) if not re.search(pattern, text)]
    assert len(refused) > 20
    for text in refused:
        begun = re.match(BEGUN[pattern], text)
        assert (misformed(pattern, text)[1] == FORMS[pattern][1]) == (begun is None), text


WRONG_ADDRESSES = {
    "https://a b": "blank",
    "https:// a": "blank",
    "https://a.b/x\n": "blank",
    "https://a.b/\u00a0": "blank",
    "https://": "host",
    "https:///x": "host",
    "https://u@:80/": "host",
    "https://:80": "host",
    "https://a.b:x/": "port",
    "https://u:p@a.b:8x/": "port",
    "https://a.b/%zz": "%25",
    "https://a.b/100%": "%25",
    "https://a.b/{x}": "percent-encoded",
    'https://a.b/"': "percent-encoded",
    "https://a.b/#x#y": "percent-encoded",
    "https://u@v@a.b/": "percent-encoded",
}


@pytest.mark.parametrize("address", WRONG_ADDRESSES)
def test_what_is_wrong_with_an_address_is_said(address, as_bytes):
    body = on_call("calling.play", control_id="c", play=[{"type": "audio", "params": {"url": address}}])
    ((path, (code, sentence)),) = told(decode(as_bytes(body))).items()
    assert (path, code) == ("params.play[0].params.url", "bad_format")
    assert WRONG_ADDRESSES[address] in sentence
    assert sentence.startswith(("must ", "has "))


@pytest.mark.parametrize("to", ["+1 555 0100", "sip:a b@c", "/public/a b"])
def test_a_blank_in_a_destination_is_named(to, as_bytes):
    body = {"command": "dial", "params": {"from": "x", "to": to, "url": "https://a"}}
    assert "blank" in told(decode(as_bytes(body)))["params.to"][1]


@pytest.mark.parametrize("timeout", ["-1", "1.5", " 3", -1, 1.5, []])
def test_what_hold_seconds_are_is_said_in_one_go(timeout, as_bytes):
    """A number that is refused as one would be refused as text as well, so both rules are said."""
    sentence = told(decode(as_bytes(on_call("calling.ai_hold", timeout=timeout))))["params.timeout"][1]
    assert "0 or more" in sentence
    assert "text" in sentence
