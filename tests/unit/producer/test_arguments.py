"""Bad arguments and settings of the producing verbs, and lines that say how to publish: no broker needed."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest

from callmq import Invalid, Message
from callmq.cli import main
from callmq.cli.exits import UsageError
from callmq.cli.lines import CHUNK, KEPT, read_blocks, read_lines
from callmq.cli.replies import _line
from callmq.cli.settings import read_extra_commands, read_settings
from callmq.cli.wrapped import message_of_line
from callmq.received import parse_reply
from callmq_contracts import decode
from callmq_contracts.reply import OutcomeName, Reply
from callmq_contracts.terminal import plain

BODY = {"command": "dial", "params": {"from": "+15550100", "to": "+15550101", "url": "https://example.com/a"}}
URL = "amqp://guest:swordfish-canary@localhost/"
LONG = "x" * 256
SURROGATE = os.fsdecode(b"caf\xe9")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLMQ_AMQP_URL", "amqp://127.0.0.1:1/")
    for name in ("CALLMQ_AMQP_URL_FILE", "CALLMQ_PREFIX", "CALLMQ_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "words",
    [
        *(("send", "{}", option, LONG) for option in ("--app-id", "--campaign", "--reply-to", "--account")),
        *(("call", "{}", option, LONG) for option in ("--app-id", "--campaign", "--account")),
        *(("replies", option, LONG) for option in ("--bind", "--queue")),
        *(("replies", option, "") for option in ("--bind", "--queue")),
        *((verb, "--timeout", time) for verb in ("call", "replies") for time in ("nan", "-1", "inf", "0", "x")),
        *(("send", "{}", "--expires-at", time) for time in ("junk", "", "9" * 5000, "2026-11-22T10:00:00", "-5")),
        *((verb, "{}", "--campaign", "a\nb") for verb in ("send", "call")),
        *((verb, "{}", "--priority", word) for verb in ("send", "call") for word in ("", "urgent", SURROGATE)),
        ("send", "--window", "0"),
        ("send", "--window", "9" * 5000),
        ("replies", "--count", "0"),
        *(("send", "{}", option, SURROGATE) for option in ("--app-id", "--key", "--file", "--account", SURROGATE)),
        ("send", SURROGATE),
        ("call", SURROGATE),
        ("replies", "--queue", SURROGATE),
        ("validate", "--key", SURROGATE),
        (SURROGATE,),
        ("send", "{}", "--exp", "1"),
        ("dead", "purge", "--al", "--y"),
        ("unknown", "resolve", "--y"),
    ],
)
def test_a_bad_argument_is_2_and_no_traceback(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


@pytest.mark.parametrize("words", [("dead", "purge", "--y"), ("unknown", "resolve", "--y"), ("send", "--js")])
def test_an_option_is_named_in_full(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(words)) == 2
    told = capsys.readouterr().err
    assert "unrecognized arguments" in told or "required" in told


# Settings


def test_settings_come_from_the_file_of_the_worker(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n")
    config = tmp_path / "callmq.toml"
    environment = {"CALLMQ_CONFIG": str(config)}
    for table in ("[callmq]\n", ""):
        config.write_text(f'{table}amqp_url = "{URL}"\nprefix = "mine"\nextra_commands = "calling.new=30s"\n')
        settings = read_settings(environment)
        assert (settings.url, settings.prefix, settings.extra_commands) == (URL, "mine", "calling.new=30s")
        assert list(read_extra_commands(environment)) == ["calling.new"]
    assert read_settings({**environment, "CALLMQ_PREFIX": "other"}).prefix == "other"
    config.write_text(f'[callmq]\namqp_url_file = "{tmp_path / "url"}"\n')
    assert read_settings(environment).url == URL
    (tmp_path / "prefix").write_text("by_file\n")
    assert read_settings({**environment, "CALLMQ_PREFIX_FILE": str(tmp_path / "prefix")}).prefix == "by_file"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("= swordfish", ["CALLMQ_CONFIG", "CALLMQ_AMQP_URL"]),
        ("callmq = 5", ["callmq", "CALLMQ_AMQP_URL"]),
        ("amqp_url = true\nprefix = [1]", ["amqp_url", "prefix"]),
        ('amqp_url = "http://swordfish"\nprefix = "no spaces"', ["CALLMQ_AMQP_URL", "CALLMQ_PREFIX"]),
        ('amqp_url = "amqp://h"\namqp_url_file = "swordfish"', ["amqp_url"]),
        ('amqp_url_file = "/no/swordfish"\nextra_commands = "swordfish"', ["amqp_url_file", "CALLMQ_EXTRA_COMMANDS"]),
        ('amqp_url = "amqp://h"\nprefix_file = 7', ["prefix"]),
        (None, ["CALLMQ_CONFIG", "CALLMQ_AMQP_URL"]),
    ],
)
def test_all_that_is_wrong_is_said_at_once(text: str | None, named: list[str], tmp_path: Path) -> None:
    config = tmp_path / "callmq.toml"
    if text is not None:
        config.write_text(text)
    with pytest.raises(UsageError) as caught:
        read_settings({"CALLMQ_CONFIG": str(config)})
    assert [line.split(":")[0] for line in caught.value.lines] == named
    assert "swordfish" not in str(caught.value)


# Lines


@pytest.fixture
def args() -> argparse.Namespace:
    return argparse.Namespace(
        account=None,
        campaign="spring",
        priority=None,
        reply_to=None,
        user_id="billing",
        expires_at=None,
        no_validate=False,
    )


def invalid(args: argparse.Namespace, **line: Any) -> list[tuple[str, str]]:
    found = message_of_line(args, json.dumps(line).encode())
    assert isinstance(found, Invalid)
    assert found.problem is not None
    return [(error["path"], error["code"]) for error in found.problem.as_dict()["errors"]]


def test_a_line_around_a_body_says_only_what_there_is(args: argparse.Namespace) -> None:
    assert invalid(args, body=BODY, acount="x", expire="y") == [("acount", "unknown_key"), ("expire", "unknown_key")]
    assert invalid(args, body=[BODY]) == [("body", "wrong_type")]
    assert invalid(args, body=json.dumps(BODY), key="k") == [("body", "wrong_type")]
    assert invalid(args, body=None, bdy=BODY) == [("body", "wrong_type"), ("bdy", "unknown_key")]
    assert invalid(args, body=BODY, key="a", **{"idempotency-key": "b"}) == [("idempotency-key", "conflict")]


def test_the_spelling_of_the_wire_is_understood(args: argparse.Namespace) -> None:
    wire = {"idempotency-key": "k", "expires-at": "1795341600123", "reply-to": "q", "correlation-id": "c"}
    found = message_of_line(args, json.dumps({**wire, "account": "sales", "body": BODY}).encode())
    assert isinstance(found, Message)
    assert (found.key, found.expires_at, found.reply_to, found.correlation_id) == ("k", 1_795_341_600_123, "q", "c")
    assert (found.account, found.campaign, found.priority, found.user_id) == ("sales", "spring", None, "billing")
    assert json.loads(found.body) == BODY  # type: ignore[arg-type]


def test_the_priority_of_a_line_goes_before_that_of_all(args: argparse.Namespace) -> None:
    args.priority = "bulk"
    plain_one, own = (message_of_line(args, json.dumps(line).encode()) for line in ({"body": BODY}, BODY))
    urgent = message_of_line(args, json.dumps({"priority": "high", "body": BODY}).encode())
    assert [m.priority for m in (plain_one, own, urgent) if isinstance(m, Message)] == ["bulk", "bulk", "high"]


@pytest.mark.parametrize("line", [b'{"command":"dial","body":{}}', b'{"params":{}}', b"nonsense", b"[1]"])
def test_what_has_no_body_of_its_own_is_one(line: bytes, args: argparse.Namespace) -> None:
    found = message_of_line(args, line)
    assert isinstance(found, Message)
    assert (found.body, found.user_id) == (line, "billing")


@pytest.mark.parametrize("blanks", [KEPT - 100, KEPT - 1, KEPT, KEPT + 1, KEPT + CHUNK, 3 * KEPT])
@pytest.mark.parametrize("end", [b"\n", b"\n" + json.dumps(BODY).encode() + b"\n", b""])
def test_a_body_behind_more_blanks_than_a_line_may_have_is_too_large(blanks: int, end: bytes) -> None:
    content = b" " * blanks + json.dumps(BODY).encode() + end
    chunks = iter([content[at : at + CHUNK] for at in range(0, len(content), CHUNK)])
    first, *others = read_lines(lambda _size: next(chunks, b""))
    judged = decode(first)
    assert not hasattr(judged, "safety")
    assert judged.problem.code == "too_large"
    assert others == [line for line in end.split(b"\n") if line]


def test_more_blanks_than_a_line_may_have_are_no_body() -> None:
    chunks = iter([b" " * CHUNK] * 20 + [b"\n{}\n"])
    assert [line for block in read_blocks(lambda _size: next(chunks, b"")) for line in block] == [b"{}"]


# What a stranger wrote


def test_a_reply_can_t_steer_the_terminal() -> None:
    reply = Reply(
        reply_id="r",
        idempotency_key="\x1b[2J",
        command="dial\x07",
        outcome=OutcomeName.SUCCEEDED,
        received_at=0.0,
        finished_at=1.0,
    )
    line = _line(parse_reply(reply.dump()))
    assert line.isprintable()
    assert "\\x1b[2J" in line
    assert plain(None) == plain("") == "-"
    assert plain({"a": "\x1b"}).isprintable()
