"""Amazon's event-stream encoding: binary messages, one after the other, each with its headers and two checksums.

As the Smithy specification "Amazon Event Stream" lays it down; botocore's ``EventStreamBuffer`` is the tests' oracle.
Without I/O: whoever has a connection feeds what comes out of it.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

MAX_HEADERS: Final = 128 * 1024
MAX_PAYLOAD: Final = 24 * 1024 * 1024

_PRELUDE: Final = struct.Struct("!III")
_CHECKSUM: Final = struct.Struct("!I")
# A header's value by the number of its type: how many bytes it has, or that two bytes say so.
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED: Final = (6, 7)
_TEXT: Final = 7


class BadEventError(Exception):
    """What came is no event stream, or was damaged on its way."""


class Message(NamedTuple):
    """One message; of its headers, those that are texts."""

    headers: dict[str, str]
    payload: bytes


class EventReader:
    """Reads messages, in pieces of any size.

    >>> data = encode({":event-type": "PayloadChunk"}, b"abc")
    >>> reader = EventReader()
    >>> reader.feed(data[:20])
    >>> reader.next() is None
    True
    >>> reader.feed(data[20:])
    >>> reader.next()
    Message(headers={':event-type': 'PayloadChunk'}, payload=b'abc')
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Feed the next bytes."""
        del self._held[: self._at]
        self._at = 0
        self._held += data

    def next(self) -> Message | None:
        """Return the next message; ``None`` if it is not whole yet.

        Raises:
            BadEventError: This is no event stream.
        """
        held, at = self._held, self._at
        total = _length(held, at)
        if total is None or len(held) - at < total:
            return None
        self._at += total
        return _message(bytes(memoryview(held)[at : at + total]))


def _length(held: bytearray, at: int) -> int | None:
    """Return the length of the message that begins at *at*; ``None`` as long as it is not there to be read."""
    if len(held) - at < _PRELUDE.size:
        return None
    total, headers, checksum = _PRELUDE.unpack_from(held, at)
    if zlib.crc32(memoryview(held)[at : at + 8]) != checksum:
        raise BadEventError("a message's prelude does not fit its checksum")
    payload = total - headers - _PRELUDE.size - _CHECKSUM.size
    if headers > MAX_HEADERS or not 0 <= payload <= MAX_PAYLOAD:
        raise BadEventError("a message's lengths cannot be")
    return int(total)


def _message(data: bytes) -> Message:
    (checksum,) = _CHECKSUM.unpack_from(data, len(data) - 4)
    if zlib.crc32(data[:-4]) != checksum:
        raise BadEventError("a message does not fit its checksum")
    _, length, _ = _PRELUDE.unpack_from(data)
    end = _PRELUDE.size + length
    try:
        return Message(_headers(data[_PRELUDE.size : end]), data[end:-4])
    except (IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise BadEventError("a message's headers cannot be read") from None


def _headers(data: bytes) -> dict[str, str]:
    names = set[str]()
    texts: dict[str, str] = {}
    at = 0
    while at < len(data):
        name, at = _taken(data, at + 1, data[at])
        kind = data[at]
        if kind in _COUNTED:
            (size,) = struct.unpack_from("!H", data, at + 1)
            value, at = _taken(data, at + 3, size)
        else:
            value, at = _taken(data, at + 1, _SIZES[kind])
        if name.decode() in names:
            raise BadEventError("a message has a header twice")
        names.add(name.decode())
        if kind == _TEXT:
            texts[name.decode()] = value.decode()
    return texts


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    if at + size > len(data):
        raise IndexError
    return data[at : at + size], at + size


def encode(headers: dict[str, str], payload: bytes) -> bytes:
    """Write a message whose headers are texts."""
    written = b"".join(
        bytes([len(name.encode())]) + name.encode() + b"\x07" + struct.pack("!H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", len(written) + len(payload) + 16, len(written))
    data = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + written + payload
    return data + _CHECKSUM.pack(zlib.crc32(data))
