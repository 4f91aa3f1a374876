"""The command line without a broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq.cli import HELPS, main
from callmq.cli.exits import UsageError
from callmq.cli.lines import CHUNK, KEPT, read_lines
from callmq.cli.settings import read_settings
from callmq.cli.validate import verdict
from callmq_contracts import decode

DIAL = b'{"command":"dial","params":{"from":"+15550100","to":"+15550101","url":"https://example.com/a"}}'
URL = "amqp://guest:swordfish-canary@localhost/"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Lend the list of verbs that count as installed."""
    points: list[EntryPoint] = []
    monkeypatch.setattr("callmq.cli.entry_points", lambda group: EntryPoints(p for p in points if p.group == group))
    return points


def verb(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "callmq.verbs")


def piped(*words: str, stdin: Any = None, **more: Any) -> subprocess.Popen[bytes]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "callmq", *words]
    return subprocess.Popen(command, env=environment, stdin=stdin, stdout=-1, stderr=-1, **more)


def test_help_lists_every_verb_and_loads_none(installed: list[EntryPoint], capsys: pytest.CaptureFixture[str]) -> None:
    installed += [verb("work", "no_such_module"), verb("extra", "also_none")]
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("send", "call", "replies", "validate", "work"):
        assert f"  {name:10} {HELPS[name]}" in out
    assert "extra" in out
    assert "dead" not in out


def test_help_does_not_import_the_client() -> None:
    code = "import sys; from callmq.cli import main; main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, env=env())
    modules = done.stderr
    for heavy in ("aio_pika", "pydantic", "opentelemetry", "callmq_contracts"):
        assert f"'{heavy}'" not in modules


def env() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}


def test_version_and_usage(installed: list[EntryPoint], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("callmq ")
    assert main([]) == 2
    assert main(["nonsense"]) == 2
    assert "no verb of that name" in capsys.readouterr().err
    assert main(["--nonsense"]) == 2
    assert main(["validate", "--nonsense"]) == 2
    assert main(["validate", "--help"]) == 0


def test_a_verb_without_its_packages_says_what_to_install(
    installed: list[EntryPoint], capsys: pytest.CaptureFixture[str]
) -> None:
    installed.append(verb("work", "no_such_module"))
    assert main(["work"]) == 2
    err = capsys.readouterr().err
    assert "no_such_module" in err
    assert "pip install 'callmq[worker]'" in err


@pytest.mark.parametrize(("end", "code"), [(None, 7), (KeyboardInterrupt, 130), (SystemExit, 0)])
def test_a_verb_gives_the_exit_code(
    installed: list[EntryPoint], monkeypatch: pytest.MonkeyPatch, end: type[BaseException] | None, code: int
) -> None:
    def run(args: Any) -> int:
        if end is not None:
            raise end
        return int(args.code)

    module = types.ModuleType("some_verb")
    module.HELP, module.run = "does something", run  # type: ignore[attr-defined]
    module.arguments = lambda parser: parser.add_argument("code")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "some_verb", module)
    installed.append(verb("some", "some_verb"))
    assert main(["some", "7"]) == code


def test_wrong_settings_are_said_all_at_once(
    installed: list[EntryPoint], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CALLMQ_AMQP_URL", raising=False)
    monkeypatch.setenv("CALLMQ_AMQP_URL_FILE", "/nowhere/at/all")
    monkeypatch.setenv("CALLMQ_PREFIX", "no spaces")
    assert main(["send", DIAL.decode()]) == 2
    err = capsys.readouterr().err
    assert "CALLMQ_AMQP_URL_FILE" in err
    assert "CALLMQ_PREFIX" in err
    assert "/nowhere" not in err


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "CALLMQ_AMQP_URL: is not set"),
        ({"CALLMQ_AMQP_URL": "http://guest:swordfish-canary@localhost"}, "CALLMQ_AMQP_URL: The broker URL must be"),
        ({"CALLMQ_AMQP_URL": URL, "CALLMQ_AMQP_URL_FILE": "x"}, "not both"),
    ],
)
def test_each_wrong_setting_is_named_and_no_value_is_shown(environment: dict[str, str], named: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_settings(environment)
    assert named in str(caught.value)
    assert "swordfish" not in str(caught.value)


def test_settings_keep_the_password_out_of_their_repr() -> None:
    settings = read_settings({"CALLMQ_AMQP_URL": URL, "CALLMQ_PREFIX": "mine"})
    assert settings.prefix == "mine"
    assert "swordfish" not in repr(settings)


def reader(chunks: list[bytes]) -> Any:
    waiting: Iterator[bytes] = iter(chunks)
    return lambda _size: next(waiting, b"")


@given(st.binary(max_size=200).map(lambda b: b.replace(b"x", b"\n")), st.integers(1, 50))
def test_lines_are_those_of_the_bytes_however_they_are_cut(content: bytes, size: int) -> None:
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    expected = [line.strip(b" \t\r") for line in content.split(b"\n")]
    assert list(read_lines(reader(chunks))) == [line for line in expected if line]


@pytest.mark.parametrize("length", [KEPT - 1, KEPT, KEPT + 1, 3 * KEPT])
def test_a_long_line_is_cut_and_the_next_one_is_whole(length: int) -> None:
    content = b"a" * length + b"\r\n" + DIAL
    chunks = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    first, second = read_lines(reader(chunks))
    assert len(first) == min(length, KEPT)
    assert second == DIAL


def test_verdicts_have_the_form_of_the_wire_description() -> None:
    good, bad = verdict(decode(DIAL)), verdict(decode(b'{"command":"dial","params":{"to":"+1555canary"}}'))
    assert good == b'{"ok":true,"command":"dial","class":"unsafe","leniencies":[]}\n'
    assert set(json.loads(bad)) == {"ok", "problem"}
    assert b"canary" not in bad
    assert bad.endswith(b"\n")


def test_validate_judges_line_by_line() -> None:
    too_long = b'{"command":"dial","params":{"from":"' + b"1" * 300_000 + b'"}}'
    content = b"\n".join([DIAL, b"", b"   ", b"nonsense", too_long, DIAL + b"\r"])
    with piped("validate", stdin=-1) as process:
        out, err = process.communicate(content, 60)
    verdicts = [json.loads(line) for line in out.splitlines()]
    assert (process.returncode, err) == (1, b"")
    assert [verdict["ok"] for verdict in verdicts] == [True, False, False, True]
    assert [verdict["problem"]["code"] for verdict in verdicts[1:3]] == ["malformed", "too_large"]


def test_validate_asks_whether_a_body_is_spread_over_several_lines() -> None:
    spread = json.dumps(json.loads(DIAL), indent=1).encode()
    told = [json.loads(verdict(decode(line)))["problem"]["detail"] for line in (spread.splitlines()[0], b'  "a": 1,')]
    assert all(detail.endswith("One body a line: is this body spread over several?") for detail in told)
    assert b"spread" not in verdict(decode(b'{"command":"dial","params":{"x":1e-400}}'))
    assert json.loads(verdict(decode(spread)))["ok"]


def test_validate_of_good_bodies_is_0() -> None:
    with piped("validate", stdin=-1) as process:
        process.communicate(DIAL + b"\n" + DIAL, 60)
    assert process.returncode == 0


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with piped("validate", stdin=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(DIAL + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        process.stdin.write(DIAL + b"\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def peak_kib(lines: int, line: bytes) -> int:
    """Run validate on so many lines; the answer is the most memory that the process ever had."""
    code = (
        "import resource, sys; from callmq.cli import main; main(['validate']);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=env(), stdin=-1, stdout=subprocess.DEVNULL, stderr=-1) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        block = line * max(1, 65_536 // len(line))
        for _ in range(lines * len(line) // len(block)):
            process.stdin.write(block)
        process.stdin.close()
        return int(process.stderr.read())


def test_validate_needs_no_more_memory_for_100_megabytes() -> None:
    body = DIAL[:-2] + b',"custom_variables":{"pad":"' + b"x" * 1000 + b'"}}}\n'
    small = peak_kib(100, body)
    assert peak_kib(100_000_000 // len(body), body) - small < 8_192


def test_validate_needs_no_more_memory_for_one_line_of_100_megabytes() -> None:
    assert peak_kib(100_000_000, b"x") - peak_kib(1, b"x\n") < 8_192
