"""The command ``callmq``, run as an operator would: a process of its own, with no settings but the given ones."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.out.splitlines()]


async def run_verb(settings: dict[str, str], *words: str) -> Ran:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("CALLMQ_", "SIGNALWIRE_", "OTEL_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-m", "callmq", *words),
        env={**kept, **settings},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    ran = Ran(process.returncode if process.returncode is not None else -1, out.decode(), err.decode())
    assert "Traceback" not in ran.err, ran.err
    return ran
