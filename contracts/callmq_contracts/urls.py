r"""Addresses: which characters they may have, and what is wrong with one that begins well.

The patterns mean the same in Rust (where they judge), in ECMA 262 (where others read them) and, but for ``$`` before a
newline at the end, in Python. So there is no ``\s`` and no dot: each language has blanks and ends of a line of its own.
"""

import re
from collections.abc import Mapping
from typing import Final

_BLANKS: Final = r"\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"  # and what does not print
_NEVER: Final = _BLANKS + r'"%<>\[\\\]^`{|}'  # by RFC 3986; letters beyond ASCII are RFC 3987's
VISIBLE: Final = f"[^{_BLANKS}]"
WORD: Final = f"[^{_BLANKS}/?#]"


def _part(stops: str) -> str:
    return rf"(?:[^{_NEVER}{stops}]|%[0-9A-Fa-f]{{2}})"


_HOST: Final = rf"(?:{_part('/?#@:')}+|\[[A-Za-z0-9.:_~!$&'()*+,;=-]+\])"
_URL: Final = rf"(?:{_part('/?#@')}*@)?{_HOST}(?::[0-9]*)?(?:[/?]{_part('#')}*)?(?:#{_part('#')}*)?"
_HTTP: Final = "^[Hh][Tt][Tt][Pp][Ss]?://"
_WS: Final = "^[Ww][Ss][Ss]?://"
_WSS: Final = "^[Ww][Ss][Ss]://"

WEB_URL: Final = rf"{_HTTP}{_URL}$"
SECURE_SOCKET_URL: Final = rf"{_WSS}{_URL}$"
# The endpoint looks only at how these begin: a template such as {name} may stand in them.
LOOSE_WEB_URL: Final = rf"{_HTTP}{WORD}{VISIBLE}*$"
LOOSE_SOCKET_URL: Final = rf"{_WS}{WORD}{VISIBLE}*$"
SIP_URI: Final = rf"^sip:{VISIBLE}+$"
DESTINATION: Final = rf"^(\+[1-9][0-9]{{1,14}}|(sip|sips|verto|client):{VISIBLE}+|/{WORD}+/{WORD}+(\?{VISIBLE}*)?)$"

_AUTHORITY: Final = "[a-zA-Z]+://([^/?#]*@)?+"
_BLANK: Final = (f".*[{_BLANKS}]", "must not have a blank in it, nor a character that does not print")
_HOSTLESS: Final = (rf"{_AUTHORITY}([/?#:]|\Z)", "must name a host after the two slashes")
_FAULTS: Final = (
    _BLANK,
    _HOSTLESS,
    (rf"{_AUTHORITY}[^/?#@\[]*:(?![0-9]*([/?#]|\Z))", "must have digits only in its port"),
    (".*%(?![0-9A-Fa-f]{2})", "must have two hexadecimal digits after each % (a percent sign itself is %25)"),
    ("", "has a character that a URL must have percent-encoded"),
)
_OF: Final[Mapping[str, tuple[str, tuple[tuple[str, str], ...]]]] = {
    WEB_URL: (_HTTP, _FAULTS),
    SECURE_SOCKET_URL: (_WSS, _FAULTS),
    LOOSE_WEB_URL: (_HTTP, (_BLANK, _HOSTLESS)),
    LOOSE_SOCKET_URL: (_WS, (_BLANK, _HOSTLESS)),
    SIP_URI: ("^sip:", (_BLANK,)),
    DESTINATION: (r"^(\+|/|(sip|sips|verto|client):)", (_BLANK,)),
}


def url_fault(pattern: str, value: str) -> str | None:
    """Return what is wrong with a ``value`` that a pattern of this module refused, where it begins as it must."""
    begins, faults = _OF.get(pattern, ("", ()))
    if not re.match(begins, value):
        return None
    return next((sentence for fault, sentence in faults if re.match(fault, value, re.DOTALL)), None)
