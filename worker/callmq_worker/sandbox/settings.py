"""What the sandbox is told: where it listens, whom it believes, how its calls go."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any, Final

_NOT_LIVE: Final = frozenset({"host", "port", "project_id", "api_token", "seed", "open_control", "journal_size"})


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """All settings; durations in seconds.

    A dial leaves the queue at ``cps`` dials a second (0: at once); then ``ring_seconds`` pass until it rings,
    ``answer_seconds`` until it is answered, ``talk_seconds`` until it ends. An operation (play, record ...) lasts
    ``operation_seconds``. ``rate_limit`` POSTs are taken every ten seconds (0: all). ``open_control`` lets other
    hosts use the control API, which has no password. ``seed`` makes the call ids the same on each start.
    """

    host: str = "127.0.0.1"
    port: int = 0
    project_id: str = "sandbox"
    api_token: str = "sandbox-token"  # noqa: S105 - the documented default of a stand-in
    cps: float = 1.0
    backlog: int = 10_000
    ring_seconds: float = 0.2
    answer_seconds: float = 1.0
    talk_seconds: float = 300.0
    operation_seconds: float = 2.0
    rate_limit: int = 13_800
    seed: int | None = None
    open_control: bool = False
    journal_size: int = 200_000

    def live(self) -> dict[str, Any]:
        """Return the settings that can be read and changed while it runs."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_LIVE}

    def changed(self, wanted: Mapping[str, Any]) -> "SandboxSettings":
        """Return settings with some live ones changed. Raises ValueError with a sentence for the caller."""
        known = self.live()
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"no setting {name[:64]!r}; there are {', '.join(known)}")
            whole = isinstance(known[name], int)
            number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not number or not isfinite(value) or value < 0:
                raise ValueError(f"{name} must be a {'whole ' if whole else ''}number from 0")
        return replace(self, **wanted)
