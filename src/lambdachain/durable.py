"""Durable functions: calls by contract from ``aws-durable-execution-sdk-python``, as chained invokes and as steps.

``pip install "lambdachain[durable]"`` installs the SDK. A durable function runs from its beginning each time that
Lambda resumes it, and the SDK returns what is recorded for the parts that have run. So the results here, and the
errors, are the same in every run; so are the caller's correlation id, deadline and metadata, which are recorded where
they came in a ClientContext.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

from lambdachain._core.extras import explain_missing

try:
    from aws_durable_execution_sdk_python import DurableContext, InvokeError, StepError
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.durable", "aws-durable-execution-sdk-python", "durable")) from exc

from aws_durable_execution_sdk_python.config import InvokeConfig, StepConfig, StepSemantics
from aws_durable_execution_sdk_python.exceptions import DurableOperationError, SerDesError, StepInterruptedError
from aws_durable_execution_sdk_python.retries import RetryDecision, RetryPresets
from aws_durable_execution_sdk_python.serdes import PassThroughSerDes, SerDes, SerDesContext

from lambdachain import (
    CallError,
    DeadlineExceededError,
    OutcomeUnknownError,
    RemoteFunction,
    RemoteHandler,
    ResponseError,
    current_invocation,
)
from lambdachain._calling.classify import CallSemantics, error_for_outcome
from lambdachain._calling.compiled_call import compile_call
from lambdachain._calling.error_table import FUNCTION_ERRORS, SERVICE_ERRORS
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import Moment, prepare
from lambdachain._calling.target import Target, contract_for, locate
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._core import clock, errors
from lambdachain._core.arn import Address
from lambdachain._core.current_invocation import CurrentInvocation, invocation_scope
from lambdachain._core.invocation import Invocation, InvocationType, Outcome
from lambdachain._json.codec import codec_for, type_name
from lambdachain._json.payload_validation import PayloadValidationError

__all__ = ["invoke", "retry_calls", "step"]

Req = TypeVar("Req")
Resp = TypeVar("Resp")

_INTERRUPTED: Final = f"{StepInterruptedError.__module__}.{StepInterruptedError.__qualname__}"
# The service's own name for what Lambda calls a time-out elsewhere.
_TIMED_OUT: Final = {"ChainedInvoke.Timeout": "Sandbox.Timedout"}


def invoke(
    context: DurableContext,
    contract: HasContract[Req, Resp],
    payload: Req,
    /,
    *,
    name: str | None = None,
    function: Address | None = None,
    tenant_id: str | None = None,
) -> Resp:
    """Invoke a function by its contract with ``context.invoke``: the execution is suspended until it has responded.

    There is no ClientContext in a chained invoke. A contract with ``envelope=True`` sends the correlation id, the
    deadline of the execution's caller and an idempotency key of the operation with the payload; another one sends the
    payload alone.

    Args:
        context: The context of the durable function, or of a child.
        contract: A contract, or a handler made by ``remote``, of a function that is durable or not.
        payload: The request.
        name: The name of the operation in the execution's history.
        function: The address to invoke, in place of the contract's own name.
        tenant_id: The tenant, for a function with tenant isolation.

    Raises:
        CallError: As a call by a client does: a declared error as its class, any other failure of the function as a
            ``FunctionError``, a payload or response that does not fit as ``InvalidRequestError`` or ``ResponseError``,
            and ``DeadlineExceededError`` if the execution's caller no longer waits.
    """
    target = locate(cast("Contract[Req, Resp]", contract_for(contract)), function)
    try:
        with _within(context) as invocation:
            config = InvokeConfig[Any, Any](_RequestSerDes(target, invocation), PassThroughSerDes(), tenant_id)
            recorded = context.invoke(target.address, payload, name, config)
    except InvokeError as exc:
        raise _to_invoke_error(exc, target) from exc
    except SerDesError as exc:
        if isinstance(exc.__cause__, CallError):
            raise exc.__cause__ from None
        raise
    return cast("Resp", _decode_response(target, recorded))


def step(
    context: DurableContext,
    function: RemoteFunction[Req, Resp] | RemoteHandler[Req, Resp],
    payload: Req,
    /,
    *,
    name: str | None = None,
    config: StepConfig | None = None,
) -> Resp:
    """Call a function in a step with ``context.step``: this function waits, and the response is recorded.

    A step that was interrupted runs again only if the contract is ``idempotent``; a call that failed is sent again, in
    later invocations too, only if it is safe to retry. A *config* decides otherwise.

    >>> from lambdachain import Contract, LambdaClient
    >>> price = LambdaClient().bind(Contract("orders-price", request=str, response=int, idempotent=True))
    >>> def handler(event: dict[str, str], context: DurableContext) -> int:
    ...     return step(context, price, event["sku"], name="price")

    Args:
        context: The context of the durable function, or of a child.
        function: What ``client.bind`` returns, with the options of the call, or a handler made by ``remote``.
        payload: The request.
        name: The name of the step, by default the function's name.
        config: The SDK's configuration of a step, except ``serdes``, which is the contract's.

    Raises:
        CallError: What the call raised, as its class. Where only its text is recorded, attributes that are not in it
            are missing. ``OutcomeUnknownError`` if the step was interrupted and may not run again.
    """
    contract = function.contract
    semantics = StepSemantics.AT_LEAST_ONCE_PER_RETRY if contract.idempotent else StepSemantics.AT_MOST_ONCE_PER_RETRY
    chosen = config or StepConfig(retry_strategy=retry_calls, step_semantics=semantics)
    serdes = _ResponseSerDes(contract.response)

    def call(_: object) -> Resp:
        return function.call(payload)

    try:
        # Entered outside the step: it may record the caller's metadata, and a step has no steps in it.
        with _within(context):
            return context.step(call, name or contract.function, dataclasses.replace(chosen, serdes=serdes))
    except StepError as exc:
        error = _to_step_error(exc, contract)
        if error is None:
            raise
        raise error from exc


def retry_calls(error: Exception, attempts_made: int) -> RetryDecision:
    """Retry a step whose call is safe to retry, with the SDK's default pauses: a ``retry_strategy`` of the SDK."""
    if not isinstance(error, CallError) or not error.retryable:
        return RetryDecision.no_retry()
    return RetryPresets.default()(error, attempts_made)


class _RequestSerDes(SerDes[Any]):
    """Encodes a request by its contract. The SDK asks for it once an operation, when it is first started."""

    def __init__(self, target: Target, invocation: CurrentInvocation) -> None:
        self._target = target
        self._invocation = invocation

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:
        key = f"{serdes_context.durable_execution_arn.rpartition('/')[2]}-{serdes_context.operation_id}"
        now = Moment(clock.monotonic(), clock.epoch())
        # The callee may run for longer than this invocation, but not for longer than the caller waits.
        deadline = self._invocation.caller_deadline
        if deadline is not None and deadline <= now.monotonic:
            raise DeadlineExceededError("no time left to send it", function=self._target.address)
        options: CallOptions = {"idempotency_key": key} if self._target.contract.envelope else {}
        # As an event: the same limit of 1 MiB, and the metadata in an envelope.
        compiled = compile_call(self._target, InvocationType.EVENT, options)
        within = self._invocation._replace(deadline=deadline)
        prepared = prepare(compiled, value, within=within, now=now, is_awaited=True)
        return prepared.payload.decode()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:  # noqa: ARG002 - the SDK's name
        return json.loads(data)


class _ResponseSerDes(SerDes[Any]):
    """Encodes a response as the contract's type."""

    def __init__(self, annotation: Any) -> None:
        self._codec = codec_for(annotation)

    def serialize(self, value: Any, serdes_context: SerDesContext) -> str:  # noqa: ARG002 - the SDK's name
        return self._codec.encode(value).decode()

    def deserialize(self, data: str, serdes_context: SerDesContext) -> Any:  # noqa: ARG002 - the SDK's name
        return self._codec.decode(data.encode())


@contextmanager
def _within(context: DurableContext) -> Generator[CurrentInvocation]:
    """Enter the invocation, unless the handler has: branches inherit that."""
    current = current_invocation()
    if current is not None:
        yield current
        return
    with invocation_scope(context) as invocation:
        yield invocation


def _decode_response(target: Target, recorded: str | None) -> Any:
    response, offload = target.contract.response, target.contract.offload
    data = b"null" if recorded is None else recorded.encode()
    if offload is not None:
        from lambdachain._contracts.s3_offload import reference_in

        reference = reference_in(data)
        data = data if reference is None else offload.get(reference)
    try:
        return codec_for(response).decode(data)
    except PayloadValidationError as exc:
        error = ResponseError(
            f"the response does not fit {type_name(response)}: {exc}", function=target.address, errors=exc.details
        )
    raise error


def _to_invoke_error(failure: DurableOperationError, target: Target) -> CallError:
    """Classify what is recorded of a chained invoke as if Lambda had responded with it."""
    kind, message = failure.error_type, failure.message
    if kind in SERVICE_ERRORS:
        outcome = Outcome(status=400, error_code=kind, error_message=message, from_lambda=True)
    else:
        report = {"errorType": _to_error_type(kind), "errorMessage": message, "stackTrace": failure.stack_trace or []}
        outcome = Outcome(status=200, function_error="Unhandled", payload=json.dumps(report).encode())
    contract = target.contract
    error = error_for_outcome(
        Invocation(target.function, qualifier=target.qualifier),
        outcome,
        CallSemantics(contract.errors, contract.idempotent),
    )
    return cast("CallError", error)


def _to_error_type(recorded: str) -> str:
    """Return the name that a runtime reports: a durable function's SDK records the class with its module."""
    if recorded in FUNCTION_ERRORS:
        return recorded
    return _TIMED_OUT.get(recorded) or recorded.rpartition(".")[2]


def _to_step_error(failure: StepError, contract: Contract[Any, Any]) -> Exception | None:
    """Return the error that a step's call raised; ``None`` if it was not one of ours."""
    module, _, name = failure.error_type.rpartition(".")
    message = failure.message or ""
    for declared in contract.errors:
        if declared.__name__ == name:
            return declared.received(message, function=contract.function)
    if failure.error_type == _INTERRUPTED:
        return OutcomeUnknownError(
            "the step was interrupted, and the function may have run", function=contract.function
        )
    known: Callable[[str], Exception] | None = getattr(errors, name, None) if name in errors.__all__ else None
    return known(message) if known is not None and module == "lambdachain" else None
