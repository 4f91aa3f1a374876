"""What Python's values can hold and JSON and UTF-8 have no form for."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def is_finite(value: Any) -> bool:
    """Whether a value that orjson takes is free of NaN and infinity, however deep they lie."""
    match value:
        case Enum():
            return is_finite(value.value)
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(map(is_finite, value.values()))
        case list() | tuple():
            return all(map(is_finite, value))
        case _ if is_dataclass(value):
            return all(is_finite(getattr(value, each.name)) for each in fields(value))
        case _:
            return True


def is_utf8(text: str) -> bool:
    """Whether UTF-8 has a form for the text: it has none for a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
