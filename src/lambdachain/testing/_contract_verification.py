"""Verification that a handler fulfils the contract that its callers use."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lambdachain._calling.classify import CallSemantics, error_for_outcome
from lambdachain._calling.target import contract_for
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Invocation
from lambdachain._json.codec import codec_for, type_name
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.invoke_api import invocation_response
from lambdachain._lambda_api.outcomes import to_outcome
from lambdachain._transports.transport_override import StubError

from ._comparison import shorten
from ._compatibility import compatibility
from ._lambda_context import HOME
from ._runtime import FunctionConfig, run

Req = TypeVar("Req")

# Lambda's longest timeout: how long a function may take is not part of its contract.
_MAX_TIMEOUT = 900.0


class UnfulfilledContractError(StubError):
    """A handler does not fulfil the contract that its callers use."""


def assert_handler_fulfils(
    contract: HasContract[Req, Any],
    handler: Callable[[Any, Any], Any],
    *,
    requests: Sequence[Req] = (),
) -> None:
    """Check that a handler fulfils the contract that its callers use, which may come from another repository.

    If the handler was made by ``remote``, its contract is compared with that of the callers: it must accept every
    request that they send, and they must be able to read its responses and errors. Then the handler is invoked with
    each request, serialized to JSON as Lambda delivers it; the result must be a valid response or a declared error.

    >>> from lambdachain import Contract, remote
    >>> double = Contract("orders-double", request=int, response=int)
    >>> @remote(double)
    ... def handler(number: int) -> int:
    ...     return number * 2
    >>> assert_handler_fulfils(double, handler, requests=[0, 21])

    Args:
        contract: The contract that callers use.
        handler: A handler made by ``remote``, or any function of event and context.
        requests: Requests to invoke it with; its side effects are real.

    Raises:
        UnfulfilledContractError: It does not fulfil the contract; the message lists every problem.
        ContractError: *handler* is not callable, or a request is not valid by the contract.
    """
    if not callable(handler):
        raise ContractError(f"{handler!r} is not a handler: pass a function of event and context")
    expected = contract.contract
    problems = [
        *_compare_contracts(expected, handler),
        *(line for one in requests for line in _run(expected, handler, one)),
    ]
    if problems:
        raise UnfulfilledContractError("\n  ".join([f"the handler does not fulfil {expected!r}", *problems]))


def _compare_contracts(expected: Contract[Any, Any], handler: object) -> Iterator[str]:
    """Compare the handler's own contract, if it has one, with that of its callers."""
    if not hasattr(handler, "contract"):
        return
    for change in compatibility(expected, contract_for(handler)):
        for breakage in change.breaks:
            # Callers exist and use their own contract. A breakage that is only possible is not a broken contract yet.
            if breakage.who == "old callers" and breakage.certain:
                yield f"{change.path}: {change.what}; {breakage.why}"


def _run(expected: Contract[Any, Any], handler: Callable[[Any, Any], Any], request: object) -> Iterator[str]:
    """Invoke the handler with one request, and describe what is wrong with the result."""
    try:
        payload = codec_for(expected.request).encode(request)
    except PayloadValidationError as exc:
        raise ContractError(
            f"the request {shorten(request)} is not a valid {type_name(expected.request)}: {exc}"
        ) from None
    request_id, name = str(uuid.uuid4()), parse_target(expected.function).name
    delivery = Delivery(request_id, str(HOME.arn(name)), trace_id="", payload=payload)
    ending = run(handler, delivery, FunctionConfig(name=name, timeout=_MAX_TIMEOUT), caller_timeout=None)
    outcome = to_outcome(invocation_response(ending, log_tail=False), request_id)
    error = error_for_outcome(Invocation(expected.function, payload=payload), outcome, CallSemantics(expected.errors))
    if error is not None and not isinstance(error, RemoteError):
        stack = "".join(json.loads(outcome.payload).get("stackTrace", ())) if outcome.function_error else ""
        yield f"request {shorten(request)}: the handler failed: {error}\n{stack}".rstrip()
    elif error is None:
        yield from _check_response(expected, request, outcome.payload)


def _check_response(expected: Contract[Any, Any], request: object, response: bytes) -> Iterator[str]:
    try:
        codec_for(expected.response).decode(response)
    except PayloadValidationError as exc:
        yield f"request {shorten(request)}: the response is not a valid {type_name(expected.response)}: {exc}"


UnfulfilledContractError.__module__ = "lambdachain.testing"
assert_handler_fulfils.__module__ = "lambdachain.testing"
