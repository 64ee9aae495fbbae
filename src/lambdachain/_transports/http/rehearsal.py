"""A rehearsal of a request for ``warm_up()``: written and signed, and a response parsed, without a connection."""

from __future__ import annotations

from typing import Final

from lambdachain._core.invocation import Invocation
from lambdachain._transports.invoke_response import read_invoke_response
from lambdachain._transports.transport_override import WARM_UP

from .request import RequestWriter
from .response import ResponseReader
from .signing import SigningKeys

_RESPONSE: Final = b"HTTP/1.1 200 OK\r\nX-Amz-Executed-Version: 1\r\nContent-Length: 4\r\n\r\nnull"


def rehearse_request(writer: RequestWriter, keys: SigningKeys, now: float) -> None:
    """Write a request, which derives the signing key, and parse a response: code that has run once runs faster."""
    writer.head(Invocation(WARM_UP, payload=b"null"), keys, now)
    reader = ResponseReader()
    reader.feed(_RESPONSE)
    response = reader.response
    read_invoke_response(response.status, response.headers, response.body, complete=response.complete)
