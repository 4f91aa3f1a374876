"""Other spellings of the examples: odd characters in texts, addresses of every form."""

import re
from collections.abc import Iterator

from unit.contracts.mutations import find, places

ASCII = [chr(code) for code in range(128)]
# Blanks and ends of a line as Rust, ECMA 262 and Python know them (no two agree), what is nearly one, and letters.
BLANKS = [*map(chr, (0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x205F, 0x2060))]
BEYOND = [
    *BLANKS,
    "\u3000",
    "\ufeff",
    "\x80",
    "\x9f",
    "\xad",
    "é",
    "\u0131",
    "\u212a",
    "٣",
    "\ufffd",
    "\U000e0001",
    "😀",
]
TEMPLATES = (
    "{scheme}{odd}",
    "{scheme}{odd}a.b/",
    "{scheme}a{odd}b",
    "{scheme}a{odd}b@c.d/",
    "{scheme}a.b:8{odd}/x",
    "{scheme}a.b/x{odd}y",
    "{scheme}a.b/%{odd}4",
    "{scheme}a.b?x{odd}",
    "{scheme}a.b/#x{odd}y",
    "{scheme}[::{odd}]/",
    "{odd}{scheme}a.b",
    "{scheme}a.b/{odd}",
)
AUTHORITIES = (
    *("/x", "?x", "#x", ":80", "a:", "a:0", "a:99999", "a:x", "u@", "@", "@h", "u:p@h", "u:p:q@h", "u@v@h", "u@:80"),
    *("[::1", "::1]", "[::1]x", "[::1]:80/x", "[::1]:x", "[v1.a]", "[vF.~]", "[x]", "[]", "[1:2]", "[1::2::3]"),
    *("[::ffff:1.2.3.4]", "[fe80::1%25eth0]", "%41.b", "a%4.b", "a%zz.b", "%e4", "a..b", ".", "a_b", "-a", "1.2.3"),
    *("a/[x]", "a?[x]", "a#[x]", "a/#x#y", "a/?x?y", "a//b", "a/%zz", "a/%", "a/%4", "a/%41%zz", "a/%41", "a/{x}"),
    *("a/${x}", "a/%{x}", "a/<x>", "a/'()*;,!$&+=@:~"),
)
SCHEME = re.compile(r"(?:https?|wss?)://|sips?:|verto:|client:|prompt:|/\w+/")
SCHEMES = ("http://", "HTTPS://", "https:/", "https:", "://", "//", "wss://", "wSs://", "ws://", "sip:", "SIP:")


def texts(body) -> Iterator[tuple[tuple, str]]:
    """Yield (path, other text) for each text of a body."""
    for path in places(body):
        value = find(body, path) if path else None
        if not isinstance(value, str) or path == ("command",):
            continue
        yield from ((path, text) for text in spelled(value))
        if begun := SCHEME.match(value):
            yield from ((path, text) for text in addresses(begun[0]))


def spelled(text: str) -> Iterator[str]:
    """Yield a text with an odd character at its ends and inside."""
    for odd in ("\x00", "\t", "\n", "\r", " ", "\x1c", *BEYOND):
        yield from (text + odd, odd + text, text[:-1] + odd + text[-1:])


def addresses(scheme: str) -> Iterator[str]:
    """Yield addresses, most of them wrong: every character in every part."""
    for template in TEMPLATES:
        yield from (template.format(scheme=scheme, odd=odd) for odd in (*ASCII, *BEYOND, "%41", "%zz", "%", "{x}"))
    yield from (other + rest for other in (scheme, *SCHEMES) for rest in AUTHORITIES)
