"""AMQP 0-9-1 frames that this worker writes for each command: a publication, a question for one, the end of a delivery.

The library's own encoder walks over attributes by name and costs ten times as much; it decodes, and encodes the rest.
"""

import struct
from collections.abc import Mapping
from typing import Any, Final

from pamqp import encode

from callmq_worker.core.publications import Publication

LARGEST: Final = 131_072  # bytes of a frame, where the broker sets no limit
_PERSISTENT: Final = 2
_END: Final = b"\xce"
_FRAME: Final = struct.Struct(">BHI")
_PUBLISH: Final = struct.Struct(">BHIHHH")
_CONTENT: Final = struct.Struct(">BHIHHQH")
_SETTLE: Final = struct.Struct(">BHIHHQBB")
_LONG: Final = struct.Struct(">I")
_MOMENT: Final = struct.Struct(">Q")
_METHOD, _HEADER, _BODY = 1, 2, 3
_BASIC: Final = 60
_PUBLISH_METHOD, _GET_METHOD, _ACK_METHOD, _NACK_METHOD = 40, 70, 80, 120
_MANDATORY: Final = b"\x01"
_OPTIONAL: Final = b"\x00"
_REQUEUE: Final = 2
_OVERHEAD: Final = 8  # of a frame: its header and its end
_LONGEST: Final = 255  # bytes of a short string


def publication(message: Publication, message_id: str, channel: int, largest: int) -> bytes:
    """Return the frames of a persistent publication; ``largest`` is the connection's frame size in bytes.

    Raises ValueError for a short text over 255 bytes, and whatever the library raises for a header it has no type for.
    """
    addressed = _short(message.exchange) + _short(message.routing_key)
    addressed += _MANDATORY if message.mandatory else _OPTIONAL
    flags, properties = _properties(message, message_id)
    body, part = message.body, largest - _OVERHEAD
    frames = [
        _PUBLISH.pack(_METHOD, channel, 6 + len(addressed), _BASIC, _PUBLISH_METHOD, 0),
        addressed + _END,
        _CONTENT.pack(_HEADER, channel, 14 + len(properties), _BASIC, 0, len(body), flags),
        properties + _END,
    ]
    for begin in range(0, len(body), part):
        chunk = body[begin : begin + part]
        frames += [_FRAME.pack(_BODY, channel, len(chunk)), chunk, _END]
    return b"".join(frames)


def get(channel: int, queue: str) -> bytes:
    """Return the frame that asks for one message of a queue, to be settled."""
    named = _short(queue) + b"\x00"
    return _PUBLISH.pack(_METHOD, channel, 6 + len(named), _BASIC, _GET_METHOD, 0) + named + _END


def acknowledged(channel: int, tag: int) -> bytes:
    """Return the frame that ends one delivery, and no other."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, _ACK_METHOD, tag, 0, _END[0])


def given_back(channel: int, tag: int) -> bytes:
    """Return the frame that puts one delivery back into its queue, and no other."""
    return _SETTLE.pack(_METHOD, channel, 13, _BASIC, _NACK_METHOD, tag, _REQUEUE, _END[0])


def _properties(message: Publication, message_id: str) -> tuple[int, bytes]:
    """Return the flags of the properties that there are, and these in the order of their flags."""
    flags, parts = 0, []
    if message.content_type:
        flags |= 1 << 15
        parts.append(_short(message.content_type))
    if message.headers:
        flags |= 1 << 13
        parts.append(_table(message.headers))
    flags |= 1 << 12
    parts.append(bytes((_PERSISTENT,)))
    for bit, text in ((10, message.correlation_id), (9, message.reply_to), (7, message_id)):
        if text:
            flags |= 1 << bit
            parts.append(_short(text))
    if message.timestamp is not None:
        flags |= 1 << 6
        parts.append(_MOMENT.pack(int(message.timestamp)))
    for bit, text in ((5, message.type), (4, message.user_id), (3, message.app_id)):
        if text:
            flags |= 1 << bit
            parts.append(_short(text))
    return flags, b"".join(parts)


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > _LONGEST:
        raise ValueError("a short text of AMQP has at most 255 bytes")
    return bytes((len(encoded),)) + encoded


def _table(headers: Mapping[str, Any]) -> bytes:
    fields = []
    for name, value in headers.items():
        fields.append(_short(name))
        if type(value) is str:
            encoded = value.encode()
            fields += (b"S", _LONG.pack(len(encoded)), encoded)
        else:
            fields.append(encode.encode_table_value(value))
    table = b"".join(fields)
    return _LONG.pack(len(table)) + table
