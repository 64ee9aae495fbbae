"""Amazon's event-stream encoding (``application/vnd.amazon.eventstream``): the one encoder and the one reader.

A message is its total length, the length of its headers, a checksum of both, the headers, the payload, and a checksum
of everything. Every number is big-endian, every length counts bytes, and checksums are CRC-32, as the Smithy
specification "Amazon Event Stream" defines them; botocore's ``EventStreamBuffer`` is the tests' oracle.
Without I/O: the caller feeds what arrives on a connection.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

MAX_HEADERS: Final = 128 * 1024
MAX_PAYLOAD: Final = 24 * 1024 * 1024

_PRELUDE: Final = struct.Struct("!III")
_CHECKSUM: Final = struct.Struct("!I")
# A header value's size in bytes by its type number; the types in _VARIABLE_SIZE have two bytes of length before them.
_FIXED_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_VARIABLE_SIZE: Final = (6, 7)
_STRING: Final = 7


class EventStreamError(Exception):
    """The bytes are not an event stream, were damaged in transit, or report an error of the service."""


class EventStreamMessage(NamedTuple):
    """One message; *headers* holds only the string headers."""

    headers: dict[str, str]
    payload: bytes


class EventStreamReader:
    """Parse messages from pieces of any size.

    >>> data = encode_message({":event-type": "PayloadChunk"}, b"abc")
    >>> reader = EventStreamReader()
    >>> reader.feed(data[:20])
    >>> reader.next() is None
    True
    >>> reader.feed(data[20:])
    >>> reader.next()
    EventStreamMessage(headers={':event-type': 'PayloadChunk'}, payload=b'abc')
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._position = 0

    def feed(self, data: bytes) -> None:
        """Append the bytes that arrived next."""
        # Parsed messages are dropped here and not in next(): once per feed, instead of moving the rest per message.
        del self._buffer[: self._position]
        self._position = 0
        self._buffer += data

    def next(self) -> EventStreamMessage | None:
        """Return the next message; ``None`` if it is not complete yet.

        Raises:
            EventStreamError: The bytes are not an event stream.
        """
        buffer, start = self._buffer, self._position
        length = _message_length(buffer, start)
        if length is None or len(buffer) - start < length:
            return None
        self._position += length
        return _parse_message(bytes(memoryview(buffer)[start : start + length]))


def _message_length(buffer: bytearray, start: int) -> int | None:
    """Return the length of the message at *start*; ``None`` until its prelude has arrived."""
    if len(buffer) - start < _PRELUDE.size:
        return None
    total, headers, checksum = _PRELUDE.unpack_from(buffer, start)
    # Checked before anything is believed: a length from a damaged prelude could make the reader wait for 4 GB.
    if zlib.crc32(memoryview(buffer)[start : start + 8]) != checksum:
        raise EventStreamError("event stream: the checksum of a message's prelude does not match")
    payload = total - headers - _PRELUDE.size - _CHECKSUM.size
    if headers > MAX_HEADERS or not 0 <= payload <= MAX_PAYLOAD:
        raise EventStreamError("event stream: the lengths of a message are not valid")
    return int(total)


def _parse_message(data: bytes) -> EventStreamMessage:
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - 4)
    if zlib.crc32(data[:-4]) != checksum:
        raise EventStreamError("event stream: the checksum of a message does not match")
    _, length, _ = _PRELUDE.unpack_from(data)
    end = _PRELUDE.size + length
    try:
        return EventStreamMessage(_parse_headers(data[_PRELUDE.size : end]), data[end:-4])
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise EventStreamError("event stream: the headers of a message cannot be parsed") from None


def _parse_headers(data: bytes) -> dict[str, str]:
    names = set[str]()
    strings: dict[str, str] = {}
    at = 0
    while at < len(data):
        name, at = _slice(data, at + 1, data[at])
        value_type = data[at]
        if value_type in _VARIABLE_SIZE:
            (size,) = struct.unpack_from("!H", data, at + 1)
            value, at = _slice(data, at + 3, size)
        else:
            value, at = _slice(data, at + 1, _FIXED_SIZES[value_type])
        if name.decode() in names:
            raise EventStreamError("event stream: a message has a duplicate header")
        names.add(name.decode())
        if value_type == _STRING:
            strings[name.decode()] = value.decode()
    return strings


def _slice(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    # A slice beyond the end would silently be shorter.
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Encode a message with string headers."""
    encoded = b"".join(_encode_header(name.encode(), value.encode()) for name, value in headers.items())
    lengths = struct.pack("!II", _PRELUDE.size + len(encoded) + len(payload) + _CHECKSUM.size, len(encoded))
    data = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + encoded + payload
    return data + _CHECKSUM.pack(zlib.crc32(data))


def _encode_header(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + struct.pack("!BH", _STRING, len(value)) + value
