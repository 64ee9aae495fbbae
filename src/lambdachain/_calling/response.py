"""A success, and its value as the contract types it."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from lambdachain._core.errors import Attempt, ResponseError
from lambdachain._core.invocation import JsonText, Outcome
from lambdachain._json.codec import codec_of, type_name
from lambdachain._json.payload_validation import PayloadValidationError

from .prepared_call import PreparedCall

_IN_S3: Final = b'{"__lambdachain_s3__"'


class Answer(NamedTuple):
    """A success as Lambda reports it, before its payload is read."""

    outcome: Outcome
    attempts: tuple[Attempt, ...]
    elapsed: float


def value_of(plan: PreparedCall, answer: Answer) -> Any:
    """Read the answer as the contract types it.

    Raises:
        ResponseError: The function ran, and its answer does not fit the contract.
    """
    response = plan.callee.contract.response
    try:
        data = _payload(plan, answer)
        value = codec_of(response).decode(data)
    except PayloadValidationError as exc:
        words, details = f"the answer does not fit {_name_of(response)}: {exc}", exc.details
    except _NotThereError as exc:
        words, details = str(exc), ()
    else:
        return JsonText(data) if response is JsonText else value
    error = ResponseError(words, function=plan.callee.address, request_id=answer.outcome.request_id, errors=details)
    *before, last = answer.attempts
    error.attempts = (*before, last._replace(error=ResponseError.__name__))
    error.elapsed = answer.elapsed
    raise error


def _name_of(response: object) -> str:
    """Name a type in a message; text that is kept as it came may hold any JSON."""
    return "JsonValue" if response is JsonText else type_name(response)


class _NotThereError(Exception):
    """The answer is in S3, and cannot be got."""


def _payload(plan: PreparedCall, answer: Answer) -> bytes:
    """Return the answer's payload, wherever it is."""
    data = answer.outcome.payload
    if not data.startswith(_IN_S3):
        return data
    from lambdachain._contracts.s3_offload import OffloadError, reference_in

    reference, offload = reference_in(data), plan.callee.contract.offload
    if reference is None:
        return data
    if offload is None:
        raise _NotThereError(
            "the answer is in S3, and this contract does not say where: it needs offload=S3Offload(...)"
        )
    try:
        return offload.get(reference)
    except OffloadError as exc:
        raise _NotThereError(str(exc)) from exc
