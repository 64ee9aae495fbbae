"""The outcome of an item as ``map`` returns it: the response in the contract's type, or an error with what is known.

What is known about a failed item is what its last attempt shows. An earlier attempt, of an idempotent contract's retry
or before a redrive, may have run all the same: then ``execution`` is ``UNKNOWN`` where it would be ``NOT_EXECUTED``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from lambdachain._contracts.s3_offload import OffloadError, reference_in
from lambdachain._core.errors import (
    CallError,
    CallTimeoutError,
    Execution,
    NotInvokedError,
    OutcomeUnknownError,
    ResponseError,
)
from lambdachain._core.invocation import JsonText
from lambdachain._json.codec import codec_for, type_name
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain.stepfunctions._failures import to_call_error

from .results import PENDING, SUCCEEDED, ItemOutcome

if TYPE_CHECKING:
    from lambdachain._calling.target import Target

_UNKNOWN: Final = "its child execution ended as {}: the function may still run, or have run"


class OutcomeReader(NamedTuple):
    """Turns the outcomes of items into responses and errors.

    Attributes:
        target: The contract and the address.
        execution: The ARN of the execution, for messages.
    """

    target: Target
    execution: str

    def read(self, outcome: ItemOutcome | None) -> Any:
        """Return the response to an item, or its error.

        >>> from lambdachain import Contract
        >>> from lambdachain._calling.target import locate
        >>> double = Contract("orders-double", request=int, response=int)
        >>> reader = OutcomeReader(locate(double), "arn:aws:states:eu-west-1:123456789012:execution:m:map-1")
        >>> reader.read(ItemOutcome(0, "SUCCEEDED", "4"))
        4
        >>> reader.read(ItemOutcome(1, "PENDING")).execution.name
        'NOT_EXECUTED'
        """
        if outcome is None:
            return self._error(
                OutcomeUnknownError, f"the results of {self.execution} do not have this item: it may have run"
            )
        if outcome.status == SUCCEEDED:
            return self._read_response(outcome.output)
        if outcome.status == PENDING:
            return self._error(NotInvokedError, f"{self.execution} ended before this item was started")
        if outcome.status == "FAILED":
            return self._read_failure(outcome)
        kind = CallTimeoutError if outcome.status == "TIMED_OUT" else OutcomeUnknownError
        return self._error(kind, _UNKNOWN.format(outcome.status))

    def _read_failure(self, outcome: ItemOutcome) -> CallError:
        error = to_call_error(self.target.contract, outcome.error, outcome.cause)
        error.function = self.target.address
        had_other_attempts = outcome.redrives > 0 or self.target.contract.idempotent
        if had_other_attempts and error.execution is Execution.NOT_EXECUTED:
            error.execution = Execution.UNKNOWN
            error.retryable = self.target.contract.idempotent
        return error

    def _read_response(self, output: str | None) -> Any:
        if output is None:
            return self._error(ResponseError, f"the response is not in the results of {self.execution}")
        contract = self.target.contract
        details: Any = ()
        try:
            data = self._fetch(output.encode())
            value = codec_for(contract.response).decode(data)
        except PayloadValidationError as exc:
            message, details = f"the response does not fit {type_name(contract.response)}: {exc}", exc.details
        except OffloadError as exc:
            message = str(exc)
        else:
            return JsonText(data) if contract.response is JsonText else value
        return ResponseError(message, function=self.target.address, errors=details)

    def _fetch(self, data: bytes) -> bytes:
        offload = self.target.contract.offload
        reference = reference_in(data) if offload is not None else None
        return data if offload is None or reference is None else offload.get(reference)

    def _error(self, kind: type[CallError], message: str) -> CallError:
        is_repeatable = kind is NotInvokedError or self.target.contract.idempotent
        return kind(message, function=self.target.address, retryable=is_repeatable and kind is not ResponseError)
