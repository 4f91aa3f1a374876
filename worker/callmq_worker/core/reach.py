"""What a text in a command reaches: a number, a SIP address, a URL. What can't be told for certain counts as a fault.

Readers of addresses differ in what they forgive, and a guard that forgives what the platform reads otherwise is none.
So each form here is matched as a whole, and in one spelling.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from callmq_worker.core.hosts import HTTPS, Hosts, is_address

# Keys whose text may be a whole document; that is not looked into.
DOCUMENT_KEYS: Final = frozenset(("to_script", "swml", "SWML", "dest_swml"))
# Keys that name who is called, in the commands and inside SWML.
REACHED_KEYS: Final = DOCUMENT_KEYS | {"to", "dest", "to_number", "to_uri", "transfer", "execute"}
FROM_KEYS: Final = frozenset(("from", "from_number", "from_uri", "caller_id", "caller_id_number"))
_FETCHED_KEYS: Final = DOCUMENT_KEYS | {"play", "ringback", "confirm", "dest", "transfer", "execute"}
_FETCHED_ENDS: Final = ("url", "urls", "uri", "uris", "webhook")

_HTTP: Final = re.compile(r"https?://", re.IGNORECASE)
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}\Z")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}\Z")
_SIP: Final = re.compile(
    r"sips?:(?:(?P<user>[^@\x00-\x20\x7f]*)@)?(?P<host>[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?P<rest>[;?][^@]*)?\Z",
    re.IGNORECASE,
)
_REROUTED: Final = re.compile(r"[?%\\]|;\s*(?:maddr|route)", re.IGNORECASE)
_NAMED: Final = re.compile(r"(?:verto|client):(?P<user>[^@\x00-\x20\x7f]+)(?:@[A-Za-z0-9.:_-]+)?\Z", re.IGNORECASE)
_RESOURCE: Final = re.compile(r"/[^/?#\s]+/(?P<user>[^/?#\s]+)(?:\?[^\s]*)?\Z")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[\s().\u2010-\u2015-]")
_NUMBER: Final = re.compile(r"\+|[0-9]{7}")

_WEB: Final = re.compile(
    r"[\x00-\x20]*(?:(?:https?|wss?|ftps?|file|rtmps?|rtsps?|rtp):|[A-Za-z][A-Za-z0-9+.-]*://|[/\\]{2})", re.IGNORECASE
)
_URL: Final = re.compile(
    r"(?:https|wss)://(?P<host>[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?#][^\\\x00-\x1f\x7f]*)?\Z", re.IGNORECASE
)
_PLAYED: Final = re.compile(r"(?:say|silence|ring):", re.IGNORECASE)
_BREAKS: Final = str.maketrans("", "", "\t\r\n")

_UNTOLD: Final = "can't be told where it leads: write a number as + and its digits, without blanks"


@dataclass(frozen=True, slots=True)
class Numbers:
    """Which numbers may be called, by how they begin; ``allowed`` None: all that are not denied.

    The longest prefix that fits counts, and a denied one against an allowed one of the same length.
    """

    allowed: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    @property
    def rule(self) -> str:
        """The setting that a number in doubt breaks."""
        return "denied_prefixes" if self.allowed is None else "allowed_prefixes"

    def fault(self, number: str) -> str | None:
        """Return why a number in E.164 form may not be called, None where it may."""
        allowed = self.allowed or ()
        for length in range(len(number), 1, -1):
            prefix = number[:length]
            if prefix in self.denied:
                return "denied_prefixes: the account does not call numbers that begin so"
            if prefix in allowed:
                return None
        if self.allowed is None:
            return None
        return "allowed_prefixes: the account only calls numbers that begin with one of them"


def is_number(text: str) -> bool:
    """Say whether a text is a number in E.164 form and nothing else."""
    return _E164.match(text) is not None


def is_web(text: str) -> bool:
    """Say whether a text begins as the URL of a document does."""
    return _HTTP.match(text) is not None


def address_fault(text: str, sip_hosts: Hosts | None, numbers: Numbers | None) -> str | None:
    """Return why whoever a text names may not be called, None where it may.

    A URL is left to `url_fault`, and a word alone names a part of the same document.
    """
    if _E164.match(text):
        return numbers.fault(text) if numbers else None
    sip = _SIP.match(text)
    if sip is not None:
        if sip_hosts is not None and (_REROUTED.search(sip["rest"] or "") or not sip_hosts.have(sip["host"])):
            return "allowed_sip_hosts: the account only calls SIP addresses at one of them, without a detour"
        return _user_fault(sip["user"] or sip["host"], numbers)
    named = _NAMED.match(text) or _RESOURCE.match(text)
    if named is not None:
        return _user_fault(named["user"], numbers)
    if is_web(text) or _WORD.match(text):
        return None
    return f"{numbers.rule if numbers else 'allowed_sip_hosts'}: {_UNTOLD}"


def _user_fault(user: str, numbers: Numbers | None) -> str | None:
    """Return what is wrong with the number that an address is of, where it is one's."""
    name = unquote(user)
    squeezed = _SEPARATORS.sub("", name)
    if numbers is None or _UUID.match(name) or not _NUMBER.match(squeezed):
        return None
    return numbers.fault(name) if _E164.match(name) else f"{numbers.rule}: {_UNTOLD}"


def url_fault(text: str, hosts: Hosts) -> str | None:
    """Return why what a text names may not be fetched or connected to, None where it may, or where it is no URL."""
    if (":" not in text and "/" not in text and "\\" not in text) or not _WEB.match(text.translate(_BREAKS)):
        return None
    found = _URL.match(text)
    if found is not None and is_address(found["host"]):
        return "allowed_url_hosts: must name a host, not an IP address"
    if found is None:
        return "allowed_url_hosts: must be https:// or wss://, a host's name in ASCII, and no user"
    if not hosts.have(found["host"], int(found["port"] or HTTPS)):
        return "allowed_url_hosts: the account only uses hosts (and ports) that are listed"
    return None


def fetched_fault(key: str, text: str) -> str | None:
    """Return why a text under a key that names what is fetched can't be judged, None where it can, or is none."""
    if key == "addr":  # where RTP goes
        return "allowed_url_hosts: must not be an IP address, which no list of hosts has"
    if key not in _FETCHED_KEYS and not key.endswith(_FETCHED_ENDS):
        return None
    told = _WEB.match(text) or _PLAYED.match(text) or _WORD.match(text) or _E164.match(text)
    if told or _SIP.match(text) or _NAMED.match(text) or _RESOURCE.match(text):
        return None
    return "allowed_url_hosts: can't be told where it leads: write a whole URL, without a variable in its host"
