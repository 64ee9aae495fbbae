"""From a response of the Invoke API to the ``Outcome`` that a client sees, by the reader that the transports use."""

from __future__ import annotations

from lambdachain._core.invocation import Outcome
from lambdachain._transports.invoke_response import read_invoke_response

from .responses import ApiResponse


def to_outcome(response: ApiResponse, request_id: str) -> Outcome:
    """Read a response of the Invoke API, as a transport reads it from the wire."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return read_invoke_response(response.status, {**headers, "x-amzn-requestid": request_id}, response.body)
