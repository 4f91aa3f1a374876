"""Where a broker is had from: given, installed, by apt-get, by a container engine, or a clear sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callmq_demo import broker, container, install
from callmq_demo.broker import BrokerError, ContainerBroker, GivenBroker, PrivateNode, find_broker

# Notes what it is asked, with the password that comes by the environment only, and answers as an engine does.
ENGINE = """#!/bin/sh
echo "$@" "[$RABBITMQ_DEFAULT_PASS]" >>"{notes}"
case "$1" in info) exit {info} ;; run) {run} ;; esac
"""


def put_engine(folder: Path, *, info: int = 0, run: str = "exit 0") -> Path:
    notes = folder / "notes"
    engine = folder / "docker"
    engine.write_text(ENGINE.format(notes=notes, info=info, run=run))
    engine.chmod(0o755)
    return notes


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make this a machine without any of it."""
    monkeypatch.delenv("CALLMQ_AMQP_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "find_server", lambda: None)
    monkeypatch.setattr(install, "find_server", lambda: None)


def test_the_given_one_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLMQ_AMQP_URL", "amqp://me:hidden@broker.example:5673/mine")
    monkeypatch.setattr(broker, "find_server", lambda: Path("/installed"))
    with find_broker() as found:
        assert isinstance(found, GivenBroker)
        assert found.amqp_url == "amqp://me:hidden@broker.example:5673/mine"
        assert found.describe() == "the given RabbitMQ on broker.example:5673"


def test_an_installed_one_comes_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_server", lambda: Path("/installed"))
    assert isinstance(find_broker(), PrivateNode)


def test_then_apt_where_the_rights_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "apt_prefix", list)
    monkeypatch.setattr(broker, "install_rabbitmq", lambda: Path("/just/installed"))
    assert isinstance(find_broker(), PrivateNode)


def test_where_apt_fails_an_engine_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> Path:
        raise BrokerError("apt-get failed (100)")

    monkeypatch.setattr(broker, "apt_prefix", list)
    monkeypatch.setattr(broker, "install_rabbitmq", fail)
    put_engine(tmp_path)
    assert isinstance(find_broker(), ContainerBroker)
    assert "apt-get failed (100)" in capsys.readouterr().err


@pytest.mark.parametrize("client_only", [True, False])
def test_with_nothing_it_says_what_to_do(tmp_path: Path, client_only: bool) -> None:
    if client_only:
        put_engine(tmp_path, info=1)
    with pytest.raises(BrokerError, match=r"set CALLMQ_AMQP_URL.*apt-get install rabbitmq-server.*Docker or Podman"):
        find_broker()


@pytest.mark.parametrize(("root", "expected"), [(True, []), (False, None)])
def test_apt_takes_root_or_sudo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, root: bool, expected: object) -> None:
    assert install.apt_prefix() is None
    (tmp_path / "apt-get").touch(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert install.apt_prefix() == expected
    sudo = tmp_path / "sudo"
    sudo.write_text("#!/bin/sh\nexit 0\n")
    sudo.chmod(0o755)
    assert install.apt_prefix() == ([] if root else [str(sudo), "-n"])


def test_a_container_is_on_loopback_its_password_in_no_command_line_and_is_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    notes = put_engine(tmp_path)
    monkeypatch.setattr(container, "answers_amqp", lambda port: True)
    monkeypatch.setattr("callmq_demo.administration.Administration.answers", lambda self: True)
    with ContainerBroker(str(tmp_path / "docker")) as started:
        password = started.amqp_url.split(":")[2].split("@")[0]
    run, remove = notes.read_text().splitlines()
    command, given = run.split(" [")
    assert given == f"{password}]"
    assert password not in command
    assert command.count("-p 127.0.0.1:") == command.count("-p ") == 2
    name = command.split("--name ")[1].split()[0]
    assert remove.split(" [")[0] == f"rm --force --volumes {name}"


def test_a_container_that_cannot_start_says_why_and_is_removed(tmp_path: Path) -> None:
    notes = put_engine(tmp_path, run="echo no such image >&2; exit 125")
    with pytest.raises(BrokerError, match="no such image"), ContainerBroker(str(tmp_path / "docker")):
        pass
    assert notes.read_text().splitlines()[-1].startswith("rm --force")
