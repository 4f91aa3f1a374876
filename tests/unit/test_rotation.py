"""Credentials that change while a worker runs: what is renewed, what is told, what is remembered and forgotten."""

from __future__ import annotations

import asyncio
import logging

import pytest

from callmq_worker.adapters.secret_files import SecretUnfitError
from callmq_worker.addresses import AccountSettings
from callmq_worker.rotation import REMEMBERED, Rotation

NORTH = AccountSettings("north", "https://north.example/", "p", "token-0", None, "/nobody/has/this")
SOUTH = AccountSettings("south", "https://south.example/", "p", "token-s")


class Heard:
    def __init__(self) -> None:
        self.renewed: list[AccountSettings] = []
        self.forgotten: list[str] = []
        self.changed = asyncio.Event()

    def renew(self, account: AccountSettings) -> None:
        self.renewed.append(account)
        self.changed.set()

    def forget(self, account: AccountSettings) -> None:
        self.forgotten.append(account.api_token)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def rotation(heard):
    return Rotation([NORTH, SOUTH], heard.renew, heard.forget)


def test_what_changed_is_renewed_and_nothing_else(heard, rotation):
    rotation.hear("north", {"api_token": "token-0"})
    assert heard.renewed == []
    rotation.hear("north", {"api_token": "token-1"})
    rotation.hear("north", {"project_id": "p2", "api_token": "token-1"})
    assert [(a.name, a.url, a.project_id, a.api_token) for a in heard.renewed] == [
        ("north", NORTH.url, "p", "token-1"),
        ("north", NORTH.url, "p2", "token-1"),
    ]


def test_a_file_that_can_not_be_used_is_told_without_its_content_and_changes_nothing(heard, rotation, caplog):
    caplog.set_level(logging.INFO)
    rotation.hear("north", SecretUnfitError("api_token", "is empty"))
    rotation.hear("north", {"api_token": "token-1"})
    assert [(r.levelname, r.fields) for r in caplog.records] == [
        ("WARNING", {"account": "north", "file": "api_token_file", "reason": "is empty"}),
        ("INFO", {"account": "north"}),
    ]
    assert len(heard.renewed) == 1


def test_former_credentials_are_remembered_for_a_while_and_then_forgotten(heard, rotation):
    for number in range(1, REMEMBERED + 3):
        rotation.hear("north", {"api_token": f"token-{number}"})
    assert heard.forgotten == ["token-0", "token-1"]


def test_what_is_in_use_is_not_forgotten(heard, rotation):
    for number in range(1, REMEMBERED + 2):
        rotation.hear("north", {"api_token": "token-0" if number % 2 == 0 else f"token-{number}"})
    assert heard.forgotten == []
    rotation.hear("north", {"api_token": "token-s"})  # another account's, and then not
    for number in range(10, 11 + REMEMBERED):
        rotation.hear("north", {"api_token": f"token-{number}"})
    assert "token-s" not in heard.forgotten
    assert "token-0" in heard.forgotten


async def test_files_are_looked_at_until_the_end(heard, tmp_path):
    token = tmp_path / "token"
    token.write_text("token-0")
    account = AccountSettings("north", NORTH.url, "p", "token-0", None, str(token))
    rotation = Rotation([account, SOUTH], heard.renew, heard.forget, every=0.01)
    rotation.begin()
    try:
        for number in (1, 2):
            heard.changed.clear()
            token.write_text(f"token-{number}")
            async with asyncio.timeout(20):
                await heard.changed.wait()
    finally:
        rotation.end()
    assert [a.api_token for a in heard.renewed] == ["token-1", "token-2"]


def test_without_a_file_nobody_looks():
    Rotation([SOUTH], lambda _: None, lambda _: None).begin()  # outside of a loop: it would raise
