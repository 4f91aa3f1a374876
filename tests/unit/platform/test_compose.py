"""deploy/compose.yaml: pinned images, health, order, loopback only, no secret in the text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("callmq:")}


@pytest.mark.parametrize("name", SERVICES)
def test_each_image_is_pinned_and_each_service_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].partition(":")
    assert image
    assert name in OURS or re.match(r"\d+\.\d+", tag), f"{service['image']} is not pinned"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


def test_what_is_named_is_declared() -> None:
    for service in SERVICES.values():
        for secret in service.get("secrets", ()):
            assert (secret if isinstance(secret, str) else secret["source"]) in COMPOSE["secrets"]
        for volume in service.get("volumes", ()):
            assert volume.split(":")[0] in COMPOSE["volumes"]
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            assert how == {"condition": "service_healthy"}


def test_no_secret_is_in_the_environment() -> None:
    for service in SERVICES.values():
        for setting, value in service.get("environment", {}).items():
            if re.search("PASS|TOKEN|SECRET|AMQP_URL|LEDGER_URL", setting):
                assert setting.endswith("_FILE")
                assert Path(value).parent == Path("/run/secrets")
                assert Path(value).name in service["secrets"]


def test_our_containers_have_no_rights_and_time_to_end() -> None:
    assert set(OURS) == {"worker", "sandbox"}
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert int(OURS["worker"]["stop_grace_period"].rstrip("s")) > 35


def test_postgres_is_there_only_when_asked_for() -> None:
    assert [name for name, each in SERVICES.items() if "profiles" in each] == ["postgres"]


def test_the_ledger_can_be_in_postgres() -> None:
    more = yaml.safe_load((DEPLOY / "compose.postgres.yaml").read_text())
    assert set(more) == {"services"}
    worker = more["services"]["worker"]
    assert worker["environment"] == {"CALLMQ_LEDGER_URL_FILE": "/run/secrets/ledger_url"}
    assert set(worker["secrets"]) == {*SERVICES["worker"]["secrets"], "ledger_url"} <= set(COMPOSE["secrets"])
    assert set(worker["depends_on"]) <= set(SERVICES)


def test_secrets_are_made_once_and_agree(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    folder = tmp_path / "secrets"
    folder.mkdir()

    def make() -> dict[str, str]:
        subprocess.run(
            ["sh", tmp_path / "secrets.sh"], check=True, capture_output=True, env={"PATH": os.environ["PATH"]}
        )
        return {path.name: path.read_text() for path in folder.iterdir()}

    made = make()
    assert {Path(each["file"]).name for each in COMPOSE["secrets"].values()} == set(made)
    password = re.search(r"default_pass = ([0-9a-f]{48})\n", made["rabbitmq_user.conf"])
    assert password
    assert made["amqp_url"] == f"amqp://callmq:{password[1]}@rabbitmq:5672/\n"
    assert made["ledger_url"] == f"postgresql://callmq:{made['postgres_password'].strip()}@postgres/callmq\n"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert make() == made
