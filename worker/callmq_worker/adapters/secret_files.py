"""Files that hold credentials, looked at again and again: what changed is read once it has come to rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

MOST_BYTES: Final = 65_536
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f]")

Print: TypeAlias = tuple[int, ...] | str


class SecretUnfitError(Exception):
    """A file can't be used: which one, by its setting's name, and why; never what is in it."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(slots=True)
class SecretFiles:
    """The files of one account, by the name of what they hold. A link is followed, and may be set to another file.

    A file may be written in place, and be read half-way. So what differs from the look before is left until the next
    one finds it unchanged.
    """

    paths: Mapping[str, str]
    _taken: Mapping[str, Print] = field(default_factory=dict)
    _seen: Mapping[str, Print] = field(default_factory=dict)

    def look(self) -> Mapping[str, str] | None:
        """Return what all files hold, once after they changed and came to rest; None where nothing is new.

        Blocks for as long as the file system does. Raises `SecretUnfitError`, once for each change to what can't be
        used.
        """
        found = {name: _print(path) for name, path in self.paths.items()}
        rests, self._seen = found == self._seen, found
        if found == self._taken or not rests:
            return None
        try:
            contents = {name: _content(name, path) for name, path in self.paths.items()}
        except SecretUnfitError:
            self._taken = found
            raise
        if found != {name: _print(path) for name, path in self.paths.items()}:
            return None  # written while it was read
        self._taken = found
        return contents


def _print(path: str) -> Print:
    """Return what changes whenever a file does, or why there is none."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(name: str, path: str) -> str:
    try:
        if not Path(path).is_file():  # reading a pipe would never end
            raise SecretUnfitError(name, "is no file")
        with Path(path).open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
        text = content.decode().strip()
    except UnicodeDecodeError:
        raise SecretUnfitError(name, "is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise SecretUnfitError(name, f"can't be read ({type(error).__name__})") from None
    if not text:
        raise SecretUnfitError(name, "is empty")
    if len(content) > MOST_BYTES or _UNFIT.search(text):
        raise SecretUnfitError(name, "is not a single word")
    return text
