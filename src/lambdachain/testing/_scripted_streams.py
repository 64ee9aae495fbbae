"""Scripted responses of functions that stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Outcome
from lambdachain._lambda_api.responses import ApiResponse
from lambdachain._transports.streaming import BufferedStream, ResponseStream, StreamEnd

from ._received_requests import ReceivedRequest
from ._scripted_errors import reply_with_error
from ._scripted_responses import Reply, function_response


@dataclass(frozen=True, slots=True)
class StreamedResponse(ApiResponse):
    """A response that a stream delivers in *pieces*; ``call`` gets the whole body."""

    pieces: tuple[bytes, ...] = ()


def reply_with_stream(contract: Contract[Any, Any], pieces: Sequence[bytes | str | Exception]) -> Reply:
    """Respond with *pieces*; the last one may be the exception that the function raises after the others.

    Raises:
        ContractError: A piece has another type, or a function cannot raise such an exception.
        StubError: The contract does not declare a domain error.
    """
    sent = tuple(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
    failure = sent[-1] if sent and isinstance(sent[-1], Exception) else None
    data = tuple(piece for piece in sent if isinstance(piece, bytes))
    if len(data) + (failure is not None) != len(sent):
        raise ContractError("streams() takes bytes and str, and optionally an exception as the last argument")
    fails = None if failure is None else _reply_with_failure(contract, failure)

    def reply(received: ReceivedRequest, request: Any) -> ApiResponse:
        whole = function_response(received, b"".join(data)) if fails is None else fails(received, request)
        # The whole body as well, because call() may be used for a function that streams.
        return StreamedResponse(whole.status, whole.body, whole.headers, data)

    return reply


def _reply_with_failure(contract: Contract[Any, Any], error: Exception) -> Reply:
    fails, in_function = reply_with_error(contract, error)
    if not in_function:
        raise ContractError(f"streams() cannot end with {type(error).__name__}, no function raises it: use raises()")
    return fails


def to_response_stream(response: ApiResponse, outcome: Outcome) -> ResponseStream:
    """Return the stream of a response."""
    return ScriptedStream(response, outcome) if isinstance(response, StreamedResponse) else BufferedStream(outcome)


class ScriptedStream:
    """A stream of scripted pieces; see ``ResponseStream``."""

    def __init__(self, response: StreamedResponse, outcome: Outcome) -> None:
        # A stream begins before Lambda knows how it ends: an error is in its last event, not in the headers.
        self.outcome = replace(outcome, function_error=None, payload=b"")
        details = outcome.payload.decode() if outcome.function_error else None
        end = StreamEnd(outcome.function_error, details, outcome.log_result)
        pieces: tuple[bytes | StreamEnd, ...] = (*response.pieces, end)
        self._pieces = iter(pieces)

    def read(self) -> bytes | StreamEnd:
        """Return the next piece, or the end of the stream."""
        return next(self._pieces)

    def close(self) -> None:
        """No-op: there is no connection."""
