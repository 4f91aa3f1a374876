"""Logs: one line an event on standard error, as JSON or as plain text, with nothing in it that may not be seen."""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Literal, TextIO

from opentelemetry import trace

from callmq_worker.core.redact import mask_text, redact

Form = Literal["json", "text"]
FORM_VARIABLE: Final = "CALLMQ_LOG_FORMAT"
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_FRAMES: Final = 40
MAX_CHAIN: Final = 5
SHORT: Final = 128
QUIET_LOGGERS: Final = ("aio_pika", "aiormq", "httpx", "httpcore", "urllib3", "requests", "hpack", "asyncio")
_RESERVED: Final = frozenset({"time", "level", "logger", "message", "trace_id", "span_id", "exception"})
_CONTROLS: Final = {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0))} | {10: "\\n", 13: "\\r", 9: "\\t"}
_CONTROLS[0x2028] = _CONTROLS[0x2029] = "\\n"

_secrets: tuple[str, ...] = ()
_registering: Final = threading.Lock()


def register_secret(value: str | None) -> None:
    """Take a credential out of everything that is logged from now on. Under 4 characters it can't be, and is not."""
    global _secrets  # noqa: PLW0603 - logging is one per process, and so is what it must not say
    if value:
        with _registering:
            _secrets = tuple(dict.fromkeys((*_secrets, value)))


def forget_secret(value: str) -> None:
    """Let a credential that is long out of use be logged again: what was registered is looked for in every line."""
    global _secrets  # noqa: PLW0603 - as above
    with _registering:
        _secrets = tuple(secret for secret in _secrets if secret != value)


def clean(text: str) -> str:
    """Return a text without registered secrets, credentials, URLs' user info and phone numbers."""
    return _remembered(text, _secrets) if len(text) <= SHORT else mask_text(text, _secrets)


# Spans and logs say the same few words all the time.
_remembered: Final = lru_cache(maxsize=1024)(mask_text)


def setup_logs(level: str = "INFO", form: Form | None = None, stream: TextIO | None = None) -> Callable[[], None]:
    """Send all logs, warnings and uncaught exceptions to ``stream`` (standard error), and return what undoes it.

    ``form`` None: what ``CALLMQ_LOG_FORMAT`` says; where that is unset or ``auto``, text on a terminal and JSON
    elsewhere. Raises `ValueError` for a level or form that there isn't.
    """
    chosen_level = level.strip().upper()
    if chosen_level not in LEVELS:
        raise ValueError(f"the log level must be one of {', '.join(LEVELS)}")
    target = stream or sys.stderr
    chosen_form = form or _form_from_environment() or ("text" if _is_terminal(target) else "json")
    if chosen_form not in ("json", "text"):
        raise ValueError("the log format must be json or text")
    handler = LineHandler(target)
    handler.setFormatter(JsonLine() if chosen_form == "json" else TextLine())
    return _install(handler, chosen_level)


def _form_from_environment() -> Form | None:
    said = os.environ.get(FORM_VARIABLE, "").strip().lower()
    if said not in ("", "auto", "json", "text"):
        raise ValueError(f"{FORM_VARIABLE} must be json, text or auto")
    return "json" if said == "json" else "text" if said == "text" else None


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _install(handler: "LineHandler", level: str) -> Callable[[], None]:
    root = logging.getLogger()
    # A plain stream handler (basicConfig's) would print everything a second time, and unmasked.
    replaced = [h for h in root.handlers if isinstance(h, LineHandler) or type(h) is logging.StreamHandler]
    quiet = [(logging.getLogger(name), logging.getLogger(name).level) for name in QUIET_LOGGERS]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root_level = root.level
    for old in replaced:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for logger, _ in quiet:
        logger.setLevel(max(logging.WARNING, root.level))
    sys.excepthook, threading.excepthook, sys.unraisablehook = _on_uncaught, _on_thread, _on_unraisable
    logging.captureWarnings(capture=True)

    def undo() -> None:
        logging.captureWarnings(capture=False)
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        for logger, former in quiet:
            logger.setLevel(former)
        root.setLevel(root_level)
        root.removeHandler(handler)
        for old in replaced:
            root.addHandler(old)

    return undo


def _on_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("callmq").critical("uncaught exception", exc_info=(kind, error, traceback))


def _on_thread(hooked: threading.ExceptHookArgs) -> None:
    if hooked.exc_value is not None and hooked.exc_type is not SystemExit:
        error = (hooked.exc_type, hooked.exc_value, hooked.exc_traceback)
        logging.getLogger("callmq").error("uncaught exception in a thread", exc_info=error)


def _on_unraisable(hooked: "sys.UnraisableHookArgs") -> None:
    if hooked.exc_value is not None:
        error = (hooked.exc_type, hooked.exc_value, hooked.exc_traceback)
        logging.getLogger("callmq").error("exception that nobody could raise", exc_info=error)


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes one line an event. Where that fails nothing is raised, and nothing unmasked is printed."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name for it
        """Do nothing: the standard library's own prints message and arguments as they are."""


def describe(record: logging.LogRecord) -> dict[str, Any]:
    """Return a record as plain data, redacted: what a JSON line holds. Never raises."""
    event: dict[str, Any] = {
        "time": _moment(record),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
    }
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    fields = redact(getattr(record, "fields", None), _secrets)
    if isinstance(fields, dict):
        event.update({f"{k}_" if k in _RESERVED else k: v for k, v in fields.items()})
    elif fields is not None:
        event["fields"] = fields
    if record.exc_info and record.exc_info[1] is not None:
        event["exception"] = describe_error(record.exc_info[1])
    return event


def describe_error(error: BaseException, chain: int = MAX_CHAIN) -> dict[str, Any]:
    """Return type, masked text and stack (module, function, line) of an exception, and of what it came from.

    No source lines and no locals. Up to 5 causes and members of groups deep, 40 frames each.
    """
    kind = type(error)
    described: dict[str, Any] = {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "message": _error_text(error),
        "stack": _stack(error.__traceback__),
    }
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and chain > 0:
        described["cause"] = describe_error(cause, chain - 1)
    if isinstance(error, BaseExceptionGroup) and chain > 0:
        described["members"] = [describe_error(member, chain - 1) for member in error.exceptions[:MAX_CHAIN]]
    return described


def _error_text(error: BaseException) -> str:
    try:
        return str(redact(str(error), _secrets))
    except Exception:  # noqa: BLE001 - a foreign __str__ may raise anything
        return "[unreadable]"


def _stack(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        module = str(traceback.tb_frame.f_globals.get("__name__", "?"))
        frames.append(f"{module}.{code.co_qualname}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    half = MAX_FRAMES // 2
    return (
        frames if len(frames) <= MAX_FRAMES else [*frames[:half], f"[{len(frames) - 2 * half} more]", *frames[-half:]]
    )


def _message(record: logging.LogRecord) -> str:
    try:
        return str(redact(record.getMessage(), _secrets))
    except Exception:  # noqa: BLE001 - arguments that don't fit, or a foreign __str__
        return f"{redact(record.msg, _secrets)} [arguments unreadable]"


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLine(logging.Formatter):
    """One JSON object a line, in ASCII."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line. Never raises."""
        return json.dumps(describe(record), default=_type_name, separators=(",", ":"))


class TextLine(logging.Formatter):
    """Time, level, logger, message and ``key=value`` pairs on a line; a stack below it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines, control characters escaped. Never raises."""
        event = describe(record)
        error = event.pop("exception", None)
        clock = event.pop("time")[11:23]
        head = f"{clock} {event.pop('level'):<8} {event.pop('logger')}: {_plain(event.pop('message'))}"
        pairs = [f"{_plain(key)}={_plain(_short(value))}" for key, value in event.items()]
        return "\n".join(["  ".join([head, *pairs]), *_error_lines(error, "  ")])


def _error_lines(error: dict[str, Any] | None, indent: str) -> list[str]:
    if error is None:
        return []
    lines = [f"{indent}{error['type']}: {_plain(error['message'])}"]
    lines += [f"{indent}  at {frame}" for frame in error["stack"]]
    if "cause" in error:
        lines += [f"{indent}from", *_error_lines(error["cause"], indent)]
    for member in error.get("members", ()):
        lines += _error_lines(member, f"{indent}  ")
    return lines


def _short(value: Any) -> str:
    return (
        value
        if isinstance(value, str) and " " not in value
        else json.dumps(value, default=_type_name, ensure_ascii=False)
    )


def _plain(text: str) -> str:
    return text.translate(_CONTROLS)


def _type_name(value: object) -> str:
    return f"[{type(value).__name__}]"
