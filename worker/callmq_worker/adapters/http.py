"""The way to the endpoint, through a transport of httpx: what left, and what came back, is known for certain."""

import asyncio
import datetime as dt
import email.utils
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import orjson

from callmq_worker.adapters.http1 import Http1Transport
from callmq_worker.adapters.limits import used_up_for
from callmq_worker.core import spans
from callmq_worker.core.outcome import Answer, Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.redact import REDACTED
from callmq_worker.ports import Clock, Leave, Observer, Request

CONNECT_TIMEOUT: Final = 5.0
MAX_ANSWER_BYTES: Final = 1_048_576
_NOT_DONE: Final = 300  # statuses that may say when to come again
MAX_NESTING: Final = 200  # below what can be written for certain
IDLE_SECONDS: Final = 5.0
# Baggage stays in the house: it is the producer's, and the endpoint is somebody else.
TRACE_HEADERS: Final = ("traceparent", "tracestate")
_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (httpx.ConnectTimeout, "connect time-out"),
    (httpx.PoolTimeout, "no free connection in time"),
    (httpx.ConnectError, "no connection"),
    (httpx.ReadTimeout, "no answer in time"),
    (httpx.WriteTimeout, "not taken in time"),
    (httpx.RemoteProtocolError, "answer broke off or was no HTTP"),
    (httpx.ReadError, "connection reset"),
    (httpx.WriteError, "connection reset"),
    (socket.gaierror, "host not found"),
    (ConnectionRefusedError, "connection refused"),
    (ssl.SSLCertVerificationError, "certificate not trusted"),
    (ssl.SSLError, "TLS failed"),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Where one account's commands go, and as whom.

    ``authorization`` is the whole header; ``secrets`` are taken out of answers, which are published and kept.
    """

    name: str
    url: str
    authorization: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False, default=())


class _WithheldError(Exception):
    """Raised inside the transport to stop a request before its first byte."""


@dataclass(slots=True)
class _Passage:
    """What is known of one request on its way."""

    leave: Leave
    left: bool = False

    async def ask(self) -> None:
        if not await self.leave():
            raise _WithheldError


class HttpDispatcher:
    """Sends commands with httpx. Unsafe ones use a fresh connection each, since an idle one may be closing unseen."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        concurrency: int,
        clock: Clock,
        observer: Observer,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Trust the system's authorities, or those of ``context``."""
        self._routes = {name: _Route(account) for name, account in accounts.items()}
        self._clock = clock
        self._observer = observer
        self._transport = Http1Transport(context or ssl.create_default_context(), concurrency, IDLE_SECONDS)

    def renew(self, account: Account) -> None:
        """Use these credentials from the next request on; one that is under way keeps what it began with."""
        self._routes[account.name] = _Route(account)

    async def dispatch(self, request: Request, leave: Leave) -> Answer:
        """Send once and say what is known. Raises only for cancellation."""
        route = self._routes[request.account]
        with self._observer.span("client", lambda: spans.request(route.account.url, request.resend)) as span:
            answer = await self._send(request, route, _Passage(leave))
            if span.recording:
                known, error = spans.answer(answer)
                for attribute, value in known.items():
                    span.set(attribute, value)
                if error is not None:
                    span.fail(error)
            return answer

    async def _send(self, request: Request, route: "_Route", passage: _Passage) -> Answer:
        response = None
        try:
            outgoing = route.outgoing(request, self._observer.headers(), passage)
            async with asyncio.timeout(request.deadline):
                response = await self._transport.handle_async_request(outgoing)
                document, whole = await _read(response, route.account.secrets)
                return self._answered(response, document, whole=whole)
        except _WithheldError:
            return Withheld()
        except TimeoutError:
            return self._ended(response, passage, "no answer in time")
        except Exception as error:  # noqa: BLE001 - whatever it is, what left is known, and the port's law is not to raise
            return self._ended(response, passage, _reason(error))
        finally:
            if response is not None:
                await response.stream.aclose()  # type: ignore[union-attr]

    def _ended(self, response: httpx.Response | None, passage: _Passage, reason: str) -> Answer:
        if response is not None:
            return self._answered(response, None, whole=False)
        return NoAnswer(reason) if passage.left else NotSent(reason)

    def _answered(self, response: httpx.Response, document: Any, *, whole: bool) -> Answered:
        retry_after = None
        if response.status_code >= _NOT_DONE:
            retry_after = parse_retry_after(response.headers.get("retry-after"), self._clock.now())
        limit = used_up_for(response.headers.raw, self._clock.now())
        return Answered(response.status_code, document, retry_after, whole, limit)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.aclose()


class _Route:
    """One account's way: what all of its requests have in common is made once."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._url = httpx.URL(account.url)
        fixed = {
            "Host": self._url.netloc.decode("ascii"),
            "Authorization": account.authorization,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "callmq",
        }
        self._fixed = [(name.encode("ascii"), value.encode("ascii")) for name, value in fixed.items()]

    def outgoing(self, request: Request, trace: Mapping[str, str], passage: _Passage) -> httpx.Request:
        """Return the POST. ValueError where the key or the trace can't be a header."""
        headers = [*self._fixed, (b"Content-Length", b"%d" % len(request.body))]
        headers += [(n.encode("ascii"), trace[n].encode("ascii")) for n in TRACE_HEADERS if n in trace]
        if request.key is not None:
            escaped = request.key.replace("\\", "\\\\").replace('"', '\\"')
            headers.append((b"Idempotency-Key", f'"{escaped}"'.encode("ascii")))
        extensions = {"timeout": {"connect": CONNECT_TIMEOUT}, "fresh": request.fresh, "passage": passage}
        body = httpx.ByteStream(request.body)
        return httpx.Request("POST", self._url, headers=headers, stream=body, extensions=extensions)


async def _read(response: httpx.Response, secrets: tuple[bytes, ...]) -> tuple[Any, bool]:
    """Return the answer's JSON, if any, and whether the body came whole: not so if encoded, since it can't be read."""
    chunks, size = [], 0
    try:
        async for chunk in response.stream:  # type: ignore[union-attr]
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                return None, False
    except httpx.HTTPError:
        return None, False
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        return None, False
    body = b"".join(chunks)
    for secret in secrets:
        body = body.replace(secret, REDACTED.encode())
    try:
        document = orjson.loads(body)
        if body.count(b"[") + body.count(b"{") > MAX_NESTING:
            _ = orjson.dumps({"problem": {"errors": [document]}})  # reads deeper than it writes, and a reply is written
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None, True
    return document, True


def _reason(error: Exception) -> str:
    """Return what happened, a failed connection by its deepest known cause; never an error's text or its address."""
    reason = _named(error) or type(error).__name__
    cause: BaseException | None = error if isinstance(error, httpx.ConnectError) else None
    while cause is not None:
        reason = _named(cause) or reason
        cause = cause.__cause__ or cause.__context__
    return reason


def _named(error: BaseException) -> str | None:
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Return seconds from now for delta-seconds or an HTTP date; None where it is neither or negative."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text.lstrip("0")[:12] or "0"), 10**9))
    try:
        moment = email.utils.parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)  # an HTTP date is always GMT
        return max(0.0, moment.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None
