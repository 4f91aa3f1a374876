"""Each rule that the published description does not hold, both ways."""

import copy

import pytest

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, Rejected, decode

URL = "https://example.com/x"
DOCUMENT = {"sections": {"main": []}}

BAD_URLS = ["", "example.com", "ftp://example.com", "http:/example.com", "http://", "https:// x", "ws://example.com"]
GOOD_URLS = ["http://example.com", "https://user:pass@example.com:8443/a?b=c#d", "HTTPS://example.com", "http://[::1]/"]
VARIABLES = "params.custom_variables"


def example(command, index=0):
    return copy.deepcopy(EXAMPLES[command][index])


def put(body, path, value):
    """Set (or with ... drop) the value at a dotted path."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder = body
    for step in way:
        holder = holder[step]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return body


def errors(decoded):
    return [(e.path, e.code.value) for e in decoded.problem.errors] if isinstance(decoded, Rejected) else []


# command, which example, path, good values, bad values with their code
VALUES = [
    ("dial", 0, "params.url", GOOD_URLS, {"bad_format": BAD_URLS[1:], "empty": [""], "wrong_type": [None, 1]}),
    ("dial", 2, "params.fallback_url", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("dial", 2, "params.status_url", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("update", 2, "params.fallback_url", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("calling.live_transcribe", 1, "params.action.start.webhook", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("calling.live_transcribe", 2, "params.action.summarize.webhook", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("calling.ai_sidecar", 3, "params.url", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("calling.ai_sidecar", 3, "params.SWAIG.defaults.web_hook_url", GOOD_URLS, {"bad_format": BAD_URLS[1:]}),
    ("dial", 0, "params.from", ["x", "+15550100", "sip:a@b"], {"empty": [""], "wrong_type": [None, 1, ["x"]]}),
    (
        "dial",
        0,
        "params.to",
        ["+15550100", "+12", "sip:a@example.com", "sips:a", "verto:a", "client:a", "/public/x", "/public/x?channel=1"],
        {
            "bad_format": ["5550100", "+0123", "+1234567890123456", "tel:+1", "sip:", "/x", "a b", "+1 555", "SIP:a"],
            "empty": [""],
        },
    ),
    ("dial", 2, "params.timeout", [1, 600, 30.0], {"out_of_bounds": [0, 601, -1], "wrong_type": [1.5, "30", True]}),
    ("dial", 2, "params.max_price_per_minute", [0, 0.5, 3], {"out_of_bounds": [-0.01], "wrong_type": [True, "1"]}),
    ("dial", 2, "params.send_digits", ["0123456789ABCD*#w,", ""], {"bad_format": ["a", "E", "W", "1 2", "1\n"]}),
    (
        "dial",
        2,
        "params.codecs",
        [["PCMU"], "PCMU", "PCMU,PCMA", "PCMU, OPUS@48000H@20I", []],
        {"not_allowed": ["pcmu", "PCMU;PCMA", "PCMU,", "X"], "empty": [""], "wrong_type": [1, None, {"a": 1}]},
    ),
    ("dial", 2, "params.codecs.0", ["G722"], {"not_allowed": ["g722", ""], "wrong_type": [1, None]}),
    ("dial", 2, "params.status_events", [["ended"]], {"empty": [[]], "wrong_type": ["ended", None]}),
    ("dial", 2, "params.region", ["us", ["us", "eu"]], {"wrong_type": [1, {}]}),
    (
        "dial",
        2,
        VARIABLES,
        [{}, {"_a1": "x"}, {"A": "é" * 512}, {f"k{i}": "v" for i in range(20)}, {"swx_": "x", "my_sw_": "x"}],
        {"out_of_bounds": [{f"k{i}": "v" for i in range(21)}], "wrong_type": [[], "x", None]},
    ),
    ("dial", 4, "params.to_script", [DOCUMENT, "https://x", "version: 1.0.0"], {"empty": [""], "wrong_type": [1, []]}),
    ("calling.ai_hold", 0, "params.timeout", ["0", "300", "007"], {"bad_format": ["x", "1.5", "-1"], "empty": [""]}),
    ("calling.play", 2, "params.play.1.params.duration", [0.1, 3], {"out_of_bounds": [0, -1], "wrong_type": ["1"]}),
    ("calling.play", 1, "params.play.0.params.url", GOOD_URLS, {"bad_format": BAD_URLS[1:], "empty": [""]}),
    ("calling.play", 0, "params.play.0.params.text", ["x", " "], {"empty": [""]}),
    ("calling.play", 0, "params.play", [], {"empty": [[]], "wrong_type": [{}, "x", None]}),
    ("calling.play", 2, "params.loop", [0, 1, 2.0, 10**6], {"out_of_bounds": [-1], "wrong_type": [0.5, True]}),
    ("calling.play", 2, "params.volume", [-40, 40, 0.5], {"out_of_bounds": [-40.1, 41], "wrong_type": ["1", False]}),
    ("calling.play.volume", 0, "params.volume", [-40, 40], {"out_of_bounds": [-41, 40.5]}),
    ("calling.play.stop", 0, "params.control_id", ["x"], {"empty": [""], "wrong_type": [1, None]}),
    ("calling.record", 1, "params.record.audio.terminators", ["", "09ADad*#"], {"bad_format": ["e", "1 2", "w"]}),
    ("calling.collect", 0, "params.digits.terminators", ["", "09ADad*#"], {"bad_format": ["e", "1,2"]}),
    ("calling.detect", 3, "params.detect.params.digits", ["", "09ADad*#"], {"bad_format": ["e", "1\n"]}),
    ("calling.collect", 0, "params.digits.max", [1, 4.0], {"out_of_bounds": [0, -1], "wrong_type": [1.5, "1", True]}),
    ("calling.collect", 2, "params.digits.digit_timeout", [0.1], {"out_of_bounds": [0, -1]}),
    ("calling.collect", 1, "params.initial_timeout", [0.1], {"out_of_bounds": [0, -0.0]}),
    ("calling.collect", 1, "params.speech.speech_timeout", [0.1], {"out_of_bounds": [0]}),
    ("calling.collect", 1, "params.speech.end_silence_timeout", [0.1], {"out_of_bounds": [0]}),
    (
        "calling.tap",
        1,
        "params.device.params.addr",
        ["198.51.100.1", "203.0.113.9", "192.0.2.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.64.0.1"],
        {
            "not_allowed": [
                *("0.1.2.3", "10.0.0.1", "127.0.0.1", "169.254.1.1", "172.16.0.1", "172.31.255.255"),
                *("192.168.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"),
            ],
            "bad_format": ["1.2.3", "::1", "example.com", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", "1.2.3.4\n"],
            "empty": [""],
        },
    ),
    ("calling.tap", 1, "params.device.params.port", [1, 65535], {"out_of_bounds": [0, 65536]}),
    ("calling.tap", 2, "params.device.params.ptime", [10, 120, 20.0], {"not_allowed": [15, 130], "wrong_type": ["20"]}),
    (
        "calling.tap",
        0,
        "params.device.params.uri",
        ["ws://example.com", "wss://example.com/a"],
        {"bad_format": ["http://example.com", "wss:/x", "wss://"], "empty": [""]},
    ),
    ("calling.stream", 0, "params.url", ["wss://example.com"], {"bad_format": ["ws://example.com", "wss://"]}),
    ("calling.refer", 1, "params.device.params.to", ["sip:a@b"], {"bad_format": ["sips:a", "a@b", "sip:"]}),
    ("calling.refer", 1, "params.device.params.from", ["sip:a@b"], {"bad_format": ["sips:a", "+1555"]}),
    *(
        (command, 1, f"params.action.start.{name}", good, {"out_of_bounds": bad, "wrong_type": [0.5, "1", True]})
        for command in ("calling.live_transcribe", "calling.live_translate")
        for name, good, bad in (("vad_thresh", [0, 1800, 7.0], [-1, 1801]), ("debug_level", [0, 2], [-1, 3]))
    ),
    (
        "calling.live_translate",
        1,
        "params.action.start.filter_to",
        ["rude", "prompt:x"],
        {"not_allowed": ["prompt:", "x", "Rude"]},
    ),
    ("dial", 1, "params.swml", [DOCUMENT, {"sections": 3, "x": [None]}], {"wrong_type": ["x", [], None]}),
    ("calling.transfer", 0, "params.dest", [DOCUMENT, "+1"], {"empty": [""], "wrong_type": [3, [], None]}),
    ("calling.user_event", 0, "params.event", [{}, {"a": [{"b": None}]}], {"wrong_type": ["x", [], None]}),
    ("calling.end", 0, "id", [EXAMPLE_CALL_ID.upper()], {"bad_format": ["x", EXAMPLE_CALL_ID + "\n"], "empty": [""]}),
    ("update", 0, "params.id", [EXAMPLE_CALL_ID.upper()], {"bad_format": [EXAMPLE_CALL_ID.replace("-", "")]}),
]  # fmt: skip

GOOD = [(c, i, path, value) for c, i, path, good, _ in VALUES for value in good]
BAD = [(c, i, path, value, code) for c, i, path, _, bad in VALUES for code, values in bad.items() for value in values]


@pytest.mark.parametrize(("command", "index", "path", "value"), GOOD)
def test_good_values(command, index, path, value, as_bytes):
    body = put(example(command, index), path, value)
    decoded = decode(as_bytes(body), leniencies=frozenset())
    assert errors(decoded) == []
    assert decoded.body == body


@pytest.mark.parametrize(("command", "index", "path", "value", "code"), BAD)
def test_bad_values_give_one_error(command, index, path, value, code, as_bytes):
    decoded = decode(as_bytes(put(example(command, index), path, value)), leniencies=frozenset())
    written = ".".join(path.split("."))
    for digit in "0123456789":
        written = written.replace(f".{digit}", f"[{digit}]")
    assert errors(decoded) == [(written, code)]


@pytest.mark.parametrize(
    ("variables", "name", "code"),
    [
        *(({name: "x"}, name, "not_allowed") for name in ("signalwire_a", "SW_a", "Rtc_", "iNtErNaL_1")),
        *(({name: "x"}, name, "bad_format") for name in ("1a", "a-b", "a b", "é")),
        ({"a": ""}, "a", "empty"),
        ({"a": 1}, "a", "wrong_type"),
        ({"a": None}, "a", "wrong_type"),
        ({"a": "é" * 512 + "x"}, "a", "out_of_bounds"),
    ],
)
def test_custom_variables(variables, name, code, as_bytes):
    body = put(example("dial", 2), VARIABLES, variables)
    assert errors(decode(as_bytes(body))) == [(f"{VARIABLES}.{name}", code)]


def test_too_many_custom_variables_are_judged_one_by_one_as_well(as_bytes):
    variables = {f"k{i}": "v" for i in range(20)} | {"1a": "x", "b": 1}
    body = put(example("dial", 2), VARIABLES, variables)
    assert errors(decode(as_bytes(body))) == [
        (VARIABLES, "out_of_bounds"),
        (f"{VARIABLES}.1a", "bad_format"),
        (f"{VARIABLES}.b", "wrong_type"),
    ]
    body = put(example("dial", 2), VARIABLES, {f"{i}": i for i in range(9000)})
    assert len(errors(decode(as_bytes(body)))) == 100


# command, which example, what is changed, the errors
ACROSS = [
    ("dial", 0, {"to": ...}, [("params.to", "missing")]),
    ("dial", 4, {}, []),
    ("dial", 4, {"to_script": ...}, [("params.to", "missing")]),
    ("dial", 0, {"url": ...}, [("params.url", "missing")]),
    ("dial", 0, {"swml": DOCUMENT}, [("params.swml", "conflict")]),
    ("dial", 0, {"url": ..., "swml": {}}, [("params.swml.sections", "missing")]),
    ("update", 0, {"swml": DOCUMENT}, [("params.swml", "conflict")]),
    ("update", 0, {"url": ...}, [("params.url", "missing")]),
    ("update", 0, {"url": ..., "swml": DOCUMENT, "status": "completed"}, []),
    ("calling.collect", 0, {"digits": ...}, [("params.digits", "missing")]),
    ("calling.collect", 0, {"digits": ..., "speech": {}}, []),
    ("calling.collect", 0, {"speech": {}}, []),
    ("calling.ai_message", 0, {"role": ..., "message_text": ...}, [("params", "empty")]),
    ("calling.ai_message", 0, {"role": ..., "message_text": ""}, [("params", "empty")]),
    ("calling.ai_message", 0, {"role": ...}, []),
    ("calling.ai_message", 0, {"message_text": ...}, [("params", "empty")]),
    ("calling.ai_message", 0, {"message_text": ""}, [("params", "empty")]),
    ("calling.ai_message", 0, {"message_text": ..., "reset": {}}, []),
    ("calling.ai_message", 0, {"message_text": ..., "global_data": {}}, []),
    ("calling.ai_message", 1, {}, []),
    ("calling.transfer", 0, {"dest": {}}, [("params.dest.sections", "missing")]),
    ("dial", 4, {"to_script": {"version": "1.0.0"}}, [("params.to_script.sections", "missing")]),
]


@pytest.mark.parametrize(("command", "index", "changes", "expected"), ACROSS)
def test_rules_across_keys(command, index, changes, expected, as_bytes):
    body = example(command, index)
    for key, value in changes.items():
        put(body, f"params.{key}", value)
    assert errors(decode(as_bytes(body), leniencies=frozenset())) == expected


def test_rules_across_keys_are_looked_at_even_where_a_field_is_wrong(as_bytes):
    body = put(put(example("dial"), "params.to", ...), "params.timeout", 0)
    assert sorted(errors(decode(as_bytes(body)))) == [("params.timeout", "out_of_bounds"), ("params.to", "missing")]
