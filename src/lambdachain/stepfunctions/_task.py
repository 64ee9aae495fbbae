"""A task that calls a function: its ``Retry``, ``Catch``, timeout and payload follow from the contract.

Source: "Invoke an AWS Lambda function with Step Functions"
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from lambdachain._calling.retry import RetryPolicy
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.client_context import encode_client_context
from lambdachain._core.errors import ContractError, RequestRejectedError
from lambdachain._core.metadata import Metadata

from ._error_names import LAMBDA_PREFIX, STATES_PREFIX
from ._limits import MAX_FUNCTION_TIMEOUT, MAX_PAYLOAD, RESULT_OVERHEAD, TIMEOUT_MARGIN
from ._payload import check_payload
from ._query_language import QueryLanguage, set_member
from ._retry import STATE_RETRIES, build_retry

INVOKE: Final = "lambda:invoke"
_ERROR_PATH: Final = "$.error"
_RUNTIME_PREFIXES: Final = (LAMBDA_PREFIX, STATES_PREFIX, "Sandbox.", "Runtime.", "Extension.", "Function.")


def task(
    contract: HasContract[Any, Any],
    /,
    *,
    payload: object = None,
    output: str | None = None,
    catch: Mapping[type[RemoteError] | str, str] | None = None,
    retry: RetryPolicy = STATE_RETRIES,
    function: str | None = None,
    function_timeout: float = MAX_FUNCTION_TIMEOUT,
    query_language: QueryLanguage = "JSONPath",
    next: str | None = None,  # noqa: A002 - the word of ASL
    comment: str | None = None,
) -> dict[str, Any]:
    """Return the state of a task that calls the function of a contract.

    What provably did not run is retried. What may have run, such as ``Lambda.Unknown``, a timeout or an error 500, is
    retried only if the contract is idempotent. No error that the function raised is retried.

    >>> from lambdachain import Contract
    >>> from lambdachain.stepfunctions import task
    >>> double = Contract("orders-double", request=int, response=int)
    >>> state = task(double, next="Report", function_timeout=30)
    >>> state["TimeoutSeconds"], state["Retry"][0]["ErrorEquals"][0]
    (90, 'Lambda.TooManyRequestsException')

    Args:
        contract: The contract, or a handler of ``remote``.
        payload: A path (``"$.order"``), an expression (``"{% ... %}"``) or a template; by default, the whole input.
        output: By default, the response is the output. In JSONPath, a reference path such as ``"$.charge"``, which adds
            it to the input as ``$.charge.Payload``; in JSONata, an expression.
        catch: The next state for each error: a declared class, ``"RequestRejectedError"``, or a name of Lambda or Step
            Functions. The error is added to the input as ``error``; in JSONPath, ``read_error`` reads its fields.
        retry: How often and when to retry; what is retried follows from the contract.
        function: What ``FunctionName`` is, such as ``${ChargeFunctionArn}``; by default the contract's function.
        function_timeout: The function's own ``Timeout`` in seconds. The task waits a minute longer: if it ended before
            the function, the response would be lost.
        query_language: ``"JSONPath"`` or ``"JSONata"``.
        next: The name of the next state; without it, the state is the last.
        comment: A comment for people; by default the contract's description.

    Raises:
        ContractError: The payload does not fit the contract, an error to catch is not declared, Step Functions cannot
            do what the policy says, or responses above Step Functions' limit of 256 KiB are not offloaded.
    """
    declared = contract.contract
    check_payload(declared, payload, query_language)
    _check_offload(declared)
    address = function or get_address(declared)
    catchers = [_build_catcher(declared, error, after, query_language) for error, after in (catch or {}).items()]
    return {
        **begin_state("Task", comment or declared.description, query_language),
        "Resource": to_resource(INVOKE, address),
        **_build_arguments(declared, address, payload, query_language),
        **_build_output(output, query_language),
        "TimeoutSeconds": to_task_timeout(function_timeout),
        **keep_set({"Retry": build_retry(retry, idempotent=declared.idempotent), "Catch": catchers}),
        **end_or_next(next),
    }


def read_error(name: str, /, *, next: str) -> dict[str, dict[str, Any]]:  # noqa: A002 - the word of ASL
    """Return the two states that read the fields of a declared error in JSONPath: a ``Catch`` goes to *name*.

    Step Functions puts what the function sent into ``Cause`` as a JSON text, and the fields are a JSON text in that.
    After both states, the input has ``error`` with ``Error``, the name, and ``Fields``. In JSONata, a ``Catch`` of
    ``task`` reads the fields itself.

    >>> from lambdachain.stepfunctions import read_error
    >>> list(read_error("ReadRefusal", next="AskSupport"))
    ['ReadRefusal', 'ReadRefusalFields']

    Args:
        name: The name of the first state.
        next: The name of the state after both.
    """
    fields = f"{name}Fields"
    return {
        name: {
            "Type": "Pass",
            "Parameters": {"Report.$": f"States.StringToJson({_ERROR_PATH}.Cause)"},
            "ResultPath": _ERROR_PATH,
            "Next": fields,
        },
        fields: {
            "Type": "Pass",
            "Parameters": {
                "Error.$": f"{_ERROR_PATH}.Report.errorType",
                "Fields.$": f"States.StringToJson({_ERROR_PATH}.Report.errorMessage)",
            },
            "ResultPath": _ERROR_PATH,
            "Next": next,
        },
    }


def begin_state(kind: str, comment: str | None, language: QueryLanguage) -> dict[str, Any]:
    """Return the first members of a state; JSONPath is the language of states that do not name one."""
    return {
        "Type": kind,
        **keep_set({"Comment": comment, "QueryLanguage": language if language == "JSONata" else None}),
    }


def keep_set(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that are set: not ``None``, and neither an empty text nor an empty list."""
    return {name: value for name, value in members.items() if value not in (None, "", [])}


def end_or_next(after: str | None) -> dict[str, Any]:
    """Return the members that say which state comes after a state."""
    return {"End": True} if after is None else {"Next": after}


def to_resource(integration: str, address: str) -> str:
    """Return the ARN of a service integration, in the partition of the function's ARN, if it has one.

    >>> to_resource("lambda:invoke", "arn:aws-cn:lambda:cn-north-1:123456789012:function:charge")
    'arn:aws-cn:states:::lambda:invoke'
    """
    partition = address.split(":")[1] if address.startswith("arn:") else "aws"
    return f"arn:{partition}:states:::{integration}"


def to_task_timeout(function_timeout: float) -> int:
    """Return ``TimeoutSeconds`` of a task that calls a function with this timeout.

    Raises:
        ContractError: No function can have this timeout.
    """
    if not 0 < function_timeout <= MAX_FUNCTION_TIMEOUT:
        raise ContractError(
            f"function_timeout must be more than 0 and at most {MAX_FUNCTION_TIMEOUT} seconds, not {function_timeout!r}"
        )
    return math.ceil(function_timeout) + TIMEOUT_MARGIN


def is_catchable(contract: Contract[Any, Any], name: str) -> bool:
    """Check whether a task that calls the function may fail with an error of this name."""
    declared = {error.__name__ for error in contract.errors}
    return name in declared or name == RequestRejectedError.__name__ or name.startswith(_RUNTIME_PREFIXES)


def get_address(contract: Contract[Any, Any]) -> str:
    """Return the function of a contract, with its qualifier."""
    return f"{contract.function}:{contract.qualifier}" if contract.qualifier else contract.function


def _build_arguments(
    contract: Contract[Any, Any], address: str, payload: object, language: QueryLanguage
) -> dict[str, Any]:
    # Not set_member(): a placeholder of a template, ${ChargeFunctionArn}, begins like a path.
    arguments: dict[str, Any] = {"FunctionName": address}
    if contract.offload is not None:
        # Otherwise the function would not know that the next one can read its response from S3.
        metadata = Metadata(correlation_id="", depth=0, offload=True)
        arguments["ClientContext"] = encode_client_context(metadata, {}, address)
    whole_input = "$" if language == "JSONPath" else "{% $states.input %}"
    set_member(arguments, "Payload", whole_input if payload is None else payload, language)
    return {"Parameters" if language == "JSONPath" else "Arguments": arguments}


def _build_output(output: str | None, language: QueryLanguage) -> dict[str, Any]:
    if language == "JSONata":
        return {"Output": "{% $states.result.Payload %}" if output is None else output}
    if output is None:
        return {"OutputPath": "$.Payload"}
    return {"ResultSelector": {"Payload.$": "$.Payload"}, "ResultPath": output}


def _build_catcher(
    contract: Contract[Any, Any], error: type[RemoteError] | str, after: str, language: QueryLanguage
) -> dict[str, Any]:
    name = error if isinstance(error, str) else error.__name__
    declared = {cls.__name__: cls for cls in contract.errors}
    is_foreign = not isinstance(error, str) and declared.get(name) is not error
    if is_foreign or not is_catchable(contract, name):
        known = ", ".join(declared) or "no errors"
        raise ContractError(f"catch: {contract.function} does not declare {name}: its contract has {known}")
    catcher: dict[str, Any] = {"ErrorEquals": [name]}
    if language == "JSONPath":
        catcher["ResultPath"] = _ERROR_PATH
    else:
        report = "$parse($parse($states.errorOutput.Cause).errorMessage)"
        has_fields = name in declared or name == RequestRejectedError.__name__
        found = f'{{"Error": $states.errorOutput.Error, "Fields": {report}}}' if has_fields else None
        catcher["Output"] = f'{{% $merge([$states.input, {{"error": {found or "$states.errorOutput"}}}]) %}}'
    return {**catcher, "Next": after}


def _check_offload(contract: Contract[Any, Any]) -> None:
    limit = MAX_PAYLOAD - RESULT_OVERHEAD
    if contract.offload is None or contract.offload.threshold <= limit:
        return
    raise ContractError(
        f"{contract.function} offloads payloads larger than {contract.offload.threshold:,} bytes, but Step Functions "
        f"fails a task whose result exceeds {MAX_PAYLOAD:,} bytes: use S3Offload(..., threshold={limit:_}) or less"
    )
