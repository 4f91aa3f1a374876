"""Where the broker and the endpoint are, and as whom: the settings that carry credentials."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from callmq_contracts.address import parse_addresses
from callmq_contracts.envelope import ACCOUNT_PATTERN
from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_worker.core.denial import Restrictions
from callmq_worker.rates import ACCOUNT_RATES
from callmq_worker.reading import Reading
from callmq_worker.restrictions import RESTRICTION_KEYS, read_restrictions

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
ACCOUNT_WORDS: Final = ("space", "project_id", "api_token")
ACCOUNT_KEYS: Final = frozenset(f"{word}{end}" for word in ACCOUNT_WORDS for end in ("", "_file"))
ENDPOINT_PATH: Final = "/api/calling/calls"
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_LONGEST_HOST: Final = 253
_BLANK: Final = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account of the platform. Token and project never show in a repr.

    The files are those that project and token were read from, where they were: they are looked at again.
    """

    name: str
    url: str
    project_id: str = field(repr=False)
    api_token: str = field(repr=False)
    project_id_file: str | None = field(repr=False, default=None)
    api_token_file: str | None = field(repr=False, default=None)
    restrictions: Restrictions | None = field(repr=False, default=None)


def read_accounts(r: Reading, document: Mapping[str, Any]) -> tuple[AccountSettings, ...]:
    """Return the default account of SIGNALWIRE_* and those of the TOML file."""
    endpoint = _endpoint(r)
    accounts = []
    words = {n: r.text(f"SIGNALWIRE_{n}") for n in ("SPACE", "PROJECT_ID", "API_TOKEN")}
    listed = document.get("accounts", {})
    if not isinstance(listed, Mapping):
        r.fault("accounts", "must be a table of tables in the file that CALLMQ_CONFIG names.")
        listed = {}
    if any(words.values()) or not _has_credentials(listed.get(DEFAULT_ACCOUNT)):
        accounts.append(_default_account(r, words, listed.get(DEFAULT_ACCOUNT), endpoint))
    for name, entry in listed.items():
        if name != DEFAULT_ACCOUNT or not accounts:
            accounts.append(_listed_account(r, str(name), entry, endpoint))
        elif _has_credentials(entry):
            r.fault("accounts.default", "is given twice, in the file and by SIGNALWIRE_*; keep one.")
    return tuple(accounts)


def account_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all accounts, whether or not they are complete; the default one has its lane always."""
    listed = document.get("accounts", {})
    names = {str(name) for name in listed} if isinstance(listed, Mapping) else set()
    return tuple(sorted({DEFAULT_ACCOUNT, *(n for n in names if ACCOUNT_PATTERN.match(n))}))


def _has_credentials(entry: Any) -> bool:
    """Say whether a table is an account of its own: one that only restricts the default account is not."""
    return entry is not None and not (isinstance(entry, Mapping) and entry and not ACCOUNT_KEYS & entry.keys())


def _default_account(r: Reading, words: Mapping[str, str | None], entry: Any, endpoint: str | None) -> AccountSettings:
    """Return the account of SIGNALWIRE_*, with what the file says of it besides."""
    for name in ("PROJECT_ID", "API_TOKEN"):
        if not words[name]:
            r.fault(f"SIGNALWIRE_{name}", "is not set.")
    if not words["SPACE"] and not endpoint:
        r.fault("SIGNALWIRE_SPACE", "is not set (or set CALLMQ_ENDPOINT_URL).")
    if not _has_credentials(entry):
        _refuse_strangers(r, DEFAULT_ACCOUNT, entry or {})
    return AccountSettings(
        DEFAULT_ACCOUNT,
        endpoint or _space_url(r, "SIGNALWIRE_SPACE", words["SPACE"] or ""),
        words["PROJECT_ID"] or "",
        words["API_TOKEN"] or "",
        r.file("SIGNALWIRE_PROJECT_ID"),
        r.file("SIGNALWIRE_API_TOKEN"),
        read_restrictions(r, DEFAULT_ACCOUNT, entry) if isinstance(entry, Mapping) else None,
    )


def _refuse_strangers(r: Reading, name: str, entry: Any) -> None:
    own = Reading({}, entry if isinstance(entry, Mapping) else {})
    own.strangers(f"accounts.{name}", ACCOUNT_KEYS | RESTRICTION_KEYS | ACCOUNT_RATES)
    r.errors += own.errors


def _listed_account(r: Reading, name: str, entry: Any, endpoint: str | None) -> AccountSettings:
    _refuse_strangers(r, name, entry)
    table: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    values, files = {}, {}
    if not ACCOUNT_PATTERN.match(name):
        r.fault(f"accounts.{name}", "must be named with 1 to 64 letters, digits, '.', '_' or '-'.")
    if name.isdigit():
        r.fault(f"accounts.{name}", "must not be a mere number: queues are named after accounts and numbered.")
    for word in ACCOUNT_WORDS:
        value, path = table.get(word), table.get(f"{word}_file")
        if value is not None and path is not None:
            r.fault(f"accounts.{name}.{word}", f"is set twice, here and as {word}_file; keep one.")
        elif isinstance(path, str):
            value, files[word] = r.content(f"accounts.{name}.{word}", path), path
        if not (isinstance(value, str) and value) and not (word == "space" and endpoint):
            r.fault(f"accounts.{name}.{word}", "is not set.")
        values[word] = value if isinstance(value, str) else ""
    return AccountSettings(
        name,
        endpoint or _space_url(r, f"accounts.{name}.space", values["space"]),
        values["project_id"],
        values["api_token"],
        files.get("project_id"),
        files.get("api_token"),
        read_restrictions(r, name, table),
    )


def _space_url(r: Reading, name: str, space: str) -> str:
    host = space if "." in space else f"{space}.signalwire.com"
    if space and not _is_host(host):
        r.fault(name, "must be the Space's name, such as example or example.signalwire.com.")
    return f"https://{host}{ENDPOINT_PATH}"


def _endpoint(r: Reading) -> str | None:
    endpoint = r.text("CALLMQ_ENDPOINT_URL")
    if not endpoint:
        return None
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK)
        good = safe and (_is_host(host) or ":" in host) and parts.username is None and not _BLANK.search(endpoint)
        _ = parts.port
    except ValueError:
        good = False
    if not good:
        r.fault("CALLMQ_ENDPOINT_URL", "must be https:// (http:// only for loopback) with a host and no user in it.")
    return endpoint


def _is_host(name: str) -> bool:
    return len(name) <= _LONGEST_HOST and all(_LABEL.match(label) for label in name.split("."))


def read_amqp_urls(r: Reading) -> tuple[str, ...]:
    """Return one URL a host of the broker."""
    text = r.text("CALLMQ_AMQP_URL")
    if not text:
        r.fault(
            "CALLMQ_AMQP_URL", "is not set: amqp://user:password@host:5672/vhost (commas between hosts of a cluster)."
        )
        return ()
    try:
        return tuple(address.url for address in parse_addresses(text))
    except ValueError as error:
        r.fault("CALLMQ_AMQP_URL", str(error))
        return ()
