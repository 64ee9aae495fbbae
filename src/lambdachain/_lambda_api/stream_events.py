"""Amazon's event stream encoding (``application/vnd.amazon.eventstream``), as far as response streaming needs it.

A message is its total length, the length of its headers, a checksum of both, the headers, the payload, and a checksum
of everything. Every number is big-endian; checksums are CRC-32; the headers here are all text (type 7).
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Final

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"

_TEXT: Final = 7
_AROUND: Final = 16


def payload_chunk(payload: bytes) -> bytes:
    """Write a part of what the function returns."""
    return _event("PayloadChunk", "application/octet-stream", payload)


def invoke_complete(error_code: str | None, error_details: str | None, log: bytes | None) -> bytes:
    """Write the end of the stream, with what went wrong and the end of the log if the caller asked for it."""
    members = {
        "ErrorCode": error_code,
        "ErrorDetails": error_details,
        "LogResult": None if log is None else base64.b64encode(log).decode(),
    }
    said = {name: text for name, text in members.items() if text is not None}
    return _event("InvokeComplete", "application/json", json.dumps(said).encode())


def _event(kind: str, content_type: str, payload: bytes) -> bytes:
    headers = b"".join(
        _header(name, text)
        for name, text in ((":event-type", kind), (":content-type", content_type), (":message-type", "event"))
    )
    prelude = struct.pack("!II", _AROUND + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def _header(name: str, text: str) -> bytes:
    return bytes([len(name)]) + name.encode() + struct.pack("!BH", _TEXT, len(text)) + text.encode()
