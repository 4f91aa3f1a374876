"""``callmq sandbox`` as a program."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import argparse, sys
from callmq_worker.cli import sandbox
parser = argparse.ArgumentParser("callmq sandbox")
sandbox.arguments(parser)
sys.exit(sandbox.run(parser.parse_args()))
"""


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALWIRE_", "CALLMQ_"))}
    paths = os.pathsep.join(str(ROOT / name) for name in ("contracts", "producer", "worker"))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, "PYTHONPATH": paths, **environment},
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def status(url: str, project: str, token: str) -> int:
    async with httpx.AsyncClient(trust_env=False, auth=(project, token)) as client:
        body = {
            "command": "dial",
            "params": {"from": "+15550100000", "to": "+15550100001", "url": "https://example.com"},
        }
        return (await client.post(url, json=body)).status_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_where_it_is_and_serves_until_a_signal(number):
    process = await start("--port", "0", "--json")
    where = json.loads(await process.stdout.readline())
    assert where.keys() == {"url", "control"}
    assert await status(where["url"], "sandbox", "sandbox-token") == 200
    process.send_signal(number)
    assert await ended(process) == (0, "", "")


async def test_it_takes_credentials_from_file_and_environment(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    process = await start("--port", "0", "--json", "--token-file", str(file), SIGNALWIRE_PROJECT_ID="mine")
    url = json.loads(await process.stdout.readline())["url"]
    assert [await status(url, "mine", token) for token in ("from-a-file", "sandbox-token")] == [200, 401]
    process.terminate()
    assert (await ended(process))[0] == 0


async def test_without_json_it_says_one_line_for_people():
    process = await start("--port", "0", SIGNALWIRE_API_TOKEN="hush-hush")
    line = (await process.stdout.readline()).decode()
    assert "/api/calling/calls" in line
    assert "/_sandbox" in line
    assert "hush" not in line
    process.terminate()
    assert await ended(process) == (0, "", "")


async def test_a_taken_port_is_exit_3():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = await ended(await start("--port", str(taken.getsockname()[1])))
    assert (code, out) == (3, "")
    assert "in use" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--cps", "-1"),
        ("--ring", "x"),
        ("--port", "70000"),
        ("--port", "-1"),
        ("--token", "x"),
        ("--token-file", "/no/such"),
    ],
)
async def test_wrong_usage_is_exit_2(arguments):
    code, out, err = await ended(await start(*arguments))
    assert (code, out) == (2, "")
    assert "Traceback" not in err


async def test_the_help_shows_how_to_arm_a_fault():
    code, out, err = await ended(await start("--help"))
    assert (code, err) == (0, "")
    assert "curl" in out
    assert "reset_after_reading" in out
