"""``callmq work``: run a worker."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from importlib.metadata import version
from typing import Any, Final

import orjson

from callmq_worker.adapters.health import HealthAddressError, HealthServer, Metric, Sample, parse_address
from callmq_worker.adapters.logs import register_secret, setup_logs
from callmq_worker.adapters.otel import setup_tracing
from callmq_worker.adapters.otel_settings import exporters, problems
from callmq_worker.adapters.reports import Reporter
from callmq_worker.cli.several import number_of_processes, run_several
from callmq_worker.ports import LedgerUnusableError
from callmq_worker.settings import Settings, SettingsError, load
from callmq_worker.wiring import Worker, build, hide

HELP = "run a worker: consume commands, send each to the endpoint, publish one reply each"
DESCRIPTION = """\
Runs a worker until SIGTERM or SIGINT; a second signal stops it at once.

Settings come from the environment (docs/operations.md lists them). The least that it needs:
  CALLMQ_AMQP_URL         amqp://user:password@host:5672/vhost
  SIGNALWIRE_SPACE        the Space's name      (or CALLMQ_ENDPOINT_URL)
  SIGNALWIRE_PROJECT_ID   the project
  SIGNALWIRE_API_TOKEN    its token             (or SIGNALWIRE_API_TOKEN_FILE)

Exit codes: 0 stopped and everything settled, 1 stopped with work unsettled (the broker delivers it again),
2 settings are wrong (each is named)."""
LOG = logging.getLogger("callmq.work")
GC_THRESHOLD: Final = 10_000  # objects; Python's 700 costs a twentieth of a command


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description = DESCRIPTION
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="read the settings, say what is wrong, start nothing")
    parser.add_argument("--json", action="store_true", help="print a single JSON line for --check")
    parser.add_argument(
        "--processes",
        type=number_of_processes,
        default=1,
        metavar="N",
        help="run N workers under one parent, which starts again what ends by itself (default: 1, without a parent)",
    )
    parser.add_argument("--report-to", type=int, default=None, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    settings, address, errors = read_all(os.environ)
    if settings is None or errors:
        print("callmq work: settings are wrong, nothing was started:", file=sys.stderr)
        for line in errors:
            print(f"  {line}", file=sys.stderr)
        if args.check and args.json:
            print(orjson.dumps({"ok": False, "errors": errors}).decode())
        return 2
    if args.check:
        print('{"ok": true}' if args.json else "settings are complete")
        return 0
    _prepare_logs(settings)
    try:
        if args.processes > 1:
            return asyncio.run(run_several(args.processes, settings, address))
        return _run_one(settings, address, args.report_to)
    except (LedgerUnusableError, HealthAddressError) as error:
        print(f"callmq work: {error}", file=sys.stderr)
        return 2


def _run_one(settings: Settings, address: tuple[str, int] | None, report_to: int | None) -> int:
    end_tracing = setup_tracing("callmq-worker", version("callmq"))
    try:
        return _loop_run(_work(settings, address, report_to))
    finally:
        end_tracing()


def read_all(environment: Mapping[str, str]) -> tuple[Settings | None, tuple[str, int] | None, list[str]]:
    """Return the settings, the health address, and every error of any of them and of the OTEL_* settings."""
    settings, address, errors = None, None, []
    try:
        settings = load(environment)
    except SettingsError as error:
        errors += error.errors
    said = settings.health_addr if settings else environment.get("CALLMQ_HEALTH_ADDR") or "off"
    try:
        address = parse_address(said)
    except ValueError as error:
        errors.append(f"CALLMQ_HEALTH_ADDR: {error}.")
    return settings, address, errors + problems(environment, exporters(environment))


def _prepare_logs(settings: Settings) -> None:
    setup_logs(settings.log_level, None if settings.log_format == "auto" else settings.log_format)
    for account in settings.accounts:
        hide(account)
    for url in (*settings.amqp_urls, settings.ledger_url):
        credentials = url.split("://", 1)[-1].rpartition("@")[0]
        if ":" in credentials:
            register_secret(credentials.split(":", 1)[1])


def _loop_run(main: Coroutine[Any, Any, int]) -> int:
    try:
        import uvloop  # noqa: PLC0415 - optional: a third less CPU where it installs
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def measured(worker: Worker) -> tuple[Metric, ...]:
    """Return what ``/metrics`` shows of a worker."""
    outcomes = [Sample(n, {"command": c, "outcome": o}) for (c, o), n in sorted(worker.outcomes.items())]
    paused = [Sample(1, {"account": name}) for name in sorted(worker.gates.paused)]
    return (
        Metric(
            "callmq_outcomes_total", "counter", "Settled deliveries by command and outcome, repeats included.", outcomes
        ),
        Metric("callmq_in_flight", "gauge", "Deliveries taken and not yet settled.", [Sample(worker.runner.in_flight)]),
        Metric(
            "callmq_ready", "gauge", "1 while this worker does its work.", [Sample(float(worker.runner.readiness()[0]))]
        ),
        Metric("callmq_account_paused", "gauge", "1 for each account that the endpoint refuses.", paused),
    )


def _settle_memory() -> None:
    """Let the collector look no more at what stays for good, and less often at what is made for each command."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


class _Life:
    """One worker from its start to its stop, as signals and probes see it."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self._stopping = False
        self._task = asyncio.current_task()

    def drain(self) -> None:
        """Let it settle what it has, however often this is called; end it where it has not begun."""
        if self.worker is None:
            self._end()
        elif not self._stopping:
            self._stopping = True
            self.worker.runner.stop()

    def stop(self) -> None:
        """Let it settle what it has; called again, end it at once."""
        if self._stopping:
            self._end()
        else:
            self.drain()

    def _end(self) -> None:
        LOG.warning("stopping at once")
        if self._task is not None:
            self._task.cancel()

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Return whether it does its work, and what is in the way."""
        return self.worker.runner.readiness() if self.worker else (False, {"ledger": "opening"})

    def metrics(self) -> tuple[Metric, ...]:
        """Return what it has to show."""
        return measured(self.worker) if self.worker else ()


async def _work(settings: Settings, address: tuple[str, int] | None, report_to: int | None) -> int:
    life = _Life()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, life.stop)
    # From a parent, and from who signals its whole group as well: twice does not mean at once.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, life.stop if report_to is None else life.drain)
    health: HealthServer | Reporter | None = None
    if report_to is not None:
        health = Reporter(report_to, life.readiness, life.metrics, life.drain)
    elif address is not None:
        health = HealthServer(*address, life.readiness, life.metrics)
    if health is not None:
        await health.start()
    try:
        life.worker = await build(settings, traced=True)
        _settle_memory()
        LOG.info("worker started", extra={"fields": {"prefix": settings.prefix, "version": version("callmq")}})
        landed = await life.worker.run()
    except asyncio.CancelledError:
        if life.worker is None:
            return 0  # nothing was begun
        await life.worker.runner.abandon()
        return 1
    finally:
        if health is not None:
            await health.stop()
    LOG.info("worker stopped", extra={"fields": {"landed": landed}})
    return 0 if landed else 1
