"""Where the broker and the endpoint are, and as whom: the settings that carry credentials."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from callmq_contracts.address import parse_addresses
from callmq_contracts.envelope import ACCOUNT_PATTERN
from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_worker.rates import ACCOUNT_RATES
from callmq_worker.reading import Reading

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
ACCOUNT_WORDS: Final = ("space", "project_id", "api_token")
ACCOUNT_KEYS: Final = frozenset(f"{word}{end}" for word in ACCOUNT_WORDS for end in ("", "_file"))
ENDPOINT_PATH: Final = "/api/calling/calls"
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\Z")
_LONGEST_HOST: Final = 253
_BLANK: Final = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """One account of the platform. Token and project never show in a repr."""

    name: str
    url: str
    project_id: str = field(repr=False)
    api_token: str = field(repr=False)


def read_accounts(r: Reading, document: Mapping[str, Any]) -> tuple[AccountSettings, ...]:
    """Return the default account of SIGNALWIRE_* and those of the TOML file."""
    endpoint = _endpoint(r)
    accounts = []
    words = {n: r.text(f"SIGNALWIRE_{n}") for n in ("SPACE", "PROJECT_ID", "API_TOKEN")}
    listed = document.get("accounts", {})
    if not isinstance(listed, Mapping):
        r.fault("accounts", "must be a table of tables in the file that CALLMQ_CONFIG names.")
        listed = {}
    if any(words.values()) or "default" not in listed:
        for name in ("PROJECT_ID", "API_TOKEN"):
            if not words[name]:
                r.fault(f"SIGNALWIRE_{name}", "is not set.")
        if not words["SPACE"] and not endpoint:
            r.fault("SIGNALWIRE_SPACE", "is not set (or set CALLMQ_ENDPOINT_URL).")
        url = endpoint or _space_url(r, "SIGNALWIRE_SPACE", words["SPACE"] or "")
        accounts.append(AccountSettings(DEFAULT_ACCOUNT, url, words["PROJECT_ID"] or "", words["API_TOKEN"] or ""))
    for name, entry in listed.items():
        if name == DEFAULT_ACCOUNT and accounts:
            r.fault("accounts.default", "is given twice, in the file and by SIGNALWIRE_*; keep one.")
            continue
        accounts.append(_listed_account(r, str(name), entry, endpoint))
    return tuple(accounts)


def account_names(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all accounts, whether or not they are complete; the default one has its lane always."""
    listed = document.get("accounts", {})
    names = {str(name) for name in listed} if isinstance(listed, Mapping) else set()
    return tuple(sorted({DEFAULT_ACCOUNT, *(n for n in names if ACCOUNT_PATTERN.match(n))}))


def _listed_account(r: Reading, name: str, entry: Any, endpoint: str | None) -> AccountSettings:
    own = Reading({}, entry if isinstance(entry, Mapping) else {})
    own.strangers(f"accounts.{name}", ACCOUNT_KEYS | ACCOUNT_RATES)
    values = {}
    if not ACCOUNT_PATTERN.match(name):
        r.fault(f"accounts.{name}", "must be named with 1 to 64 letters, digits, '.', '_' or '-'.")
    if name.isdigit():
        r.fault(f"accounts.{name}", "must not be a mere number: queues are named after accounts and numbered.")
    for word in ACCOUNT_WORDS:
        value = entry.get(word) if isinstance(entry, Mapping) else None
        path = entry.get(f"{word}_file") if isinstance(entry, Mapping) else None
        if isinstance(path, str):
            value = own.content(f"accounts.{name}.{word}", path)
        if not (isinstance(value, str) and value) and not (word == "space" and endpoint):
            r.fault(f"accounts.{name}.{word}", "is not set.")
        values[word] = value if isinstance(value, str) else ""
    r.errors += own.errors
    url = endpoint or _space_url(r, f"accounts.{name}.space", values["space"])
    return AccountSettings(name, url, values["project_id"], values["api_token"])


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
