"""One call from beginning to end: a payload becomes an invocation, an answer becomes a value or an error.

Everything but ``perform`` is a pure function; an asynchronous client needs only its own ``perform``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

from ._arn import FunctionArn, FunctionName, parse_target
from ._classify import Expectation, failed_answer, no_answer
from ._codec import MisfitError, codec_of, type_name
from ._contract import Contract, split_qualifier
from ._errors import (
    Attempt,
    CallError,
    ContractError,
    InvalidArnError,
    InvalidRequestError,
    RequestTooLargeError,
    ResponseError,
)
from ._invocation import (
    MAX_EVENT_BYTES,
    MAX_REQUEST_BYTES,
    Invocation,
    InvocationType,
    NoAnswerError,
    Outcome,
    Transport,
)
from ._options import CallOptions, checked_text, encode_client_context, seconds, wants_log_tail

Resolver = Callable[[str], str]

_LIMITS: Final = {InvocationType.REQUEST_RESPONSE: MAX_REQUEST_BYTES, InvocationType.EVENT: MAX_EVENT_BYTES}
_VERBS: Final = {InvocationType.REQUEST_RESPONSE: "call", InvocationType.EVENT: "fire"}


class _Unset:
    def __repr__(self) -> str:
        return "<the contract's own>"


UNSET: Final = _Unset()


@dataclass(frozen=True, slots=True)
class Callee:
    """What is called and where: a contract and the address it has here."""

    contract: Contract[Any, Any]
    function: str
    qualifier: str | None

    @property
    def address(self) -> str:
        """The function with its qualifier, as errors name it."""
        return f"{self.function}:{self.qualifier}" if self.qualifier else self.function


@dataclass(frozen=True, slots=True)
class Plan:
    """A call that is ready to be sent."""

    callee: Callee
    invocation: Invocation
    timeout: float | None

    @property
    def expected(self) -> Expectation:
        """What the contract says of errors and idempotence."""
        return Expectation(self.callee.contract.errors, self.callee.contract.idempotent)


@dataclass(frozen=True, slots=True)
class Answer:
    """A success as Lambda reports it, before its payload is read."""

    outcome: Outcome
    attempts: tuple[Attempt, ...]
    elapsed: float


def contract_of(target: object, response: object = UNSET) -> Contract[Any, Any]:
    """Find the contract of a target; a plain address has the one that takes and gives any JSON.

    Raises:
        ContractError: *target* is nothing that can be called, or *response* is given where the contract has it.
    """
    if isinstance(target, str | FunctionArn):
        from pydantic import JsonValue

        answers: Any = JsonValue if response is UNSET else response
        return Contract[Any, Any](target, request=Any, response=answers)
    contract = getattr(target, "contract", None)
    if not isinstance(contract, Contract):
        raise ContractError(
            f"cannot call {type(target).__name__}: it needs a Contract, a handler made by remote, or a name"
        )
    if response is not UNSET:
        raise ContractError(f"{contract!r} says what it answers: response= is for plain names")
    return contract  # pyright: ignore[reportUnknownVariableType]


def locate(
    contract: Contract[Any, Any],
    function: str | FunctionArn | None,
    qualifier: str | None,
    resolve: Resolver | None,
) -> Callee:
    """Find the address of a contract: *function* if given, else its own name as *resolve* has it deployed.

    Raises:
        InvalidArnError: An address or qualifier is nothing that Lambda accepts, or a qualifier is given twice.
    """
    address = _deployed(contract.function, resolve) if function is None else function
    name, named = split_qualifier(address, qualifier, InvalidArnError)
    return Callee(contract, name, named or contract.qualifier)


def _deployed(function: str, resolve: Resolver | None) -> str:
    target = parse_target(function)
    is_name = isinstance(target, FunctionName) and target.account_id is None and target.region is None
    return resolve(function) if resolve is not None and is_name else function


def plan(callee: Callee, payload: object, kind: InvocationType, options: CallOptions) -> Plan:
    """Make a call ready, or refuse it: nothing has been sent yet.

    Raises:
        InvalidRequestError: The payload does not fit the contract, or an option is not what Lambda takes.
        RequestTooLargeError: The payload or the ClientContext is larger than Lambda takes.
        DeadlineExceededError: The timeout leaves no time.
    """
    function = callee.address
    invocation = Invocation(
        function_name=callee.function,
        invocation_type=kind,
        payload=b"" if kind is InvocationType.DRY_RUN else _encoded(callee, payload, kind),
        qualifier=callee.qualifier,
        client_context=encode_client_context(options.get("client_context"), kind, function),
        log_tail=wants_log_tail(options.get("log_tail", False), kind, function),
        tenant_id=checked_text("tenant_id", options.get("tenant_id"), function),
        durable_name=checked_text("durable_name", options.get("durable_name"), function),
    )
    return Plan(callee, invocation, seconds(options.get("timeout"), function))


def perform(transport: Transport, plan: Plan) -> Answer:
    """Send a planned call and wait for its success.

    Raises:
        CallError: Whatever kept the call from succeeding.
    """
    started = monotonic()
    reply: Outcome | NoAnswerError
    try:
        reply = transport.send(plan.invocation, timeout=plan.timeout)
    except NoAnswerError as exc:
        reply = exc
    return judged(plan, reply, monotonic() - started)


def judged(plan: Plan, reply: Outcome | NoAnswerError, elapsed: float) -> Answer:
    """Take a success; raise what any other reply amounts to.

    One attempt makes a call so far; here is where it is decided whether another may follow.
    """
    if isinstance(reply, Outcome):
        error = failed_answer(plan.invocation, reply, plan.expected)
        attempt = Attempt(_name(error), reply.status, reply.request_id, elapsed)
        if error is None:
            return Answer(reply, (attempt,), elapsed)
        raise _told(error, (attempt,), elapsed)
    error = no_answer(plan.invocation, reply, plan.expected)
    raise _told(error, (Attempt(_name(error), None, None, elapsed),), elapsed) from reply.__cause__


def value_of(plan: Plan, answer: Answer) -> Any:
    """Read the answer as the contract types it.

    Raises:
        ResponseError: The function ran, and its answer does not fit the contract.
    """
    contract = plan.callee.contract
    try:
        return codec_of(contract.response).decode(answer.outcome.payload)
    except MisfitError as exc:
        error = ResponseError(
            f"the answer does not fit {type_name(contract.response)}: {exc}",
            function=plan.invocation.function,
            request_id=answer.outcome.request_id,
            errors=exc.details,
        )
    attempts = (replace(answer.attempts[-1], error=ResponseError.__name__),)
    raise _told(error, answer.attempts[:-1] + attempts, answer.elapsed)


def _encoded(callee: Callee, payload: object, kind: InvocationType) -> bytes:
    request = callee.contract.request
    try:
        data = codec_of(request).encode(payload)
    except MisfitError as exc:
        message = f"the payload does not fit {type_name(request)}: {exc}"
        error = InvalidRequestError(message, function=callee.address, errors=exc.details)
    else:
        if len(data) <= _LIMITS[kind]:
            return data
        limit = f"Lambda takes at most {_LIMITS[kind]:,} for {_VERBS[kind]}()"
        message = f"the payload is {len(data):,} bytes of JSON; {limit}: send a reference to it instead"
        raise RequestTooLargeError(message, function=callee.address)
    raise error


def _told(error: CallError, attempts: tuple[Attempt, ...], elapsed: float) -> CallError:
    error.attempts = attempts
    error.elapsed = elapsed
    return error


def _name(error: CallError | None) -> str | None:
    return None if error is None else type(error).__name__
