"""What the producing verbs read from the environment: all that is wrong is said at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from callmq.address import parse_addresses
from callmq.cli.exits import UsageError
from callmq.errors import InvalidUrlError
from callmq_contracts.extra import EXTRA_COMMANDS, NO_EXTRA, ExtraCommands, parse_extra_commands
from callmq_contracts.names import PREFIX_PATTERN

_URL: Final = "CALLMQ_AMQP_URL"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the broker is, the prefix of every name on it, and what is let through besides the catalogue."""

    url: str = field(repr=False)
    prefix: str = "callmq"
    extra_commands: str = ""


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read CALLMQ_AMQP_URL, CALLMQ_PREFIX and CALLMQ_EXTRA_COMMANDS as the worker does.

    Each is the variable, the file that ``<NAME>_FILE`` names, or ``amqp_url`` (``amqp_url_file``) and so on in the
    TOML file that CALLMQ_CONFIG names. Raises `UsageError` with every error.
    """
    r = _Reading(environment)
    before = len(r.wrong)
    url = r.text(_URL)
    if url:
        try:
            parse_addresses(url)
        except InvalidUrlError as error:
            r.wrong.append(f"{_URL}: {error}")
    elif len(r.wrong) == before:
        r.wrong.append(f"{_URL}: is not set. Set it to amqp://user:password@host:port/vhost, or set {_URL}_FILE.")
    prefix = r.text("CALLMQ_PREFIX") or "callmq"
    if not PREFIX_PATTERN.match(prefix):
        r.wrong.append("CALLMQ_PREFIX: must be 1 to 64 letters, digits, '_' or '-'.")
    extra, _ = _extra_commands(r)
    if r.wrong:
        raise UsageError(*r.wrong)
    return Settings(url, prefix, extra)


def read_extra_commands(environment: Mapping[str, str] = os.environ) -> ExtraCommands:
    """Read CALLMQ_EXTRA_COMMANDS in the same ways; raises `UsageError`."""
    r = _Reading(environment)
    _, entries = _extra_commands(r)
    if r.wrong:
        raise UsageError(*r.wrong)
    return entries


def _extra_commands(r: "_Reading") -> tuple[str, ExtraCommands]:
    text = r.text(EXTRA_COMMANDS)
    try:
        return text, parse_extra_commands(text)
    except ValueError as error:
        r.wrong.append(f"{EXTRA_COMMANDS}: {error}.")
        return "", NO_EXTRA


class _Reading:
    """One pass over environment and file that collects every error in ``wrong``."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.wrong: list[str] = []
        self._environment = environment
        self._table = self._read_table(environment.get("CALLMQ_CONFIG", ""))

    def text(self, name: str) -> str:
        """Return a setting, empty where it is not set or wrong."""
        key = name.removeprefix("CALLMQ_").lower()
        return self._one_of(self._environment, name, f"{name}_FILE") or self._one_of(self._table, key, f"{key}_file")

    def _one_of(self, source: Mapping[str, Any], name: str, name_of_file: str) -> str:
        value, path = source.get(name, ""), source.get(name_of_file, "")
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not isinstance(path, str):
            self.wrong.append(f"{name}: must be text in the file that CALLMQ_CONFIG names.")
        elif path and value != "":
            self.wrong.append(f"{name}: set it or {name_of_file}, not both.")
        elif path:
            return self._content(name_of_file, path)
        else:
            return str(value)
        return ""

    def _read_table(self, path: str) -> Mapping[str, Any]:
        import tomllib  # noqa: PLC0415 - most have no such file

        text = self._content("CALLMQ_CONFIG", path) if path else ""
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.wrong.append(f"CALLMQ_CONFIG: the file is not TOML: {str(error).split(':', 1)[0]}.")
            return {}
        table = document.get("callmq", document)
        if isinstance(table, dict):
            return table
        self.wrong.append("callmq: must be a table in the file that CALLMQ_CONFIG names.")
        return {}

    def _content(self, name: str, path: str) -> str:
        try:
            content = Path(path).read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            self.wrong.append(f"{name}: the file can't be read ({why}).")
            return ""
        if not content:
            self.wrong.append(f"{name}: the file is empty.")
        return content
