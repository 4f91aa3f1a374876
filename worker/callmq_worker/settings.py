"""Settings: environment and a TOML file in, frozen values out. Every error is named, all at once."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, cast

from callmq_contracts.extra import EXTRA_COMMANDS, NO_EXTRA, ExtraCommands, longest_lifetime, parse_extra_commands
from callmq_contracts.leniency import ALL_LENIENCIES
from callmq_contracts.names import PREFIX_PATTERN
from callmq_worker.addresses import AccountSettings, account_names, read_accounts, read_amqp_urls
from callmq_worker.core.flow import Rates
from callmq_worker.core.retry import Tier, parse_tiers
from callmq_worker.rates import MOST_DIAL_LANES, MOST_SHARDS, read_rates
from callmq_worker.reading import Reading

DEAD_RETENTION: Final = 7 * 86_400.0
LEAST_MARGIN: Final = 1.0
LONGEST_LIFETIME: Final = 4 * 3600.0
SQLITE: Final = "sqlite:///"
TABLES: Final = ("accounts", "campaigns")
LEDGERS: Final = (SQLITE, "postgresql://", "postgres://", "redis://", "rediss://")


class SettingsError(Exception):
    """Settings are wrong. ``errors`` has one sentence for each, with the setting's name and without its value."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of a worker; times in seconds."""

    amqp_urls: tuple[str, ...] = field(repr=False)
    ledger_url: str = field(repr=False)
    accounts: tuple[AccountSettings, ...]
    account_names: tuple[str, ...]
    prefix: str
    concurrency: int
    http_deadline: float
    lease: float
    grace: float
    rates: Rates
    dial_lanes: int
    control_shards: int
    max_attempts: int
    probe_interval: float
    tiers: tuple[Tier, ...]
    health_addr: str
    retention: float
    leniencies: frozenset[str]
    extra_commands: ExtraCommands
    log_level: str
    log_format: Literal["auto", "json", "text"]

    @property
    def longest_life(self) -> float:
        """How long a command may stay useful at most: its record must outlive it, its retries and its dead letter."""
        return self.retention - self.tiers[-1].seconds - DEAD_RETENTION

    @property
    def least_retention(self) -> float:
        """How long records must be kept, in seconds: lifetime, retries and dead letters fit into it."""
        lifetime = max(LONGEST_LIFETIME, longest_lifetime(self.extra_commands))
        return lifetime + self.tiers[-1].seconds + DEAD_RETENTION


def load(environment: Mapping[str, str] | None = None, *, broker_only: bool = False) -> Settings:
    """Read all settings. ``broker_only``: a verb that needs no endpoint. Raises `SettingsError` with every error."""
    environment = os.environ if environment is None else environment
    errors: list[str] = []
    document = _document(environment, errors)
    r = Reading(environment, _own_table(document, errors))
    deadline = r.number("CALLMQ_HTTP_DEADLINE", 30.0, 0.1, 600.0)
    accounts = () if broker_only else read_accounts(r, document)
    settings = Settings(
        amqp_urls=read_amqp_urls(r),
        ledger_url=r.text("CALLMQ_LEDGER_URL") or f"sqlite:///{state_dir(environment) / 'callmq.db'}",
        accounts=accounts,
        account_names=account_names(document),
        prefix=_prefix(r),
        concurrency=r.whole("CALLMQ_CONCURRENCY", 100, 1, 10_000),
        http_deadline=deadline,
        lease=r.number("CALLMQ_LEASE", deadline + 15.0, 0.2, 900.0),
        grace=r.number("CALLMQ_GRACE", 35.0, 0.0, 900.0),
        rates=read_rates(r, document, shared=len(account_names(document)) > 1),
        dial_lanes=r.whole("CALLMQ_DIAL_LANES", 16, 1, MOST_DIAL_LANES),
        control_shards=r.whole("CALLMQ_CONTROL_SHARDS", 1, 1, MOST_SHARDS),
        max_attempts=r.whole("CALLMQ_MAX_ATTEMPTS", 8, 1, 1000),
        probe_interval=r.number("CALLMQ_PROBE_INTERVAL", 15.0, 0.1, 3600.0),
        tiers=_tiers(r),
        health_addr=r.text("CALLMQ_HEALTH_ADDR", "127.0.0.1:8087") or "off",
        retention=r.number("CALLMQ_RETENTION", 14 * 86_400.0, 1.0, 10 * 366 * 86_400.0),
        leniencies=_leniencies(r),
        extra_commands=_extra_commands(r),
        log_level=_choice(r, "CALLMQ_LOG_LEVEL", "info", ("debug", "info", "warning", "error")),
        log_format=cast(
            "Literal['auto', 'json', 'text']", _choice(r, "CALLMQ_LOG_FORMAT", "auto", ("auto", "json", "text"))
        ),
    )
    _agree(r, settings)
    if not broker_only:
        _refuse_strangers(r, document, errors)
    if errors + r.errors:
        raise SettingsError(errors + r.errors)
    return settings


def _refuse_strangers(r: Reading, document: dict[str, Any], errors: list[str]) -> None:
    r.strangers("callmq", {*r.asked, *TABLES, "callmq"})
    if "callmq" in document:
        top = Reading({}, document)
        top.strangers("(top)", {*TABLES, "callmq"})
        errors += top.errors


def state_dir(environment: Mapping[str, str]) -> Path:
    """Return the folder for what a worker keeps on its host."""
    if environment.get("CALLMQ_STATE_DIR"):
        return Path(environment["CALLMQ_STATE_DIR"])
    root = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", ".")) / ".local" / "state")
    return Path(root) / "callmq"


def _document(environment: Mapping[str, str], errors: list[str]) -> dict[str, Any]:
    path = environment.get("CALLMQ_CONFIG")
    if not path:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        errors.append(f"CALLMQ_CONFIG: the file can't be read ({type(error).__name__}).")
    except tomllib.TOMLDecodeError as error:
        errors.append(f"CALLMQ_CONFIG: the file is not TOML: {str(error).split(':', 1)[0]}.")
    return {}


def _own_table(document: dict[str, Any], errors: list[str]) -> dict[str, Any]:
    table = document.get("callmq", document)
    if isinstance(table, dict):
        return table
    errors.append("callmq: must be a table in the file that CALLMQ_CONFIG names.")
    return {}


def _prefix(r: Reading) -> str:
    prefix = r.text("CALLMQ_PREFIX", "callmq") or "callmq"
    if not PREFIX_PATTERN.match(prefix):
        r.fault("CALLMQ_PREFIX", "must be 1 to 64 letters, digits, '_' or '-'.")
    return prefix


def _tiers(r: Reading) -> tuple[Tier, ...]:
    try:
        return parse_tiers(r.text("CALLMQ_RETRY_TIERS", "1s,5s,30s,2m,10m,1h") or "")
    except ValueError as error:
        r.fault("CALLMQ_RETRY_TIERS", f"{error}.")
        return parse_tiers("1s")


def _leniencies(r: Reading) -> frozenset[str]:
    off = {w.strip() for w in (r.text("CALLMQ_LENIENCIES_OFF", "") or "").split(",") if w.strip()}
    if off - ALL_LENIENCIES:
        r.fault("CALLMQ_LENIENCIES_OFF", f"knows only {', '.join(sorted(ALL_LENIENCIES))}.")
    return ALL_LENIENCIES - off


def _extra_commands(r: Reading) -> ExtraCommands:
    try:
        return parse_extra_commands(r.text(EXTRA_COMMANDS, "") or "")
    except ValueError as error:
        r.fault(EXTRA_COMMANDS, f"{error}.")
        return NO_EXTRA


def _choice(r: Reading, name: str, default: str, allowed: tuple[str, ...]) -> str:
    value = (r.text(name, default) or default).lower()
    if value not in allowed:
        r.fault(name, f"must be one of {', '.join(allowed)}.")
    return value


def _agree(r: Reading, s: Settings) -> None:
    """Check what several settings say together, and what this version can do."""
    if not s.ledger_url.startswith(LEDGERS):
        r.fault("CALLMQ_LEDGER_URL", "must be sqlite:///path, postgresql://…, redis://… or rediss://….")
    if s.lease < s.http_deadline + LEAST_MARGIN:
        r.fault("CALLMQ_LEASE", "must be at least a second longer than CALLMQ_HTTP_DEADLINE.")
    if s.retention < s.least_retention:
        r.fault(
            "CALLMQ_RETENTION",
            f"must be at least {s.least_retention:.0f} seconds: lifetime, retries and dead letters fit into it.",
        )
