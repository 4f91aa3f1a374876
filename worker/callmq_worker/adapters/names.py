"""Host names to addresses: one question at a time for a host, and none that the end of the process waits for."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

Found = Sequence[tuple[int, int, int, str, Any]]
BELIEVED: Final = 1.0  # seconds; a resolver of the system may be asked once for each request otherwise


class Names:
    """Asks the system's resolver in a thread of its own. An answer is believed for a second, a failure is not kept."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], asyncio.Future[Found]] = {}

    async def addresses(self, host: str, port: int) -> Found:
        """Return what `socket.getaddrinfo` finds for streams. Raises OSError, or UnicodeError for no name at all."""
        name = (host, port)
        asked = self._asked.get(name)
        if asked is None:
            loop = asyncio.get_running_loop()
            asked = loop.create_future()
            asking = threading.Thread(target=_ask, args=(loop, asked, host, port), name="callmq-names", daemon=True)
            try:
                asking.start()
            except RuntimeError as error:
                raise OSError("no thread to ask for a name") from error
            self._asked[name] = asked
            asked.add_done_callback(lambda found: self._answered(name, found))
        return await asyncio.shield(asked)  # others wait for the same answer

    def _answered(self, name: tuple[str, int], found: "asyncio.Future[Found]") -> None:
        if found.cancelled() or found.exception() is not None:
            del self._asked[name]
        else:
            found.get_loop().call_later(BELIEVED, self._asked.pop, name, None)


def _ask(loop: asyncio.AbstractEventLoop, asked: "asyncio.Future[Found]", host: str, port: int) -> None:
    error: Exception | None = None
    found: Found = ()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as failure:  # noqa: BLE001 - a thread that ends would leave every request waiting
        error = failure

    def tell() -> None:
        if asked.done():
            return
        if error is not None:
            asked.set_exception(error)
        else:
            asked.set_result(found)

    with suppress(RuntimeError):  # the loop was closed: nobody waits any more
        loop.call_soon_threadsafe(tell)
