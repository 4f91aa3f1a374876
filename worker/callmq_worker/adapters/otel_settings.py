"""The standard ``OTEL_*`` settings of traces: what is wanted, and what of it can't be followed."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

HTTP: Final = "http/protobuf"
GRPC: Final = "grpc"
GRPC_PACKAGE: Final = "opentelemetry.exporter.otlp.proto.grpc"
_EXPORTERS: Final = ("otlp", "console")
_RATIO: Final = "traceidratio"
_SAMPLERS: Final = tuple(
    f"{parent}{name}" for parent in ("", "parentbased_") for name in ("always_on", "always_off", _RATIO)
)
_WHOLE: Final = ("SCHEDULE_DELAY", "EXPORT_TIMEOUT", "MAX_QUEUE_SIZE", "MAX_EXPORT_BATCH_SIZE")
_COMPRESSIONS: Final = ("none", "gzip", "deflate")
_QUEUE: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
_BATCH: Final = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"


class TracingSettingsError(ValueError):
    """``OTEL_*`` settings that can't be followed; ``problems`` has one sentence for each, by name, without values."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Take one sentence for each setting."""
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


def exporters(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the exporters to use, each once: those named, else ``otlp`` where an endpoint is set, else none."""
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    named = _said(env, "OTEL_TRACES_EXPORTER")[1].lower()
    if not named:
        return ("otlp",) if _otlp(env, "ENDPOINT")[1] else ()
    names = dict.fromkeys(name.strip() for name in named.split(","))
    return tuple(name for name in names if name not in ("", "none"))


def protocol(env: Mapping[str, str]) -> str:
    """Return the OTLP protocol for traces, ``http/protobuf`` where none is set."""
    return _otlp(env, "PROTOCOL")[1].lower() or HTTP


def problems(env: Mapping[str, str], names: Sequence[str]) -> list[str]:
    """Return a sentence for each setting that can't be followed: its name and what it may be, never its value."""
    found = []
    if any(name not in _EXPORTERS for name in names):
        found.append("OTEL_TRACES_EXPORTER: must be otlp, console or none.")
    if "otlp" in names:
        found += _otlp_problems(env)
    return [*found, *_sampler_problems(env), *_batch_problems(env)]


def _said(env: Mapping[str, str], *names: str) -> tuple[str, str]:
    """Return the first of the variables that is set, and its value; an empty one counts as not set."""
    return next(((n, env[n].strip()) for n in names if env.get(n, "").strip()), (names[-1], ""))


def _otlp(env: Mapping[str, str], what: str) -> tuple[str, str]:
    return _said(env, f"OTEL_EXPORTER_OTLP_TRACES_{what}", f"OTEL_EXPORTER_OTLP_{what}")


def _otlp_problems(env: Mapping[str, str]) -> list[str]:
    found = []
    chosen = protocol(env)
    if chosen not in (HTTP, GRPC):
        found.append(f"{_otlp(env, 'PROTOCOL')[0]}: must be {HTTP} or {GRPC}.")
    elif chosen == GRPC and not _installed(GRPC_PACKAGE):
        package = "opentelemetry-exporter-otlp-proto-grpc"
        found.append(f"{_otlp(env, 'PROTOCOL')[0]}: {GRPC} needs the package {package}; install it, or use {HTTP}.")
    name, endpoint = _otlp(env, "ENDPOINT")
    if endpoint and not _is_endpoint(endpoint, chosen):
        found.append(f"{name}: must be a URL such as http://collector:4318.")
    name, compression = _otlp(env, "COMPRESSION")
    if compression and compression.lower() not in _COMPRESSIONS:
        found.append(f"{name}: must be none, gzip or deflate.")
    name, timeout = _otlp(env, "TIMEOUT")
    if timeout and not _number(timeout, 0.001, 3600):
        found.append(f"{name}: must be a number of seconds.")
    return found


def _sampler_problems(env: Mapping[str, str]) -> list[str]:
    sampler = env.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if sampler and sampler not in _SAMPLERS:
        return [f"OTEL_TRACES_SAMPLER: must be one of {', '.join(_SAMPLERS)}."]
    argument = env.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if sampler.endswith(_RATIO) and argument and not _number(argument, 0, 1):
        return ["OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1."]
    return []


def _batch_problems(env: Mapping[str, str]) -> list[str]:
    found = []
    for name in (f"OTEL_BSP_{word}" for word in _WHOLE):
        value = env.get(name, "").strip()
        if value and not (value.isascii() and value.isdigit() and 0 < int(value) <= 10**9):
            found.append(f"{name}: must be a whole number above 0.")
    if not found and int(env.get(_BATCH, "").strip() or 512) > int(env.get(_QUEUE, "").strip() or 2048):
        found.append(f"{_BATCH}: must not be above {_QUEUE}.")
    return found


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


def _is_endpoint(text: str, chosen: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    return (parts.scheme in ("http", "https") and bool(parts.hostname)) or (chosen == GRPC and "://" not in text)


def _number(text: str, low: float, high: float) -> bool:
    try:
        return low <= float(text) <= high
    except ValueError:
        return False
