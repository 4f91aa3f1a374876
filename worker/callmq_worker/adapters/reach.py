"""Whether an address can be reached: name, connection, TLS handshake. Nothing is sent after it."""

import asyncio
import contextlib
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 5.0
_PORTS: Final = {"https": 443, "http": 80, "grpc": 4317, "amqps": 5671, "amqp": 5672}


class NotReachableError(Exception):
    """Says at which step it ended, and what to look at."""


async def reach(url: str) -> str:
    """Resolve, connect and, for ``https``, shake hands; return what was agreed. Raises `NotReachableError`."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or _PORTS.get(parts.scheme, 80)
    context = ssl.create_default_context() if secure else None
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except socket.gaierror as error:
        raise NotReachableError(f"the name {host} does not resolve: look at the setting and at DNS") from error
    except ssl.SSLCertVerificationError as error:
        why = error.verify_message
        raise NotReachableError(f"the certificate of {host} is not trusted ({why}): look at the host's CAs") from error
    except ssl.SSLError as error:
        raise NotReachableError(f"no TLS with {host}:{port}: is it the right port, or a proxy in between?") from error
    except TimeoutError as error:
        raise NotReachableError(f"{host}:{port} did not answer in {SECONDS:g} s: look at firewall and route") from error
    except (OSError, UnicodeError) as error:
        reason = type(error).__name__
        raise NotReachableError(f"{host}:{port} takes no connection ({reason}): look at firewall and route") from error
    agreed = writer.get_extra_info("ssl_object")
    await _leave(writer)
    return f"{host}:{port} answers" + (f" with {agreed.version()}" if agreed is not None else "")


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):  # it answered, which is all that was asked
        async with asyncio.timeout(1.0):
            await writer.wait_closed()
    writer.transport.abort()


def is_loopback(url: str) -> bool:
    """Say whether a URL stays on this host."""
    return urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
