"""A handler checked against the contract that its callers hold."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from lambdachain._calling.classify import CallSemantics, failed_answer
from lambdachain._calling.target import contract_of
from lambdachain._contracts.contract import Contract, HasContract
from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.arn import parse_target
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Invocation
from lambdachain._json.codec import codec_of, type_name
from lambdachain._json.payload_validation import PayloadValidationError
from lambdachain._lambda_api.delivery import Delivery
from lambdachain._lambda_api.invoke_api import answer_ending
from lambdachain._lambda_api.outcomes import outcome_of
from lambdachain._transports.transport_override import StubError

from ._comparison import shortened
from ._compatibility import compatibility
from ._lambda_context import HOME
from ._runtime import Settings, run

Req = TypeVar("Req")

_LONGEST = 900.0


class UnfulfilledContractError(StubError):
    """A handler does not do what the contract of its callers says."""


def assert_handler_fulfils(
    contract: HasContract[Req, Any],
    handler: Callable[[Any, Any], Any],
    *,
    requests: Sequence[Req] = (),
) -> None:
    """Check that a handler keeps the contract that its callers hold, which may come from another repository.

    Of a handler made by ``remote``, the contract is compared with that of the callers: whether it reads all that they
    send, answers and raises what they read. Then each request goes through JSON into the handler, as Lambda would
    bring it, and must come to an answer that fits, or to a declared error.

    >>> from lambdachain import Contract, remote
    >>> double = Contract("orders-double", request=int, response=int)
    >>> @remote(double)
    ... def handler(number: int) -> int:
    ...     return number * 2
    >>> assert_handler_fulfils(double, handler, requests=[0, 21])

    Args:
        contract: What callers hold.
        handler: A handler made by ``remote``, or any that takes event and context.
        requests: Requests to run it on; their effects are real.

    Raises:
        UnfulfilledContractError: It does not; the message lists everything that was found.
        ContractError: *handler* is no handler, or a request does not fit the contract itself.
    """
    if not callable(handler):
        raise ContractError(f"{handler!r} is no handler: it must take event and context")
    held = contract.contract
    problems = [*_declared(held, handler), *(line for one in requests for line in _run(held, handler, one))]
    if problems:
        raise UnfulfilledContractError("\n  ".join([f"the handler does not fulfil {held!r}", *problems]))


def _declared(held: Contract[Any, Any], handler: object) -> Iterator[str]:
    """Compare what the handler declares, if anything, with what its callers hold."""
    if not hasattr(handler, "contract"):
        return
    for change in compatibility(held, contract_of(handler)):
        for breakage in change.breaks:
            if breakage.who == "old callers" and breakage.certain:
                yield f"{change.path}: {change.what}; {breakage.why}"


def _run(held: Contract[Any, Any], handler: Callable[[Any, Any], Any], request: object) -> Iterator[str]:
    """Run the handler on one request, and say what its caller could not make use of."""
    try:
        payload = codec_of(held.request).encode(request)
    except PayloadValidationError as exc:
        raise ContractError(f"the request {shortened(request)} does not fit {type_name(held.request)}: {exc}") from None
    request_id, name = str(uuid.uuid4()), parse_target(held.function).name
    delivery = Delivery(request_id, str(HOME.arn(name)), trace_id="", payload=payload)
    ending = run(handler, delivery, Settings(name=name, timeout=_LONGEST), patience=None)
    outcome = outcome_of(answer_ending(ending, log_tail=False), request_id)
    error = failed_answer(Invocation(held.function, payload=payload), outcome, CallSemantics(held.errors))
    if error is not None and not isinstance(error, RemoteError):
        stack = "".join(json.loads(outcome.payload).get("stackTrace", ())) if outcome.function_error else ""
        yield f"on {shortened(request)} it fails: {error}\n{stack}".rstrip()
    elif error is None:
        yield from _misfit(held, request, outcome.payload)


def _misfit(held: Contract[Any, Any], request: object, answer: bytes) -> Iterator[str]:
    try:
        codec_of(held.response).decode(answer)
    except PayloadValidationError as exc:
        yield f"on {shortened(request)} its answer does not fit {type_name(held.response)}: {exc}"
