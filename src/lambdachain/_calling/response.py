"""The response to a successful call, and its payload decoded as the contract's type."""

from typing import Any, Final, NamedTuple

from lambdachain._core.errors import Attempt, ResponseError
from lambdachain._core.invocation import JsonText, Outcome
from lambdachain._json.codec import type_name
from lambdachain._json.payload_validation import PayloadValidationError

from .prepared_call import PreparedCall

_OFFLOADED: Final = b'{"__lambdachain_s3__"'


class CallResponse(NamedTuple):
    """The response of Lambda to a call that succeeded; its payload is not decoded yet.

    Attributes:
        outcome: The response.
        attempts: Every attempt, the last one included.
        elapsed: Seconds that the whole call took, to the microsecond.
    """

    outcome: Outcome
    attempts: tuple[Attempt, ...]
    elapsed: float


def decode_response(call: PreparedCall, response: CallResponse) -> Any:
    """Decode the payload as the contract's response type.

    Raises:
        ResponseError: The function ran, and its response does not fit the contract.
    """
    expected = call.compiled.target.contract.response
    try:
        data = _fetch_payload(call, response)
        value = call.compiled.response_codec.decode(data)
    except PayloadValidationError as exc:
        message, details = f"the response does not fit {_type_name(expected)}: {exc}", exc.details
    except _OffloadedResponseError as exc:
        message, details = str(exc), ()
    else:
        return JsonText(data) if expected is JsonText else value
    # Raised outside the except clause: as its context, pydantic's error would show the payload in the traceback.
    error = ResponseError(
        message, function=call.compiled.address, request_id=response.outcome.request_id, errors=details
    )
    *before, last = response.attempts
    error.attempts = (*before, last._replace(error=ResponseError.__name__))
    error.elapsed = response.elapsed
    from .call_log import log_call

    log_call(call, error.attempts, error.elapsed, error)
    raise error


def _type_name(response: object) -> str:
    """Return the name of a response type for a message; JSON that is kept as text may hold any value."""
    return "JsonValue" if response is JsonText else type_name(response)


class _OffloadedResponseError(Exception):
    """The response is in S3 and cannot be fetched."""


def _fetch_payload(call: PreparedCall, response: CallResponse) -> bytes:
    """Return the payload, from S3 if the function has put it there."""
    data = response.outcome.payload
    # Compared as bytes: nearly every response is the payload itself, and is not to be parsed twice.
    if not data.startswith(_OFFLOADED):
        return data
    from lambdachain._contracts.s3_offload import OffloadError, reference_in

    reference, offload = reference_in(data), call.compiled.target.contract.offload
    if reference is None:
        return data
    if offload is None:
        raise _OffloadedResponseError(
            "the response is in S3, and this contract cannot read it: declare Contract(..., offload=S3Offload(...))"
        )
    try:
        return offload.get(reference)
    except OffloadError as exc:
        raise _OffloadedResponseError(str(exc)) from exc
