"""The beginning of a streamed response: metadata as JSON, eight null bytes, and then the body.

A runtime marks such a stream with the content type ``application/vnd.awslambda.http-integration-response``, which the
streaming clients of Lambda's runtimes write; a stream without metadata is the body.
"""

from __future__ import annotations

import json
from typing import Final

from lambdachain._lambda_api.proxy_responses import HttpResponse, parse_prelude

DELIMITER: Final = bytes(8)
# API Gateway's limit for the metadata (documented).
MAX_PRELUDE: Final = 16 * 1024


class PreludeParser:
    """Splits a stream into the response's head and its body; fed as the parts arrive.

    >>> parser = PreludeParser()
    >>> parser.feed(b'{"statusCode": 201}')
    (None, b'')
    >>> head, body = parser.feed(DELIMITER + b"made")
    >>> head.status, body
    (201, b'made')
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._is_done = False

    def feed(self, data: bytes) -> tuple[HttpResponse | None, bytes]:
        """Return the head, when it is first known, and the part of the body.

        Raises:
            MalformedProxyResponseError: The metadata are malformed.
        """
        if self._is_done:
            return None, data
        self._buffer += data
        prelude, found, body = self._buffer.partition(DELIMITER)
        if found and prelude.startswith(b"{") and len(prelude) <= MAX_PRELUDE:
            return self._finish(parse_prelude(prelude), body)
        # Hold back only what may still become metadata, so that other streams are not delayed.
        return (None, b"") if self._may_be_prelude() else self.finish()

    def finish(self) -> tuple[HttpResponse | None, bytes]:
        """Return what is left at the end of the stream; the head, unless it was returned before."""
        if self._is_done:
            return None, b""
        head = HttpResponse(200, (("Content-Type", "application/octet-stream"),))
        return self._finish(head, self._buffer)

    def _finish(self, head: HttpResponse, body: bytes) -> tuple[HttpResponse, bytes]:
        self._is_done, self._buffer = True, b""
        return head, body

    def _may_be_prelude(self) -> bool:
        text = self._buffer.rstrip(b"\0")
        if not self._buffer.startswith(b"{") or len(text) > MAX_PRELUDE:
            return not self._buffer
        try:
            _, end = json.JSONDecoder().raw_decode(text.decode(errors="replace"))
        except ValueError:
            return True  # not complete yet
        # A complete object is metadata only if nothing but null bytes follow.
        return end == len(text.decode(errors="replace"))
