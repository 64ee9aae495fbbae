"""A failed task or child execution, as the error that a call of this package would have raised."""

from __future__ import annotations

import re
from typing import Any, Final

from lambdachain._calling.classify import CallSemantics, error_for_outcome
from lambdachain._calling.error_table import Retryability
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._core.errors import (
    CallError,
    CallFacts,
    Execution,
    FunctionError,
    FunctionErrorFacts,
    ResponseTooLargeError,
)
from lambdachain._core.invocation import Invocation, Outcome

from ._error_names import LAMBDA_PREFIX, STATES_PREFIX, find_rule, to_service_code
from ._limits import MAX_PAYLOAD

TOO_LARGE: Final = "States.DataLimitExceeded"
# What follows in a cause may quote an input, a response or a value of the execution's data.
_QUOTED_DATA: Final = re.compile(r"[\[{\"]|'[\[{\"]|\bin the input\b|\bvalue\b|\bReturned payload\b", re.IGNORECASE)
_REQUEST_ID: Final = re.compile(r"Request ID: ([0-9a-zA-Z-]+)")


def to_call_error(contract: HasContract[Any, Any], error: str | None, cause: str | None, /) -> CallError:
    """Return the failure of a task, or of a child execution, as the error that a call would have raised.

    A declared error comes with its fields; ``execution`` says whether the function ran.

    >>> from lambdachain import Contract
    >>> from lambdachain.stepfunctions import to_call_error
    >>> double = Contract("orders-double", request=int, response=int)
    >>> failed = to_call_error(double, "Lambda.TooManyRequestsException", "Rate Exceeded.")
    >>> type(failed).__name__, failed.execution.name
    ('ThrottledError', 'NOT_EXECUTED')

    Args:
        contract: The contract of the function that the task calls.
        error: ``Error``, as Step Functions reports it.
        cause: ``Cause``: what the function sent, as a JSON text, or a sentence.
    """
    declared = contract.contract
    name, cause = error or "", cause or ""
    if name == TOO_LARGE:
        return _make_too_large_error(declared, cause)
    if not name.startswith((LAMBDA_PREFIX, STATES_PREFIX)) or to_service_code(name) is not None:
        return _make_error_of_call(declared, name, cause)
    rule = find_rule(name)
    facts = CallFacts(
        function=declared.function,
        execution=rule.execution,
        retryable=rule.retry is Retryability.IDEMPOTENT and declared.idempotent,
    )
    return rule.error(f"{name}: {describe_cause(cause)}".removesuffix(": "), **facts)


def _make_error_of_call(contract: Contract[Any, Any], name: str, cause: str) -> CallError:
    """Classify what Lambda responded, as if a client had received it."""
    invocation = Invocation(contract.function, qualifier=contract.qualifier)
    code = to_service_code(name)
    found = _REQUEST_ID.search(cause)
    outcome = (
        Outcome(200, cause.encode(errors="replace"), function_error="Unhandled")
        if code is None
        else Outcome(500, error_code=code, error_message=cause, request_id=found and found[1])
    )
    failed = error_for_outcome(invocation, outcome, CallSemantics(contract.errors, contract.idempotent))
    # A response with a function error, or with such a status, always is an error.
    return failed or FunctionError(name, function=contract.function)


def _make_too_large_error(contract: Contract[Any, Any], cause: str) -> CallError:
    # The limit is the same for input and result; the cause says which exceeded it.
    has_run = "returned a result" in cause
    what = "response" if has_run else "state"
    message = (
        f"{TOO_LARGE}: the {what} exceeds {MAX_PAYLOAD:,} bytes: "
        "declare Contract(..., offload=S3Offload(..., threshold=...)) with a threshold below that"
    )
    execution = Execution.EXECUTED if has_run else Execution.UNKNOWN
    facts = FunctionErrorFacts(
        function=contract.function, execution=execution, retryable=False, error_type=TOO_LARGE, error_message=cause
    )
    return ResponseTooLargeError(message, **facts)


def describe_cause(cause: str) -> str:
    """Return the part of a cause that does not quote the data of an execution.

    >>> describe_cause("The JSONPath '$.id' could not be found in the input '{...}'")
    "The JSONPath '$.id' could not be found ..."
    >>> describe_cause("Access Denied")
    'Access Denied'
    """
    found = _QUOTED_DATA.search(cause)
    if found is None:
        return cause
    start = cause[: found.start()].rstrip()
    return f"{start} ..." if start else ""
