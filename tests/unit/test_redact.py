"""What may not be seen is not seen, and what people need to find their way is left as it is."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.redact import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    MAX_TOTAL,
    REDACTED,
    is_secret,
    mask_numbers,
    mask_text,
    mask_url,
    redact,
    scrub,
)

NATIONAL = st.integers(min_value=10**6, max_value=10**15 - 1).map(str)
NEUTRAL = ("", " ", "(", '"', "'", "<", "=", ":", "/", ",", "_", "-", "\n")
SURROUNDINGS = st.sampled_from([*NEUTRAL, "to ", "dial-", "x=", "é"])
SEPARATORS = st.sampled_from(["", " ", "-", ".", "/", " (", ") ", " - ", "\u00a0", "\u2011", "%20"])
PLAIN_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(max_size=8),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=40,
)


def digits_of(text: str) -> str:
    return "".join(re.findall(r"\d", text))


@given(NATIONAL, SURROUNDINGS, SURROUNDINGS, st.sampled_from(["", "+", "%2B", "00"]))
def test_a_number_keeps_at_most_its_last_two_digits(number, before, after, prefix):
    if len(prefix + number) > 15 and prefix == "00":
        return
    masked = mask_numbers(f"{before}{prefix}{number}{after}")
    assert digits_of(masked.replace(before, "", 1)) in (number[-2:], prefix[1:2] + number[-2:])
    assert masked.endswith(f"***{number[-2:]}{after}")


@given(st.lists(SEPARATORS, min_size=15, max_size=15), NATIONAL, SURROUNDINGS)
def test_separators_do_not_hide_a_number_with_a_plus(separators, number, before):
    spelled = number[0] + "".join(s + d for s, d in zip(separators, number[1:], strict=False))
    masked = mask_numbers(f"{before}+{spelled}")
    assert masked == f"{before}***{number[-2:]}"


@given(st.uuids(), st.sampled_from(NEUTRAL), st.sampled_from(NEUTRAL))
def test_uuids_stay(value, before, after):
    for text in (str(value), str(value).upper()):
        assert mask_numbers(f"{before}{text}{after}") == f"{before}{text}{after}"


def test_a_uuid_of_digits_alone_stays():
    assert (
        mask_numbers("call 12345678-1234-1234-1234-123456789012 ended")
        == "call 12345678-1234-1234-1234-123456789012 ended"
    )


@given(
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9990, 1, 1)),  # noqa: DTZ001 - the zone follows
    st.integers(-840, 840),
    st.sampled_from("T "),
    st.sampled_from(["auto", "milliseconds"]),
)
def test_times_stay(moment, offset, between, precision):
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=offset)))
    text = f"at {zoned.isoformat(sep=between, timespec=precision)} it"
    assert mask_numbers(text) == text


@given(st.integers(0, 999_999), st.integers(0, 65_535), st.integers(100, 599))
def test_counts_ports_and_statuses_stay(count, port, status):
    addresses = f"127.0.0.1:{port}, [::1]:{port}"
    text = f"{count} commands, {addresses}, http {status}, {count / 10**7:.9f} s, {count} {status} {port}"
    assert mask_numbers(text) == text


@given(st.sampled_from([8, 16, 24, 32, 40, 64]).flatmap(lambda n: st.text("0123456789abcdef", min_size=n, max_size=n)))
def test_hexadecimal_ids_stay(word):
    if word.isdigit() and len(word) < 16:
        return  # nothing tells it from a number
    assert mask_numbers(f"id {word}, 00-{word}-01") == f"id {word}, 00-{word}-01"


@given(st.text())
def test_masking_twice_is_masking_once(text):
    once = mask_numbers(text)
    assert mask_numbers(once) == once


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("sip:+15551234567@pbx;tag=1", "sip:***67@pbx;tag=1"),
        ("sips:1001@pbx.example:5061", "sips:***01@pbx.example:5061"),
        ("<sip:1001:hunter2@pbx>", "<sip:***01:[redacted]@pbx>"),
        ("sip:alice@pbx", "sip:alice@pbx"),
        ("sip:10.0.0.1:5060", "sip:10.0.0.1:5060"),
        ("sip:0e9c80d7-a149-4917-892d-420043709f45@space", "sip:0e9c80d7-a149-4917-892d-420043709f45@space"),
        ("sip:ext-2024@pbx and sip:15551234567", "sip:***24@pbx and sip:***67"),
        ("tel:555-1234;phone-context=x", "tel:***34;phone-context=x"),
        ("(555) 123-4567 or 555-123-4567", "***67 or ***67"),
        ("called +15551234567 200 OK", "called ***67 200 OK"),
        ("%3A15551234567 %2015551234567", "%3A***67 %20***67"),
        ("a15551234567", "a***67"),
        ("order_15551234567-dial-1", "order_***67-dial-1"),
        ("\uff11\uff15\uff15\uff15\uff11\uff12\uff13", "***\uff12\uff13"),
        ("1234567890123456", "1234567890123456"),
        ("420043709f45 0e9c80d71234567", "420043709f45 0e9c80d71234567"),
    ],
)
def test_spellings(text, masked):
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("amqp://user:pass@h1:5672,h2/vhost?heartbeat=10&flag", "amqp://h1:5672,h2/vhost?heartbeat=REDACTED&flag"),
        ("https://space.example/api/calling/calls", "https://space.example/api/calling/calls"),
        ("https://h/@scope/pkg", "https://h/@scope/pkg"),
        ("amqp://user:pa/ss@h/", "amqp://[redacted]"),
        ("amqp://user:pa?ss@h/", "amqp://[redacted]"),
        ("amqp://user:pa#ss@h/", "amqp://[redacted]"),
        ("amqp://user:p%2F@[::1]:5672/v", "amqp://[::1]:5672/v"),
        ("http://[::1/broken", "http://[redacted]"),
        ("http://h/+15551234567?to=+15551234567#token=1", "http://h/***67?to=REDACTED"),
        ("user:pass@host", "host"),
        ("", ""),
    ],
)
def test_urls(url, masked):
    assert mask_url(url) == masked


@given(
    st.sampled_from(["amqp", "https", "postgresql"]),
    st.text("abcXYZ09:/?#[]@!$&*+|{}%-._~", min_size=1).map(lambda s: f"hunter2{s}hunter2"),
    st.sampled_from(["h", "h:1", "[::1]:5", "h1:1,h2"]),
)
def test_no_password_passes_through_a_url(scheme, password, host):
    url = f"{scheme}://user:{password}@{host}/path"
    assert "hunter2" not in mask_url(url)
    assert "hunter2" not in mask_text(f"could not reach {url}, giving up")


@given(st.text())
def test_any_text_is_a_url_without_an_exception(text):
    mask_url(text)
    mask_url(f"http://{text}")
    mask_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2-x",
        "{'api_token': 'hunter2-x'}",
        '{"authorization_bearer_token": "hunter2-x"}',
        "Authorization: Basic hunter2-x",
        "sent Bearer hunter2-x==",
        "lost amqp://user:hunter2'quoted@h, giving up",
        "web_hook_auth_password : hunter2-x",
        "1 validation error\n  Input should be a string [type=x, input_value='hunter2-x', input_type=str]",
    ],
)
def test_sentences_lose_what_is_assigned_to_a_secret_name(text):
    assert "hunter2" not in mask_text(text)


@pytest.mark.parametrize("part", ["sip:", "sip:1:", "tel:1", "+1 (", "555-", "http://a,", "input_value=", "%2B1"])
def test_long_monotonous_texts_are_read_to_their_end(part):
    assert mask_text(part * 5000 + " +15551234567").endswith("***67")


def test_ordinary_sentences_stay():
    for text in ("Basic authentication failed", "the token ran out", "routing_key=dial queue=callmq.dial", "http 404"):
        assert mask_text(text) == text


def test_scrub_takes_the_longest_first_and_percent_encoded_forms_too():
    text = "a PTsecret/1 b PTsecret%2F1 c PTsecret"
    assert scrub(text, ["PTsecret", "PTsecret/1"]) == "a [redacted] b [redacted] c [redacted]"
    assert scrub("to the point", ["the", ""]) == "to the point"
    assert scrub("decoded p@ss word", ["p%40ss"]) == "decoded [redacted] word"


@pytest.mark.parametrize(
    "key",
    [
        *("password", "token", "api_token", "apiToken", "authorization", "Authorization", "secret", "Set-Cookie"),
        *("authorization_bearer_token", "signing_key", "signingKey", "PRIVATE_KEY", "SIGNALWIRE_API_TOKEN"),
        *("web_hook_auth_password", "swml_webhook_auth_password", "x-api-key"),
    ],
)
def test_secret_keys(key):
    assert is_secret(key)
    assert redact({key: {"deep": "hunter2"}}) == {key: REDACTED}


@pytest.mark.parametrize(
    "key", ["idempotency_key", "routing_key", "max_tokens", "key", "tokens", "secretary", "call_id", ""]
)
def test_keys_that_are_no_secrets(key):
    assert redact({key: "value"}) == {key: "value"}


@given(PLAIN_JSON, st.sampled_from(["password", "api_token", "signingKey"]))
def test_redacted_data_is_json_and_bounded(value, key):
    redacted = redact({"value": value, key: "hunter2-canary"})
    written = json.dumps(redacted, allow_nan=False)
    assert "hunter2" not in written
    assert len(written) < 12 * MAX_TOTAL


@dataclass
class Account:
    name: str
    api_token: str
    number: str


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    def __len__(self):
        raise RuntimeError("no")


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no")


def test_odd_values():
    loop: list[object] = []
    loop.append(loop)
    odd = {
        "account": Account("default", "hunter2", "+15551234567"),
        "id": UUID("0e9c80d7-a149-4917-892d-420043709f45"),
        "when": datetime(2026, 11, 22, tzinfo=UTC),
        "hostile": Hostile(),
        "error": HostileError(),
        "told": ValueError("+15551234567"),
        "body": b"secret",
        "huge": 10**5000,
        "loop": loop,
        "+15551234567": 1,
        5: {"a", "b"} & {"a"},
    }
    shown = redact(odd)
    assert json.dumps(shown)
    assert shown["account"] == {"name": "default", "api_token": REDACTED, "number": "***67"}
    assert shown["id"] == "0e9c80d7-a149-4917-892d-420043709f45"
    assert (shown["hostile"], shown["error"], shown["body"]) == ("[Hostile]", "[HostileError]", "[6 bytes]")
    assert (shown["told"], shown["huge"], shown["***67"], shown["5"]) == (
        "ValueError: ***67",
        "[big integer]",
        1,
        ["a"],
    )


def test_bounds_say_what_they_left_out():
    deep: dict[str, object] = {}
    for _ in range(MAX_DEPTH):
        deep = {"in": deep}
    assert json.dumps(redact(deep)).count('"in"') == MAX_DEPTH
    assert json.dumps(redact({"in": deep})).count('"in": "[dict]"') == 1
    shown = redact({"many": list(range(MAX_ITEMS + 5)), "long": "x" * (MAX_TEXT + 1)})
    assert shown["many"][-1] == "[5 more]"
    assert shown["long"].endswith(f"[{MAX_TEXT + 1} characters]")
    assert len(json.dumps(redact([["y" * 3000] * 50] * 50))) < 2 * MAX_TOTAL


@given(st.integers(0, 80))
def test_a_cut_leaves_no_part_of_a_number_or_a_secret(place):
    for hidden in ("+15551234567", "PTcanary" * 20):
        text = "x" * (MAX_TEXT - place) + f" {hidden} " + "x" * 300
        shown = redact(text, ["PTcanary" * 20])
        assert "1555" not in shown
        assert "PTcanary" not in shown
