"""RabbitMQ's HTTP API, as far as the demo and the tests need it."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from callmq_demo.faults import BrokerError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_SECONDS = 30.0
_REFUSED = 400
_ABSENT = 404


class Administration:
    """One user with the administrator tag; both URLs carry its name and password.

    ``amqp_url`` is ``amqp://user:password@host:port/...`` (its path is ignored), ``management_url`` is
    ``http://user:password@host:port``. Proxy settings of the environment are not followed.
    """

    def __init__(self, amqp_url: str, management_url: str) -> None:
        self._amqp = urlsplit(amqp_url)
        self._http = urlsplit(management_url)
        user = unquote(self._http.username or "guest")
        password = unquote(self._http.password or "guest")
        self._amqp_user = unquote(self._amqp.username or "guest")
        self._authorization = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Answer with the decoded JSON, or None for an empty body; BrokerError from status 400 up."""
        status, raw = self._exchange(method, path, body)
        if status >= _REFUSED:
            raise BrokerError(f"RabbitMQ answered {status} to {method} {path}: {raw[:300].decode(errors='replace')}")
        return json.loads(raw) if raw else None

    def answers(self) -> bool:
        """Whether the HTTP API works for this user by now: RabbitMQ 4.3 answers 500 to some of it when just started."""
        try:
            return self._exchange("GET", "/api/overview")[0] < _REFUSED
        except (OSError, http.client.HTTPException):
            return False

    def version(self) -> str:
        """Say which RabbitMQ it is: ``3.10.8``."""
        return str(self.call("GET", "/api/overview")["rabbitmq_version"])

    def create_vhost(self, name: str | None = None) -> str:
        """Make a vhost that this user may do anything in; the answer is its AMQP URL."""
        name = name or f"callmq-{secrets.token_hex(6)}"
        self.call("PUT", f"/api/vhosts/{quote(name, safe='')}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self.call(
            "PUT",
            f"/api/permissions/{quote(name, safe='')}/{quote(self._amqp_user, safe='')}",
            everything,
        )
        return self._amqp._replace(path="/" + quote(name, safe="")).geturl()

    def delete_vhost(self, amqp_url: str) -> None:
        """Delete the vhost of this URL with all in it; its connections are closed by the broker. Absent is fine."""
        name = vhost_of(amqp_url)
        path = f"/api/vhosts/{quote(name, safe='')}"
        status, raw = self._exchange("DELETE", path)
        if status >= _REFUSED and status != _ABSENT:
            raise BrokerError(f"RabbitMQ answered {status} to DELETE {path}: {raw[:300].decode(errors='replace')}")

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Lend the AMQP URL of a fresh vhost; it is deleted at the end."""
        amqp_url = self.create_vhost()
        try:
            yield amqp_url
        finally:
            self.delete_vhost(amqp_url)

    def _exchange(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._http.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._http.hostname or "127.0.0.1", self._http.port, timeout=_ANSWER_SECONDS)
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def vhost_of(amqp_url: str) -> str:
    """Name the vhost of an AMQP URL: ``/`` where the URL has no path."""
    return unquote(urlsplit(amqp_url).path[1:]) or "/"
