"""Results of a small run, as the benchmark keeps them."""

from __future__ import annotations

from typing import Any


def figures(cpu_us: float, **more: Any) -> dict[str, Any]:
    """Return one round's figures."""
    usual = {
        "cpu_us": cpu_us,
        "per_second": 1e6 / cpu_us,
        "first_reply": 0.5,
        "ready": None,
        "peak_mib": 60.0,
        "requests_lost": 0,
        "requests_doubled": 0,
        "replies_lost": 0,
        "replies_doubled": 0,
        "not_succeeded": 0,
        "left": 0,
        "spans": 0,
    }
    return {**usual, **more}


def results() -> dict[str, Any]:
    """Return a run of three rounds, the second of them on a machine that was twice as slow."""
    tight = {"0": figures(400.0), "1": figures(800.0), "2": figures(410.0)}
    own = {
        "0": figures(520.0, ready=0.6, spans=1000),
        "1": figures(1040.0, ready=0.9, spans=1000),
        "2": figures(410.0, ready=0.7, spans=1000),
    }
    other = {"0": figures(2000.0, requests_doubled=2, replies_lost=1, not_succeeded=3, left=4)}
    return {
        "date": "2026-11-25",
        "machine": {
            "cpus": 2, "cpu": "a CPU", "linux": "6.1", "python": "3.11.7", "rabbitmq": "3.10.8", "nginx": "1.22.1",
            "load": 0.25,
        },
        "versions": {"aiormq": "7.2.4", "numpy": "1"},
        "settings": {"rounds": 3, "commands": 2000, "pace": 100.0, "seconds": 10.0},
        "titles": {"tight": "a tight loop", "callmq": "callmq: with all", "other": "<another> & more"},
        "yardstick": "tight",
        "rounds": {"0": {"tight": tight, "callmq": own, "other": other, "absent": {}}, "50": {"tight": tight}},
        "latency_load": 2.0,
        "latency": {
            "callmq": {"p50_ms": 4.25, "p99_ms": 15.5, "lost": 0, "rounds": [{"replies": 100}, {"replies": 100}]},
            "other": {"p50_ms": None, "p99_ms": None, "lost": 200, "rounds": [{"replies": 0}, {"replies": 0}]},
        },
        "growth": {
            "origin": {"rounds": 3, "commands": 1000, "load": 3.5},
            "backlog": {"1000": [700.0, 720.0, 900.0]},
            "ledger": {"0": [600.0], "10000000": [650.0]},
            "long_run": {"commands": 5000, "cpu_us": [700.2, 701.0]},
        },
    }  # fmt: skip
