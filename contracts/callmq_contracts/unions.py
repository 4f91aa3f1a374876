"""Unions that look before they check: one wrong item gives one precise error.

A union of pydantic's own tries each branch and reports every failure. Here the branch is chosen by what the value
shows (its JSON type, its ``type``, or which key is there), and only that branch judges.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

_UNDECIDED: Final = "<?>"
TAG: Final = re.compile(r"^<[a-z_?|]+>$")  # tags stand in pydantic's locations; what is told is without them

_NAMES: Final[dict[str, type | tuple[type, ...]]] = {"text": str, "list": list, "object": (dict, BaseModel)}


class _Chosen(ABC):
    """What the three choices share: they say a tag for a value, in the order of the union's branches."""

    def __init__(self, *names: str) -> None:
        """Name the branches, in the union's order."""
        self.names = names

    @abstractmethod
    def tag(self, value: Any) -> str:
        """Return the tag of the branch that judges ``value``."""

    def tags(self) -> Iterable[str]:
        """Return the tags of the branches, in the union's order."""
        return (f"<{name}>" for name in self.names)

    def undecided(self) -> CoreSchema | None:
        """Return the schema that judges what shows no branch."""
        return None

    def refused(self) -> str:
        """Return the sentence for a value that no branch takes."""
        return "must be " + " or ".join(_ARTICLES.get(name, name) for name in self.names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return a tagged union of the branches of ``source``."""
        branches = get_args(source)
        if len(branches) != len(self.names):
            raise TypeError(f"{len(branches)} branches for {self.names}")
        choices: dict[Any, CoreSchema] = {
            tag: handler.generate_schema(branch) for tag, branch in zip(self.tags(), branches, strict=True)
        }
        fallback = self.undecided()
        if fallback is not None:
            choices[_UNDECIDED] = fallback
        return core_schema.tagged_union_schema(
            choices,
            self.tag,
            custom_error_type="wrong_type",
            custom_error_message="{sentence}",
            custom_error_context={"sentence": self.refused()},
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the branches as ``oneOf``."""
        shown: dict[str, Any] = {**schema}
        shown["choices"] = {tag: branch for tag, branch in shown["choices"].items() if tag != _UNDECIDED}
        return handler(shown)


_ARTICLES: Final = {"text": "text", "list": "a list", "object": "an object"}


class ByShape(_Chosen):
    """Chooses by JSON type: ``text``, ``list`` or ``object``."""

    def tag(self, value: Any) -> str:
        """Return the tag of the value's JSON type."""
        for name in self.names:
            if isinstance(value, _NAMES[name]):
                return f"<{name}>"
        return _UNDECIDED


class ByType(_Chosen):
    """Chooses by the word in ``type``. Without a known word, only ``type`` is complained of."""

    def tag(self, value: Any) -> str:
        """Return the tag of the word in ``type``."""
        word = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return f"<{word}>" if isinstance(word, str) and word in self.names else _UNDECIDED

    def undecided(self) -> CoreSchema:
        """Return an object of which only ``type`` is looked at."""
        known = core_schema.typed_dict_field(core_schema.literal_schema(list(self.names)))
        return core_schema.typed_dict_schema({"type": known}, extra_behavior="ignore")


class ByKey(_Chosen):
    """Chooses by which key is there. Without any, the first branch says what it misses.

    A tag is the chosen key and its rivals, such as ``<start|summarize>``: with a rival, it is a conflict.
    """

    def __init__(self, *names: str) -> None:
        """Name the keys, in the order of the union's branches."""
        super().__init__(*names)
        self._tags = {name: f"<{'|'.join((name, *(other for other in names if other != name)))}>" for name in names}

    def tag(self, value: Any) -> str:
        """Return the tag of the first key that is there and not null."""
        shown = value if isinstance(value, dict) else value.__dict__ if isinstance(value, BaseModel) else {}
        for name, tag in self._tags.items():
            if shown.get(name) is not None:
                return tag
        return self._tags[next((name for name in self.names if name in shown), self.names[0])]

    def tags(self) -> Iterable[str]:
        """Return the tags of the branches, in the union's order."""
        return self._tags.values()


def rivals(loc: Sequence[str | int]) -> tuple[str, str] | None:
    """Return the chosen key and its rival, where the key at ``loc`` is one that another branch would have."""
    tag, key = loc[-2] if len(loc) > 1 else "", loc[-1]
    if not isinstance(tag, str) or not TAG.match(tag):
        return None
    chosen, *others = tag[1:-1].split("|")
    return (chosen, str(key)) if key in others else None
