"""Where our verdict and the endpoint's published description differ: a closed list, each entry with its reason."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

import jsonschema_rs

from callmq_contracts import FieldCode, FieldError


@dataclass(frozen=True)
class Stricter:
    """Something that only we refuse: explains our errors with one of ``codes`` at a path of ``path``.

    ``given`` tells whether what stands there is indeed of that kind.
    """

    name: str
    reason: str
    command: str
    path: str
    codes: tuple[FieldCode, ...]
    given: Callable[[Any], bool] = lambda _value: True

    def explains(self, command: str, error: FieldError) -> bool:
        return bool(
            re.fullmatch(self.command, command) and re.fullmatch(self.path, error.path) and error.code in self.codes
        )


@dataclass(frozen=True)
class Looser:
    """Something that only we accept, told from the mutated places."""

    name: str
    reason: str
    place: Callable[[tuple, object], bool]


BAD, EMPTY, BOUNDS = FieldCode.BAD_FORMAT, FieldCode.EMPTY, FieldCode.OUT_OF_BOUNDS
MISSING, WRONG, NOT = FieldCode.MISSING, FieldCode.WRONG_TYPE, FieldCode.NOT_ALLOWED
PROSE = "said in prose only"
ANY = ".*"


def _no_address(schemes: str) -> Callable[[Any], bool]:
    """Tell what is no ``scheme://host`` without blanks: all that the prose asks for."""

    def judge(value: str) -> bool:
        blank = any(c.isspace() or c == "\ufeff" or unicodedata.category(c) == "Cc" for c in value)
        hosted = re.match(rf"(?i)({schemes})://([^/?#]*@)?+[^/?#:@]", value)
        return blank or not hosted

    return judge


STRICTER = (
    Stricter("dial needs a destination", PROSE, "dial", r"params\.to", (MISSING,)),
    Stricter("destination forms", PROSE, "dial", r"params\.to", (BAD, EMPTY)),
    Stricter("sent digits", PROSE, "dial", r"params\.send_digits", (BAD,)),
    Stricter("codecs as text", "the same words as in the list", "dial", r"params\.codecs", (NOT, EMPTY)),
    Stricter("custom variables", PROSE, "dial", r"params\.custom_variables\..*", (BAD, NOT, EMPTY, BOUNDS)),
    Stricter("status_events without any", "surely not meant", "dial", r"params\.status_events", (EMPTY,)),
    Stricter("empty from", "required text is not empty", "dial", r"params\.from", (EMPTY,)),
    Stricter("empty to_script", "it stands in for a destination", "dial", r"params\.to_script", (EMPTY,)),
    Stricter(
        "web addresses",
        PROSE,
        ANY,
        r".*\.(url|webhook|(web_hook|status|fallback)_url)",
        (BAD, EMPTY),
        _no_address("https?"),
    ),
    Stricter("stream address", PROSE, r"calling\.stream", r"params\.url", (BAD, EMPTY), _no_address("wss")),
    Stricter("empty dest", "required text is not empty", r"calling\.transfer", r"params\.dest", (EMPTY,)),
    Stricter("refer addresses", PROSE, r"calling\.refer", r"params\.device\.params\.(to|from)", (BAD, EMPTY)),
    Stricter("empty control_id", "surely not meant", ANY, r"params\.control_id", (EMPTY,)),
    Stricter("nothing to play", "surely not meant", r"calling\.play", r"params\.play", (EMPTY,)),
    Stricter("empty speech", "surely not meant", r"calling\.play", r"params\.play\[\d+]\.params\.text", (EMPTY,)),
    Stricter("silence lasts", PROSE, r"calling\.play", r"params\.play\[\d+]\.params\.duration", (BOUNDS,)),
    Stricter("recording terminators", PROSE, r"calling\.record", r"params\.record\.audio\.terminators", (BAD,)),
    Stricter("collect needs an input", PROSE, r"calling\.collect", r"params\.digits", (MISSING,)),
    Stricter("collected digits", PROSE, r"calling\.collect", r"params\.digits\.max", (BOUNDS,)),
    Stricter("collect terminators", PROSE, r"calling\.collect", r"params\.digits\.terminators", (BAD,)),
    Stricter(
        "collect times",
        PROSE,
        r"calling\.collect",
        r"params\.(initial|digits\.digit|speech\.(speech|end_silence))_timeout",
        (BOUNDS,),
    ),
    Stricter("detected digits", PROSE, r"calling\.detect", r"params\.detect\.params\.digits", (BAD,)),
    Stricter("tap address", PROSE, r"calling\.tap", r"params\.device\.params\.addr", (BAD, NOT, EMPTY)),
    Stricter("tap socket", PROSE, r"calling\.tap", r"params\.device\.params\.uri", (BAD, EMPTY), _no_address("wss?")),
    Stricter(
        "live bounds",
        PROSE,
        r"calling\.live_.*",
        r"params\.action\.start\.(vad_thresh|debug_level)",
        (BOUNDS,),
    ),
    Stricter(
        "empty languages and messages",
        "required text is not empty",
        r"calling\.live_.*",
        r"params\.action\.(start\.(lang|from_lang|to_lang)|inject\.message)",
        (EMPTY,),
    ),
    Stricter("hold seconds", PROSE, r"calling\.ai_hold", r"params\.timeout", (BAD, EMPTY)),
    Stricter(
        "a message with nothing in it",
        "surely not meant",
        r"calling\.ai_message",
        r"params",
        (EMPTY,),
        lambda params: not (params.get("message_text") or params.keys() & {"reset", "global_data"}),
    ),
    Stricter(
        "empty sidecar texts",
        "required text is not empty",
        r"calling\.ai_sidecar.*",
        r"params\.(prompt\.)?(text|file)|params\.prompt\.pom.*\.body|params\.SWAIG\.functions\[\d+]\.function",
        (EMPTY,),
    ),
)

UNHELD = "numbers that a double would change: whole ones, and those of more than 17 digits"
"""Refused before any model looks, since the endpoint would get another number (see ``literals.py``)."""

_ASCII = "".join(map(chr, range(128)))
_URI = jsonschema_rs.Draft202012Validator({"type": "string", "format": "uri"}, validate_formats=True)
_BRACKETS = re.compile(r"((?:https?|wss?)://(?:[^/?#]*@)?)\[[^]/?#]+\]", re.IGNORECASE)


def _named(value: str) -> str:
    """Return the address with a name in the place of the brackets."""
    return _BRACKETS.sub(r"\1host", value)


_DOCUMENTS = {"swml", "to_script", "dest"}
LOOSER = (
    Looser(
        "the inside of a document",
        "what SWML says is the platform's business and passes untouched",
        lambda path, value: (
            path[1:2] != () and path[1] in _DOCUMENTS and (len(path) > 2 or "sections" in cast("dict", value))
        ),
    ),
    Looser(
        "addresses beyond ASCII",
        "a platform may take what RFC 3986 leaves to RFC 3987; it is not ours to say",
        lambda _path, value: isinstance(value, str) and not value.isascii() and _URI.is_valid(quote(value, _ASCII)),
    ),
    Looser(
        "addresses in brackets",
        "which IPv6 addresses there are takes a pattern longer than all others; nobody sends one by mistake",
        lambda _path, value: isinstance(value, str) and bool(_BRACKETS.match(value)) and _URI.is_valid(_named(value)),
    ),
)
