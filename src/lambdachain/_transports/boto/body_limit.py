"""Bound the body of a response to what Lambda can send; blocking and asynchronous, side by side.

botocore and aiobotocore read a body of any length: a proxy on the way could fill a sandbox's memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from lambdachain._transports.invoke_response import MAX_RESPONSE_BYTES, OversizedResponseError, oversized_message

READ_SIZE: Final = 256 * 1024


def read_body(body: Any, headers: Mapping[str, str]) -> bytes:
    """Read a body to its end.

    Raises:
        OversizedResponseError: It is longer than any response of Lambda.
    """
    # With a length that has been checked, one read is enough: the HTTP client reads no further.
    if check_content_length(headers):
        return bytes(body.read())
    return b"".join(limit_chunks(_read_chunks(body)))


async def read_body_async(body: Any, headers: Mapping[str, str]) -> bytes:
    """Read a body to its end; see ``read_body``."""
    if check_content_length(headers):
        return bytes(await body.read())
    chunks: list[bytes] = []
    left = MAX_RESPONSE_BYTES
    while chunk := await body.read(READ_SIZE):
        chunks.append(chunk)
        left -= len(chunk)
        if left < 0:
            raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES))
    return b"".join(chunks)


def check_content_length(headers: Mapping[str, str]) -> bool:
    """Check the length that a response claims, before any of it is read; return whether it claims one.

    Raises:
        OversizedResponseError: It is longer than any response of Lambda.
    """
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()) or "transfer-encoding" in headers:
        return False
    # int() rejects more than 4,300 digits, with an error of its own.
    if len(length) > 15 or int(length) > MAX_RESPONSE_BYTES:
        raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES, int(length[:15])))
    return True


def limit_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a body's *chunks*, up to the longest response.

    Raises:
        OversizedResponseError: There are more.
    """
    left = MAX_RESPONSE_BYTES
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise OversizedResponseError(oversized_message(MAX_RESPONSE_BYTES))
        yield chunk


def _read_chunks(body: Any) -> Iterator[bytes]:
    while chunk := body.read(READ_SIZE):
        yield chunk
