"""What the producing verbs read from the environment: all that is wrong is said at once."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from callmq.address import parse_addresses
from callmq.cli.exits import UsageError
from callmq.errors import InvalidUrlError
from callmq_contracts.names import PREFIX_PATTERN


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the broker is, and the prefix of every name on it."""

    url: str = field(repr=False)
    prefix: str = "callmq"


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read CALLMQ_AMQP_URL (or the file that CALLMQ_AMQP_URL_FILE names) and CALLMQ_PREFIX; raises `UsageError`."""
    wrong: list[str] = []
    url = _secret(environment, "CALLMQ_AMQP_URL", wrong)
    if url:
        try:
            parse_addresses(url)
        except InvalidUrlError as error:
            wrong.append(f"CALLMQ_AMQP_URL: {error}")
    prefix = environment.get("CALLMQ_PREFIX") or "callmq"
    if not PREFIX_PATTERN.match(prefix):
        wrong.append("CALLMQ_PREFIX: must be 1 to 64 letters, digits, '_' or '-'.")
    if wrong:
        raise UsageError(*wrong)
    return Settings(url, prefix)


def _secret(environment: Mapping[str, str], name: str, wrong: list[str]) -> str:
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if value and file:
        wrong.append(f"{name}: set it or {name}_FILE, not both.")
    elif file:
        try:
            value = Path(file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            wrong.append(f"{name}_FILE: the file can't be read ({why}).")
        else:
            if not value:
                wrong.append(f"{name}_FILE: the file is empty.")
    elif not value:
        wrong.append(f"{name}: is not set. Set it to amqp://user:password@host:port/vhost, or set {name}_FILE.")
    return value
