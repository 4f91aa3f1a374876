"""Whole programs: flushed at their end, and silent or told once where there is no collector."""

import json
import os
import socket
import subprocess
import sys


def run(program, **settings):
    """Run a program of its own, because tracing is set up once a process; return what it wrote."""
    environment = {f"OTEL_{name}": value for name, value in settings.items()}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-X", "dev", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)


PROGRAM = """
import logging
from callmq_worker.adapters.logs import setup_logs
from callmq_worker.adapters.otel import setup_tracing
from callmq_worker.adapters.otel_observer import OtelObserver
setup_logs("INFO", "json")
observer = OtelObserver()
end = setup_tracing("callmq", "1")
for number in range(40):
    with observer.span("internal", lambda: ("step", {"to": "+15551234567"})):
        pass
end()
end()
print("worked")
"""


def test_a_program_flushes_at_its_end(receiver):
    ran = run(PROGRAM, EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert (ran.stdout, ran.stderr) == ("worked\n", "")
    assert sum(len(s.spans) for r in receiver.requests for rs in r.resource_spans for s in rs.scope_spans) == 40


def test_without_settings_a_program_is_silent():
    ran = run(PROGRAM)
    assert (ran.stdout, ran.stderr) == ("worked\n", "")


def test_an_absent_receiver_is_one_warning():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        few = {"BSP_MAX_EXPORT_BATCH_SIZE": "2", "BSP_MAX_QUEUE_SIZE": "4", "EXPORTER_OTLP_TIMEOUT": "0.5"}
        ran = run(PROGRAM, EXPORTER_OTLP_ENDPOINT=url, **few)
    assert ran.stdout == "worked\n"
    (warning,) = [json.loads(line) for line in ran.stderr.splitlines()]
    assert (warning["level"], warning["logger"], warning["message"]) == (
        "WARNING",
        "callmq.otel",
        "trouble with tracing",
    )
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in warning["hint"]


def test_a_refusing_receiver_is_one_warning_without_the_credential(receiver):
    receiver.status = 401
    ran = run(
        PROGRAM,
        EXPORTER_OTLP_ENDPOINT=receiver.url,
        EXPORTER_OTLP_HEADERS="authorization=Bearer%20PTcanary",
        BSP_MAX_EXPORT_BATCH_SIZE="2",
    )
    (warning,) = [json.loads(line) for line in ran.stderr.splitlines()]
    assert "401" in warning["reason"]
    assert receiver.headers[0]["authorization"] == "Bearer PTcanary"
    assert "canary" not in ran.stderr


def test_the_console_is_standard_error():
    ran = run(PROGRAM, TRACES_EXPORTER="console")
    assert ran.stdout == "worked\n"
    assert '"to": "***67"' in ran.stderr


def test_a_provider_that_is_there_already_is_used(receiver):
    program = (
        "from opentelemetry import trace\n"
        "from callmq_worker.adapters.otel import build_provider\n"
        "provider, _ = build_provider('agent', '1')\n"
        "trace.set_tracer_provider(provider)\n" + PROGRAM
    )
    ran = run(program, EXPORTER_OTLP_ENDPOINT=receiver.url, BSP_SCHEDULE_DELAY="600000")
    assert (ran.stdout, ran.stderr) == ("worked\n", "")
    assert receiver.resource["service.name"] == "agent"
