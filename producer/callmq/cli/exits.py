"""How a verb ends."""

from typing import Final

EXIT_OK: Final = 0
EXIT_NO: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141


class UsageError(Exception):
    """Wrong arguments or settings: one line for each of them."""

    def __init__(self, *lines: str) -> None:
        """Keep the lines."""
        super().__init__(" ".join(lines))
        self.lines = lines
