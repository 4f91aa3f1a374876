"""CALLMQ_EXTRA_COMMANDS, wherever it is read: by the worker, by the verbs that publish, by ``validate``."""

from __future__ import annotations

import io

import pytest

from callmq import Client, InvalidCommandError, ProblemCode
from callmq.cli import main
from callmq.cli.exits import UsageError
from callmq.cli.settings import read_settings
from callmq.message import Message, prepare
from callmq_contracts import EXAMPLE_CALL_ID
from callmq_contracts.envelope import Properties
from callmq_contracts.extra import EXTRA_COMMANDS, parse_extra_commands
from callmq_contracts.leniency import ALL_LENIENCIES
from callmq_worker.core.intake import Accepted, Refusal, Rules, read
from callmq_worker.settings import SettingsError, load

LEAST = {"CALLMQ_AMQP_URL": "amqp://h", "HOME": "/nobody"}
TEXT = "calling.join_conference=30s,queue.join=2d"
EXTRA = parse_extra_commands(TEXT)
BAD = "canary"
JOIN = b'{"command":"calling.join_conference","id":"%s","params":{"name":"x"}}' % EXAMPLE_CALL_ID.encode()


def test_a_worker_takes_it_from_variable_file_and_toml(tmp_path):
    path = tmp_path / "value"
    path.write_text(TEXT + "\n")
    toml = tmp_path / "callmq.toml"
    toml.write_text(f'extra_commands = "{TEXT}"')
    ways = {EXTRA_COMMANDS: TEXT}, {f"{EXTRA_COMMANDS}_FILE": str(path)}, {"CALLMQ_CONFIG": str(toml)}
    for way in ways:
        assert list(load({**LEAST, **way}, broker_only=True).extra_commands) == list(EXTRA)
    assert load(LEAST, broker_only=True).extra_commands == {}


def test_a_worker_names_the_setting_that_is_wrong_and_not_its_value():
    with pytest.raises(SettingsError) as caught:
        load({**LEAST, EXTRA_COMMANDS: BAD}, broker_only=True)
    assert [e.split(":")[0] for e in caught.value.errors] == [EXTRA_COMMANDS]
    assert BAD not in str(caught.value)


def test_records_outlive_the_longest_extra_lifetime():
    least = 2 * 86_400 + 3600 + 7 * 86_400
    more = {**LEAST, EXTRA_COMMANDS: TEXT}
    assert load({**more, "CALLMQ_RETENTION": str(least)}, broker_only=True).least_retention == least
    with pytest.raises(SettingsError, match=r"^CALLMQ_RETENTION"):
        load({**more, "CALLMQ_RETENTION": str(least - 1)}, broker_only=True)
    short = load({**LEAST, EXTRA_COMMANDS: "calling.a=5s"}, broker_only=True)
    assert short.least_retention == load(LEAST, broker_only=True).least_retention


def read_with(rules: Rules, key: str | None = "k", routing_key: str = "calling.join_conference"):
    headers = {"idempotency-key": key} if key else {}
    return read(JOIN, Properties(routing_key=routing_key, headers=headers), 1000.0, rules, secret=b"s" * 32)


def test_intake_lets_through_what_is_named_with_a_key_until_its_lifetime_ends():
    rules = Rules(frozenset({"default"}), ALL_LENIENCIES, EXTRA)
    accepted = read_with(rules)
    assert isinstance(accepted, Accepted)
    assert accepted.expires_at == 1030.0
    without = Rules(frozenset({"default"}), ALL_LENIENCIES)
    cases = [
        (read_with(without), ProblemCode.UNKNOWN_COMMAND),
        (read_with(rules, key=None), ProblemCode.MISSING_IDEMPOTENCY_KEY),
        (read_with(rules, routing_key="queue.join"), ProblemCode.ROUTING_KEY_MISMATCH),
    ]
    for refused, code in cases:
        assert isinstance(refused, Refusal)
        assert refused.rejected.problem.code is code


def test_a_client_lets_through_what_it_was_told():
    outgoing = prepare(Message(JOIN, "k", validate=True), None, EXTRA)
    assert (outgoing.body, outgoing.routing_key) == (JOIN, "calling.join_conference")
    assert outgoing.headers["call-id"] == EXAMPLE_CALL_ID
    assert Client("amqp://h", extra_commands=TEXT)._extra.keys() == EXTRA.keys()
    with pytest.raises(InvalidCommandError):
        prepare(Message(JOIN, "k", validate=True), None)
    with pytest.raises(ValueError, match=r"^extra_commands must") as caught:
        Client("amqp://h", extra_commands=BAD)
    assert BAD not in str(caught.value)


def test_the_publishing_verbs_read_it_and_name_it():
    assert read_settings({**LEAST, EXTRA_COMMANDS: TEXT}).extra_commands == TEXT
    with pytest.raises(UsageError) as caught:
        read_settings({EXTRA_COMMANDS: BAD})
    assert [line.split(":")[0] for line in caught.value.lines] == ["CALLMQ_AMQP_URL", EXTRA_COMMANDS]
    assert BAD not in str(caught.value)


class Piped:
    """Standard input and output of one run in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
        source, self.out = io.BytesIO(content), io.TextIOWrapper(io.BytesIO())
        monkeypatch.setattr("callmq.cli.validate.os.read", lambda _fd, size: source.read(size))
        monkeypatch.setattr("sys.stdout", self.out)

    def said(self) -> bytes:
        self.out.flush()
        buffer = self.out.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue()


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (TEXT, 0, b'{"ok":true,"command":"calling.join_conference","class":"unsafe","leniencies":[]}\n'),
        ("", 1, b'{"ok":false,"problem":{"code":"unknown_command",'),
    ],
)
def test_validate_honours_it(text, code, said, monkeypatch):
    piped = Piped(monkeypatch, JOIN + b"\n")
    monkeypatch.setenv(EXTRA_COMMANDS, text)
    assert main(["validate"]) == code
    assert piped.said().startswith(said)


def test_validate_says_when_it_is_wrong(monkeypatch, capsys):
    monkeypatch.setenv(EXTRA_COMMANDS, BAD)
    assert main(["validate"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"callmq validate: {EXTRA_COMMANDS}: must be names with lifetimes")
    assert BAD not in told.err
