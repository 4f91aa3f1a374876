"""``callmq work --processes N``: the parent's part. It answers the probes for all, and holds no connection itself."""

import argparse
import asyncio
import os
import signal

from callmq_worker.adapters.health import HealthServer
from callmq_worker.adapters.processes import Processes, command, environment
from callmq_worker.settings import Settings

MOST = 256


def number_of_processes(text: str) -> int:
    """Parse a whole number from 1 to 256. Raises `argparse.ArgumentTypeError`."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= MOST):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST}")
    return int(text)


async def run_several(count: int, settings: Settings, address: tuple[str, int] | None) -> int:
    """Run ``count`` workers until SIGTERM or SIGINT, which is passed on; return the verb's exit code."""
    processes = Processes(count, command(), environment(os.environ), settings.grace)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, processes.stop)
    health = None
    if address is not None:
        health = HealthServer(*address, processes.readiness, processes.metrics)
        await health.start()
    try:
        return await processes.run()
    finally:
        if health is not None:
            await health.stop()
