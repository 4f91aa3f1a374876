"""Text for a terminal."""

from typing import Any, Final

import orjson

_ABSENT: Final = "-"


def plain(value: Any) -> str:
    """Return text that can't steer a terminal: a stranger may have written it."""
    if value is None or value == "":
        return _ABSENT
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
