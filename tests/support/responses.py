"""Responses of Lambda's Invoke, as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

REQUEST_ID: Final = "7f3c1f6e-5a0b-4c53-9d3e-2f1b8a4c6d70"
DATE: Final = "Tue, 25 Nov 2025 12:00:00 GMT"
"""The Date header of each response."""
_HEADERS: Final = {
    "Date": DATE,
    "Content-Type": "application/json",
    "Connection": "keep-alive",
    "x-amzn-RequestId": REQUEST_ID,
    "x-amzn-Remapped-Content-Length": "0",
    "X-Amzn-Trace-Id": "Root=1-6925a3c0-0f2b6f3d5c8b7a1e4d9c2b1a;Parent=1f2e3d4c;Sampled=0;Lineage=1:3e56857a:0",
}


def http_response(status: str, body: bytes = b"", headers: Mapping[str, str | None] | None = None) -> bytes:
    """Serialize a response with the headers that Lambda always sends; a header of ``None`` is left out."""
    fields = {**_HEADERS, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body
