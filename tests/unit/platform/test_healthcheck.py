"""The container's health check: one question, one exit code."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPT = Path(__file__).parents[3] / "deploy" / "image" / "healthcheck.py"


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(address: str, *paths: str) -> int:
    # A proxy must not be asked for what is on this machine.
    environment = {"CALLMQ_HEALTH_ADDR": address, "http_proxy": "http://127.0.0.1:9"}
    command = [sys.executable, str(SCRIPT), *paths]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_live_is_0_and_not_ready_is_1(port: int, host: str) -> None:
    assert ask(f"{host}:{port}") == 0
    assert ask(f"{host}:{port}", "/readyz") == 1


def test_nobody_there_is_1_and_switched_off_is_0(port: int) -> None:
    assert ask("127.0.0.1:1") == 1
    assert ask("[::1]:1") == 1
    assert ask("nonsense") == 1
    assert ask("off") == 0
