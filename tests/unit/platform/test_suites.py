"""What stands in the way of another suite's RabbitMQ is said, and nothing half-made is left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from callmq_demo import suites
from callmq_demo.broker import BrokerError


@pytest.fixture
def apt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Have apt know only these sources, and every mount namespace be allowed."""
    if shutil.which("apt-get") is None or not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        pytest.skip("this is no Debian")
    put_unshare(tmp_path, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def knows(*sources: str) -> None:
        (tmp_path / "sources.list").write_text("".join(f"{source}\n" for source in sources))
        (tmp_path / "apt.conf").write_text(
            f'Dir::Etc::SourceList "{tmp_path / "sources.list"}"; Dir::Etc::SourceParts "/dev/null";\n'
        )
        monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))

    return knows


def put_unshare(folder: Path, does: str) -> None:
    (folder / "unshare").write_text(f"#!/bin/sh\n{does}\n")
    (folder / "unshare").chmod(0o755)


def refusal(cache: Path) -> str:
    with pytest.raises(BrokerError) as refused:
        suites.other_suite("forky", cache)
    assert not cache.exists() or list(cache.iterdir()) == []
    return str(refused.value)


def test_without_a_mirror_it_says_so(apt, tmp_path: Path) -> None:
    apt()
    assert "apt is configured for no mirror" in refusal(tmp_path / "cache")


def test_a_mirror_without_the_suite_is_told_in_apts_own_words(apt, tmp_path: Path) -> None:
    apt(f"deb file:{tmp_path}/mirror bookworm main")
    said = refusal(tmp_path / "cache")
    assert "Debian's forky can't be had" in said
    assert "InRelease" in said or "Release file" in said


def test_each_mirror_is_asked_once(apt, tmp_path: Path) -> None:
    apt("deb file:/one bookworm main", "deb file:/one bookworm-updates main", "deb file:/two/debian sid main contrib")
    (tmp_path / "state" / "lists" / "partial").mkdir(parents=True)
    assert suites._mirrors(tmp_path) == ["file:/one", "file:/two/debian"]


def test_without_a_mount_namespace_it_says_so(apt, tmp_path: Path) -> None:
    put_unshare(tmp_path, "echo unshare: Operation not permitted; exit 1")
    assert "takes a mount namespace, as root or not: unshare: Operation not permitted" in refusal(tmp_path / "cache")


def test_without_its_programs_it_names_them(apt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suites, "_TOOLS", ("apt-get", "no-such-program"))
    assert "takes Debian with no-such-program." in refusal(tmp_path / "cache")


def test_the_command_says_why_on_standard_error(apt, monkeypatch, tmp_path: Path, capsys) -> None:
    apt()
    monkeypatch.setattr(suites.other_suite, "__defaults__", (tmp_path / "cache",))
    assert suites.main(["forky"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert "no mirror" in told.err
