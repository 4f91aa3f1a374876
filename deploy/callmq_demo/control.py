"""The sandbox's control API, as far as the demo needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

from callmq_demo.evidence import Request
from callmq_demo.keeper import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from callmq_demo.cases import Scene

_PAGE = 1000
# Longer than the demo: whatever was started on a call still runs when a repeat comes.
_OPERATION_SECONDS = 3600.0


class Control:
    """Use as an async context manager. Raises `NotReadyError` where the sandbox does not answer as it should."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=10.0)

    async def __aenter__(self) -> Self:
        """Have operations last as long as the demo does."""
        await self._say("PATCH", "/settings", {"operation_seconds": _OPERATION_SECONDS})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close."""
        await self._client.aclose()

    async def arm(self, fault: Mapping[str, Any], key: str) -> None:
        """Arm a fault for the next request with a key."""
        await self._say("POST", "/faults", {**fault, "match": {"key": key}})

    async def disarm(self) -> None:
        """Take all faults away and let go what is held back."""
        await self._say("DELETE", "/faults")

    async def set_scene(self, call_id: str, scene: Scene) -> None:
        """Bring a call into a state, with operations that run on it."""
        operations = [{"kind": kind, "control_id": control_id} for kind, control_id in scene.operations]
        await self._say("POST", "/calls", {"id": call_id, "state": scene.state, "operations": operations})

    async def new_call(self) -> str:
        """Make an answered call and return its id."""
        return str((await self._say("POST", "/calls", {"state": "answered"}))["id"])

    async def held(self) -> set[str]:
        """Return the keys of the requests whose answers are held back."""
        entries = (await self._say("GET", f"/journal?limit={_PAGE}"))["entries"]
        return {entry["key"] for entry in entries if entry["fault"] == "hang" and entry["status"] is None}

    async def requests(self) -> tuple[Request, ...]:
        """Return all that was received, in order."""
        entries = (await self._say("GET", f"/journal?limit={_PAGE}"))["entries"]
        return tuple(Request(e["key"], e["command"], e["call_id"], e["acted"]) for e in entries)

    async def _say(self, method: str, path: str, document: Any = None) -> Any:
        try:
            answer = await self._client.request(method, path, json=document)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotReadyError(f"The sandbox did not do {method} {path}: {type(error).__name__}.") from error
