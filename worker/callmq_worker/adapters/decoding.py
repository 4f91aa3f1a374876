"""What surrounds a message's body, from the bytes of an AMQP content header.

The library's own decoder walks over attributes by name and costs ten times as much; it decodes what is rare here.
"""

import datetime as dt
import struct
from collections.abc import Callable
from typing import Any, Final

import pamqp.decode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from callmq_contracts.envelope import Properties

_SIZE: Final = struct.Struct(">Q")
_FLAGS: Final = struct.Struct(">H")
_LENGTH: Final = struct.Struct(">I")
_PROPERTIES: Final = 14  # where they begin: behind class, weight, size and flags
_MORE_FLAGS: Final = 1
_SECONDS_END: Final = 0xFFFFFFFF  # beyond 2106 it can only be milliseconds
_TEXT: Final = ord("S")
# Types of one fixed size; the others are text and what the library decodes.
_FIXED: Final[dict[int, tuple[Callable[..., tuple[Any, ...]], int]]] = {
    ord(kind): (form.unpack_from, form.size)
    for kind, form in (
        ("t", struct.Struct(">?")),
        ("b", struct.Struct(">b")),
        ("B", struct.Struct(">B")),
        ("s", struct.Struct(">h")),
        ("u", struct.Struct(">H")),
        ("I", struct.Struct(">i")),
        ("i", struct.Struct(">I")),
        ("l", struct.Struct(">q")),
        ("L", struct.Struct(">q")),
        ("d", struct.Struct(">d")),
    )
}
# What a decoder raises for bytes that are not what their type says.
_MALFORMED: Final = (ValueError, LookupError, TypeError, ArithmeticError, RecursionError, struct.error)


class UnreadableError(ValueError):
    """The bytes are not what AMQP says they are."""


def body_size(header: bytes) -> int:
    """Return how many bytes of body follow a content header."""
    size: int = _SIZE.unpack_from(header, 4)[0]
    return size


def short(data: bytes, at: int) -> tuple[str, int]:
    """Return the short text that begins at ``at``, and where it ends. Raises ValueError where it is not UTF-8."""
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(), end


def properties(routing_key: str, header: bytes) -> Properties:
    """Return what a content header says. Raises `UnreadableError`, in place of ending the whole connection."""
    try:
        (flags,) = _FLAGS.unpack_from(header, _PROPERTIES - 2)
        if flags & _MORE_FLAGS:
            return _by_library(routing_key, header)
        return _properties(routing_key, header, flags)
    except _MALFORMED as error:
        raise UnreadableError(type(error).__name__) from error


def _properties(routing_key: str, header: bytes, flags: int) -> Properties:
    """Read the properties that there are, in the order of their flags."""
    at = _PROPERTIES
    headers: Any = None
    texts: list[str | None] = [None] * 8
    timestamp = None
    for bit, place in _FIRST_TEXTS:
        if flags & bit:
            texts[place], at = short(header, at)
    if flags & 1 << 13:
        headers, at = _table(header, at)
    at += (flags >> 12 & 1) + (flags >> 11 & 1)  # how persistent, and the priority: of no use here
    for bit, place in _LATER_TEXTS:
        if flags & bit:
            texts[place], at = short(header, at)
    if flags & 1 << 6:
        timestamp, at = _moment(header, at), at + 8
    for bit, place in _LAST_TEXTS:
        if flags & bit:
            text, at = short(header, at)
            if place >= 0:
                texts[place] = text
    if at > len(header):
        raise UnreadableError("cut off")
    content_type, content_encoding, correlation_id, reply_to, expiration, message_id, user_id, app_id = texts
    return Properties(
        routing_key,
        content_type,
        content_encoding,
        message_id,
        correlation_id,
        reply_to,
        app_id,
        user_id,
        _seconds(expiration) if expiration else None,
        timestamp,
        headers or {},
    )


_FIRST_TEXTS: Final = ((1 << 15, 0), (1 << 14, 1))
_LATER_TEXTS: Final = ((1 << 10, 2), (1 << 9, 3), (1 << 8, 4), (1 << 7, 5))
_LAST_TEXTS: Final = ((1 << 5, -1), (1 << 4, 6), (1 << 3, 7), (1 << 2, -1))  # -1: the type and the cluster, not kept


def _table(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """Return a table of headers and where it ends."""
    (length,) = _LENGTH.unpack_from(data, at)
    at += 4
    end = at + length
    table: dict[str, Any] = {}
    while at < end:
        name, at = short(data, at)
        kind = data[at]
        at += 1
        if kind == _TEXT:
            (length,) = _LENGTH.unpack_from(data, at)
            begin, at = at + 4, at + 4 + length
            table[name] = _long(data[begin:at])
        elif kind in _FIXED:
            unpack, size = _FIXED[kind]
            (table[name],) = unpack(data, at)
            at += size
        else:
            consumed, table[name] = pamqp.decode.embedded_value(data[at - 1 :])
            at += consumed - 1
    if at != end:
        raise UnreadableError("a table of another length than it says")
    return table, end


def _long(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text  # what it is not is the contract's business


def _moment(data: bytes, at: int) -> float | None:
    _, moment = lenient_timestamp(data[at : at + 8])
    return moment.timestamp() if moment is not None else None


def _by_library(routing_key: str, data: bytes) -> Properties:
    header = ContentHeader()
    header.unmarshal(data)
    return properties_of(routing_key, header.properties)


def properties_of(routing_key: str | None, told: Basic.Properties) -> Properties:
    """Return what surrounds a message's body, as the library decoded it."""
    timestamp = told.timestamp
    return Properties(
        routing_key=routing_key or "",
        content_type=told.content_type,
        content_encoding=told.content_encoding,
        message_id=told.message_id,
        correlation_id=told.correlation_id,
        reply_to=told.reply_to,
        app_id=told.app_id,
        user_id=told.user_id,
        expiration=_seconds(told.expiration) if told.expiration else None,
        timestamp=timestamp.timestamp() if isinstance(timestamp, dt.datetime) else None,
        headers=told.headers or {},
    )


def _seconds(milliseconds: str) -> float | str:
    try:
        return float(milliseconds) / 1000
    except ValueError:
        return milliseconds  # what it is not is the contract's business


def lenient_timestamp(value: bytes) -> tuple[int, dt.datetime | None]:
    """Decode an AMQP timestamp; one that no calendar has is absent, instead of ending the whole connection."""
    (count,) = _SIZE.unpack(value[0:8])
    seconds = count / 1000 if count > _SECONDS_END else count
    try:
        return 8, dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return 8, None


# One message with such a timestamp would otherwise close the connection of every worker that is handed it.
pamqp.decode.METHODS["timestamp"] = lenient_timestamp
pamqp.decode.TABLE_MAPPING[b"T"] = lenient_timestamp
