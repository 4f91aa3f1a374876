"""RabbitMQ's management HTTP API, for looking only."""

from email.utils import parsedate_to_datetime
from typing import Any, Final, cast
from urllib.parse import quote, unquote, urlsplit

import httpx

from callmq_worker.core.comparison import governed
from callmq_worker.ports import BrokerAwayError

SECONDS: Final = 10.0
_FORBIDDEN: Final = (401, 403)
_REFUSED: Final = 400


class Management:
    """One vhost of one broker, seen through the API. User and password of the URL, else those of the AMQP URL.

    Every call raises `BrokerAwayError` with what to do; neither name nor password is in it.
    """

    def __init__(self, url: str, amqp_url: str) -> None:
        api, amqp = urlsplit(url), urlsplit(amqp_url)
        known = api if api.username else amqp
        user, password = unquote(known.username or "guest"), unquote(known.password or "guest")
        host = api.netloc.rpartition("@")[2]
        self._vhost = vhost_of(amqp_url)
        self._client = httpx.AsyncClient(
            base_url=f"{api.scheme}://{host}{api.path.rstrip('/')}",
            auth=(user, password),
            timeout=SECONDS,
            trust_env=False,
        )
        self.date: float | None = None

    async def overview(self) -> dict[str, Any]:
        """Return what the broker says of itself."""
        return cast("dict[str, Any]", await self._get("/api/overview"))

    async def nodes(self) -> list[dict[str, Any]]:
        """Return the nodes, with their alarms. Needs the tag 'monitoring'."""
        return cast("list[dict[str, Any]]", await self._get("/api/nodes"))

    async def listed(self, kind: str) -> list[dict[str, Any]]:
        """Return all ``exchanges``, ``queues`` or ``bindings`` of the vhost."""
        found = await self._listed(kind)
        if kind != "queues":
            return found
        try:
            return governed(found, await self._listed("policies"), await self._listed("operator-policies"))
        except BrokerAwayError:
            return found  # only the tags 'policymaker' and 'monitoring' may look at policies

    async def _listed(self, kind: str) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", await self._get(f"/api/{kind}/{quote(self._vhost, safe='')}"))

    async def close(self) -> None:
        """Let go."""
        await self._client.aclose()

    async def _get(self, path: str) -> Any:
        try:
            answer = await self._client.get(path)
            self._note_date(answer)
            if answer.status_code in _FORBIDDEN:
                raise BrokerAwayError(
                    f"the management API refuses this user ({answer.status_code}): "
                    "give it the tag 'monitoring', or another user in CALLMQ_MANAGEMENT_URL"
                )
            if answer.status_code >= _REFUSED:
                raise BrokerAwayError(f"the management API answered {answer.status_code}: is CALLMQ_MANAGEMENT_URL it?")
            return answer.json()
        except (httpx.HTTPError, OSError) as error:
            raise BrokerAwayError(
                f"the management API did not answer ({type(error).__name__}): look at CALLMQ_MANAGEMENT_URL"
            ) from error
        except ValueError as error:
            raise BrokerAwayError("what answered is no management API: look at CALLMQ_MANAGEMENT_URL") from error

    def _note_date(self, answer: httpx.Response) -> None:
        try:
            self.date = parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError):
            self.date = None


def vhost_of(amqp_url: str) -> str:
    """Return the vhost of an AMQP URL, ``/`` where it names none."""
    return unquote(urlsplit(amqp_url).path[1:]) or "/"
