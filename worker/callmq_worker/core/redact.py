"""What may not be seen: phone numbers, credentials, user info and query values, taken out of text and of data.

Errs on the side of taking out too much: a bare run of 7 to 15 digits counts as a phone number.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit
from uuid import UUID

REDACTED: Final = "[redacted]"
MIN_SECRET: Final = 4  # shorter ones would blank out half of every text
MAX_DEPTH: Final = 8
MAX_ITEMS: Final = 100
MAX_TEXT: Final = 4096
MAX_TOTAL: Final = 32_768
_MAX_INT_BITS: Final = 64
_OVERHANG: Final = 64  # longer than any spelling of a phone number: none is cut in two and then missed
_KEPT_DIGITS: Final = 2
_PHONE_DIGITS: Final = range(7, 16)
_HEX_WORD: Final = 8  # ids come in multiples of it

_GAP: Final = "(?:%2[089DEFdef]|[ \u00a0().\u2010-\u2015/-]){0,3}"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLOCK: Final = r"\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
_SCAN: Final = re.compile(
    "|".join(
        (
            rf"(?P<uuid>(?<![^\W_]){_UUID.pattern}(?![^\W_]))",
            r"(?P<user>(?<![^\W_])sips?:[^@\s<>\";]{1,256}@)",
            r"(?P<tel>(?<![^\W_])tel:[+\d().-]{3,32})",
            rf"(?P<time>(?<![^\W_])\d{{4}}-\d\d-\d\d(?:[T ]{_CLOCK})?(?!\d))",
            r"(?P<compact>(?<![^\W_])\d{8}T\d{6}Z?(?![^\W_]))",
            rf"(?P<plus>(?:\+|%2B){_GAP}(?:\d{{10,15}}(?!\d)|\d(?:{_GAP}\d){{6,14}}(?!\d)))",
            r"(?P<local>(?<![\w.+-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w]))",
            r"(?P<fraction>(?<![\w.])0\.\d+)",
            r"(?P<escape>%[0-9a-f]{2})",
            r"(?P<word>[^\W_]+)",
        )
    ),
    re.IGNORECASE,
)
_WORTH_A_SCAN: Final = re.compile(r"\d(?:\D{0,9}\d){6}|\b(?:sips?|tel):", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d+")
_HEX: Final = re.compile(r"[0-9a-f]{8,}\Z", re.IGNORECASE)
_LETTER_AFTER_DIGIT: Final = re.compile(r"[0-9][a-f]", re.IGNORECASE)
_URL: Final = re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://[^\s\"'<>]*[^\s\"'<>),.;:]", re.IGNORECASE)
_HOST: Final = r"(?:\[[0-9a-f:.%]+\]|[^:,\[\]@]*)(?::\d{0,5})?"
_HOSTS: Final = re.compile(rf"{_HOST}(?:,{_HOST})*\Z", re.IGNORECASE)
_ASSIGNED: Final = re.compile(
    r"((?:password|passwd|passphrase|secret|token|api[_-]?key|signing[_-]?key|authorization|cookie)[\"']?\s{0,3}[:=]\s{0,3}"
    r"[\"']?(?:b(?=[\"'])[\"'])?)(?:(?:Basic|Bearer)\s+)?[^\s\"',;&(){}\[\]]+",
    re.IGNORECASE,
)
_SCHEME_TOKEN: Final = re.compile(
    r"\b(Basic|Bearer)\s+(?=[A-Za-z+/._~-]*[0-9=])[A-Za-z0-9+/._~-]{6,}={0,2}", re.IGNORECASE
)
_INPUT_VALUE: Final = re.compile(r"input_value=.{0,300}?, input_type=", re.DOTALL)  # pydantic quotes what it was given

_SECRET_WORDS: Final = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "authorization",
        "credential",
        "credentials",
        "cookie",
        "jwt",
        "bearer",
    }
)
_SECRET_KEYS: Final = frozenset({"api", "signing", "private", "access", "encryption"})
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def mask_numbers(text: str) -> str:
    """Return ``text`` with each phone number as ``***`` and its last two digits.

    A phone number: 7 to 15 digits, with separators where it starts with a plus sign or is written as three, three
    and four; and whatever digits stand in the user part of a ``sip:``, ``sips:`` or ``tel:`` address. Left alone:
    UUIDs, RFC 3339 times, hexadecimal ids, fractions below one, runs of up to 6 or of 16 and more digits.
    """
    return _SCAN.sub(_mask_match, text) if _WORTH_A_SCAN.search(text) else text


def _mask_match(match: re.Match[str]) -> str:
    text = match[0]
    match match.lastgroup:
        case "plus" | "local":
            return _masked("".join(_DIGITS.findall(re.sub(r"(?i)%2[0-9a-f]", "", text))))
        case "user":
            return _mask_user(text)
        case "tel":
            return f"{text[:4]}{_masked(''.join(_DIGITS.findall(text)))}"
        case "word":
            return text if _is_hex_id(text) else _DIGITS.sub(_mask_run, text)
        case _:
            return text


def _mask_run(match: re.Match[str]) -> str:
    return _masked(match[0]) if len(match[0]) in _PHONE_DIGITS else match[0]


def _masked(digits: str) -> str:
    return f"***{digits[-_KEPT_DIGITS:]}"


def _mask_user(text: str) -> str:
    """Mask ``sip:user:password@``: digits but the last two, the password whole; a name or a resource's UUID stays."""
    scheme, _, user = text[:-1].partition(":")
    name, colon, _ = user.partition(":")
    digits = "".join(_DIGITS.findall(name))
    kept = len(digits) <= _KEPT_DIGITS or _UUID.fullmatch(name)
    return f"{scheme}:{name if kept else _masked(digits)}{colon}{REDACTED if colon else ''}@"


def _is_hex_id(word: str) -> bool:
    """Tell an id from a number with a letter before it: ids have whole words, or letters between their digits."""
    if not _HEX.match(word) or word.isdigit():
        return False
    return len(word) % _HEX_WORD == 0 or _LETTER_AFTER_DIGIT.search(word) is not None


def mask_url(url: str) -> str:
    """Return the URL without user info and fragment, its query's values as ``REDACTED``, numbers in the path masked.

    What can't be read for certain is taken out from the ``://`` on. Never raises.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.partition('://')[0]}://{REDACTED}" if "://" in url else REDACTED
    if not parts.netloc:
        return mask_numbers(url.rpartition("@")[2].partition("?")[0])
    host = parts.netloc.rpartition("@")[2]
    if not _HOSTS.match(host) or _hides_user(parts):
        return f"{parts.scheme}://{REDACTED}"
    names = (pair.partition("=") for pair in parts.query.split("&") if pair)
    query = "&".join(f"{mask_numbers(name)}{equals}{'REDACTED' if equals else ''}" for name, equals, _ in names)
    return urlunsplit((parts.scheme, host, mask_numbers(parts.path), query, ""))


def _hides_user(parts: SplitResult) -> bool:
    """Say whether a password with a slash, a question mark or a hash in it may reach into path, query or fragment."""
    may_have_password = "@" in parts.netloc or ":" in parts.netloc.rpartition("]")[2]
    return may_have_password and "@" in f"{parts.path}{parts.query}{parts.fragment}"


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return ``text`` without the given secrets, as they are, percent-encoded or decoded.

    Those under 4 characters stay.
    """
    for form in _forms(tuple(secrets)):
        text = text.replace(form, REDACTED)
    return text


@lru_cache(maxsize=16)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return all that the secrets can look like, longest first."""
    known = {form for s in secrets for form in (s, quote(s, safe=""), quote(s), unquote(s))}
    return tuple(sorted((form for form in known if len(form) >= MIN_SECRET), key=len, reverse=True))


def mask_text(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a sentence fit for a log: secrets, assignments to secret names, URLs and phone numbers masked."""
    text = _INPUT_VALUE.sub(f"input_value={REDACTED}, input_type=", scrub(text, secrets))
    text = _URL.sub(lambda match: mask_url(match[0]), text)
    text = _ASSIGNED.sub(rf"\g<1>{REDACTED}", text)
    return mask_numbers(_SCHEME_TOKEN.sub(rf"\g<1> {REDACTED}", text))


def is_secret(key: str) -> bool:
    """Say whether a key names a credential: ``password``, ``apiToken``, ``signing_key``."""
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words:
        return False
    return words[-1] in _SECRET_WORDS or (len(words) > 1 and words[-1] in ("key", "keys") and words[-2] in _SECRET_KEYS)


def redact(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return a copy of plain data (JSON's types only) with credentials, secrets and phone numbers taken out.

    Values under a secret key become ``[redacted]``. Bounded: 8 levels, 100 items each, 4096 characters a text, about
    32 KiB of text in all; what is left out is counted or named. Never raises: what can't be read becomes its type.
    """
    return _Pass(tuple(secrets)).value(value, 0)


class _Pass:
    """One walk through a value; ``left`` counts down the text that may still be copied."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self.secrets = secrets
        self.left = MAX_TOTAL
        # What begins before the cut is read to its end, so that it is known for what it is; encoded it is longer.
        self.overhang = max([_OVERHANG, *(3 * len(secret) for secret in secrets)])

    def value(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if value is None or isinstance(value, bool | float):
            return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)
        if isinstance(value, int):
            return int(value) if value.bit_length() <= _MAX_INT_BITS else "[big integer]"
        if isinstance(value, str):
            return self.text(value)
        if depth >= MAX_DEPTH or self.left <= 0:
            return f"[{type(value).__name__}]"
        try:
            return self.composite(value, depth)
        except Exception:  # noqa: BLE001 - any foreign object can raise anything here
            return f"[{type(value).__name__}]"

    def text(self, value: str) -> str:
        limit = max(0, min(MAX_TEXT, self.left))
        if len(value) <= limit:
            shown = mask_text(str(value), self.secrets)
        else:
            shown = (
                mask_text(value[: limit + self.overhang], self.secrets)[: -self.overhang] + f"[{len(value)} characters]"
            )
        self.left -= len(shown)
        return shown

    def composite(self, value: Any, depth: int) -> Any:
        if isinstance(value, Enum):
            return self.value(value.value, depth + 1)
        if isinstance(value, Mapping):
            return self.mapping(value.items(), len(value), depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self.items(value, depth)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{len(value)} bytes]"
        if isinstance(value, BaseException):
            return self.text(f"{type(value).__name__}: {value}")
        if isinstance(value, datetime | date | time):
            return value.isoformat()
        if isinstance(value, UUID | Decimal | timedelta) or hasattr(value, "__fspath__"):
            return self.text(str(value))
        if is_dataclass(value) and not isinstance(value, type):
            pairs = [(f.name, getattr(value, f.name)) for f in fields(value)]
            return self.mapping(pairs, len(pairs), depth)
        return f"[{type(value).__name__}]"

    def mapping(self, pairs: Iterable[tuple[Any, Any]], count: int, depth: int) -> dict[str, Any]:
        copy: dict[str, Any] = {}
        for number, (key, value) in enumerate(pairs):
            if number >= MAX_ITEMS or self.left <= 0:
                copy["..."] = f"[{count - number} more]"
                break
            name = self.text(key) if isinstance(key, str) else self.text(str(self.value(key, depth + 1)))
            secret = isinstance(key, str) and is_secret(key) and value is not None
            copy[name] = REDACTED if secret else self.value(value, depth + 1)
        return copy

    def items(self, values: "list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]", depth: int) -> list[Any]:
        copy: list[Any] = []
        for number, value in enumerate(values):
            if number >= MAX_ITEMS or self.left <= 0:
                copy.append(f"[{len(values) - number} more]")
                break
            copy.append(self.value(value, depth + 1))
        return copy
