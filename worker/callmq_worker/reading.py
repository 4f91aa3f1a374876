"""Reads single settings from environment, secret files and a TOML file, and collects every error."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


class Reading:
    """One pass over environment and file that collects every error."""

    def __init__(self, environment: Mapping[str, str], document: Mapping[str, Any]) -> None:
        self.environment = environment
        self.document = document
        self.errors: list[str] = []
        self.asked: set[str] = set()

    def fault(self, name: str, sentence: str) -> None:
        """Note an error of one setting."""
        self.errors.append(f"{name}: {sentence}")

    def text(self, name: str, default: str | None = None) -> str | None:
        """Return the setting: the variable, the file that `<NAME>_FILE` names, the TOML file, or the default."""
        key = name.removeprefix("CALLMQ_").lower()
        self.asked |= {key, f"{key}_file"}
        direct, path = self.environment.get(name, ""), self.environment.get(f"{name}_FILE", "")
        if direct and path:
            self.fault(name, f"is set twice, here and as {name}_FILE; keep one.")
        if direct:
            return direct
        if path:
            return self.content(name, path) or default
        value, secret = self.document.get(key), self.document.get(f"{key}_file")
        if value is None:
            return (self.content(name, secret) or default) if isinstance(secret, str) else default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.fault(name, "must be text or a number in the file that CALLMQ_CONFIG names.")
            return default
        return str(value)

    def file(self, name: str) -> str | None:
        """Return the path of the file that gives the setting, None where no file does."""
        key = name.removeprefix("CALLMQ_").lower()
        if self.environment.get(name):
            return None
        path = self.environment.get(f"{name}_FILE")
        if path or key in self.document:
            return path or None
        secret = self.document.get(f"{key}_file")
        return secret if isinstance(secret, str) else None

    def strangers(self, table: str, known: Collection[str]) -> None:
        """Note each key of the file's table that no setting has."""
        for key in sorted(set(self.document) - set(known)):
            self.fault(f"{table}.{key[:64]}", "is no setting (in the file that CALLMQ_CONFIG names).")

    def content(self, name: str, path: str) -> str | None:
        """Return a secret file's text."""
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.fault(f"{name}_FILE", f"can't be read ({type(error).__name__}).")
            return None

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number within bounds; seconds may be written with an s."""
        text = self.text(name)
        if text is None:
            return default
        try:
            value = float(text.removesuffix("s"))
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            self.fault(name, f"must be a number from {low:g} to {high:g}.")
            return default
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number within bounds."""
        value = self.number(name, default, low, high)
        if value != int(value):
            self.fault(name, "must be a whole number.")
        return int(value)
