"""The events of a streamed response (``InvokeWithResponseStream``), encoded by ``_core.event_stream``."""

from __future__ import annotations

import base64
import json
from typing import Final

from lambdachain._core.event_stream import encode_message

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"


def payload_chunk(payload: bytes) -> bytes:
    """Encode a part of what the function returns."""
    return encode_event("PayloadChunk", "application/octet-stream", payload)


def invoke_complete(error_code: str | None, error_details: str | None, log: bytes | None) -> bytes:
    """Encode the end of the stream, with the function's error and, if the caller asked for it, the log tail."""
    members = {
        "ErrorCode": error_code,
        "ErrorDetails": error_details,
        "LogResult": None if log is None else base64.b64encode(log).decode(),
    }
    present = {name: text for name, text in members.items() if text is not None}
    return encode_event("InvokeComplete", "application/json", json.dumps(present).encode())


def encode_event(event_type: str, content_type: str, payload: bytes) -> bytes:
    """Encode an event with the three headers that Lambda sends."""
    return encode_message({":event-type": event_type, ":content-type": content_type, ":message-type": "event"}, payload)
