"""A transport that runs a system of real handlers in this process, with Lambda's semantics."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from lambdachain._contracts.contract import Contract, has_contract
from lambdachain._contracts.s3_offload import OffloadMemory
from lambdachain._core import clock
from lambdachain._core.arn import Address
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.delivery import Delivery, InvocationResult, InvokeRequest
from lambdachain._lambda_api.invoke_api import check_tenant, invocation_response, permitted_response, queued_response
from lambdachain._lambda_api.outcomes import to_outcome
from lambdachain._lambda_api.responses import ApiError, ApiResponse
from lambdachain._transports.argument_checks import describe_object
from lambdachain._transports.transport_override import override_transport, override_transport_in_context

from ._call_log import CallLog, InProcessCall, format_called, to_in_process_call
from ._event_queue import InProcessEventQueue, PendingEvent
from ._in_process_functions import InProcessFunction, InProcessFunctions, Target, find_version
from ._received_requests import check_invocation, location_for
from ._recursion import Chain, current_chain, use_chain
from ._runtime import FunctionConfig, Handler, run

if TYPE_CHECKING:
    from types import TracebackType

Edge = tuple[str | None, str, InvocationType]

_QUEUED: Final = 202
_NOT_FOUND: Final = "ResourceNotFoundException"


class InProcessTransport:
    """Run functions in this process as Lambda would: a system of real handlers, tested in milliseconds.

    Requests and responses are serialized to JSON, handlers get a context whose remaining time runs down, exceptions
    become function errors, and names, sizes and qualifiers are checked as by Lambda. Each invocation runs in a thread
    of its own and does not see the context variables of its caller. While a handler runs, all its clients call through
    the same transport; a call from a thread that the handler starts counts as a call of the test itself, unless the
    thread runs in a copy of the handler's context (``contextvars.copy_context``).

    >>> from lambdachain import LambdaClient, remote
    >>> @remote("double")
    ... def double(number: int) -> int:
    ...     return number * 2
    >>> with InProcessTransport({double: double}) as system:
    ...     LambdaClient().call(double, 21)
    42
    >>> system.calls
    (call double <- 21: 42,)

    As a context manager it receives every call that would go to AWS, in all threads; passed to a client, those of the
    client.

    An event (``fire``) is delivered when the outermost call, from outside any handler, is about to return. After a
    failure it is delivered again 60 s later and another 120 s later, as by Lambda, but on a virtual clock: nothing
    waits. Events that fail each time are in ``discarded``.

    Args:
        functions: Handlers by contract, by decorated handler, or by name or ARN. The qualifier of a contract or name is
            a version or alias of the function; calls without a qualifier go to the handler without one, or else to the
            one added last. A name is the function in any account and region, an ARN in its own.
        timeout: The default timeout of functions in seconds: 3, as on AWS.
        memory: The default memory in MB, for the context.
        hold_events: Hold events until ``deliver()`` is called.

    Raises:
        ContractError: An address has two handlers, or a handler is not callable.
        InvalidArnError: Lambda would not accept a name.
    """

    def __init__(
        self,
        functions: Mapping[Any, Handler] | None = None,
        *,
        timeout: float = 3.0,
        memory: int = 128,
        hold_events: bool = False,
    ) -> None:
        if functions is not None and not isinstance(functions, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ContractError(
                f"functions must map names or contracts to handlers, not {type(functions).__name__}: "
                "InProcessTransport({contract: handler}), or add(handler)"
            )
        _check_numbers(timeout, memory, None)
        # A test with moto or LocalStack wants to see its payloads in S3; without them there is no S3 to use.
        self.offload_memory = OffloadMemory(yields_to_s3=True)
        self._timeout = timeout
        self._memory = memory
        self._hold_events = hold_events
        self._functions = InProcessFunctions()
        self._log = CallLog()
        self._discarded: list[InProcessCall] = []
        self._edges: set[Edge] = set()
        self._events = InProcessEventQueue()
        self._stack = ExitStack()
        for target, handler in (functions or {}).items():
            self.add(target, handler)

    def add(
        self,
        target: Target,
        handler: Handler | None = None,
        *,
        timeout: float | None = None,
        memory: int | None = None,
        reserved_concurrency: int | None = None,
        tenant_isolation: bool = False,
    ) -> None:
        """Deploy a function: a decorated handler, or any handler at a contract, name or ARN.

        >>> system = InProcessTransport()
        >>> system.add("legacy", lambda event, context: event["amount"], timeout=30)

        Args:
            target: A handler made by ``remote``, or the address of *handler*.
            handler: A function of event and context; by default, *target* itself.
            timeout: The timeout in seconds; by default that of the transport.
            memory: The memory in MB, for the context.
            reserved_concurrency: The number of concurrent calls; further ones are throttled, and 0 throttles all.
            tenant_isolation: Whether each call needs a tenant id; calls of other functions must not have one. Tenants
                still share this process.

        Raises:
            ContractError: The address already has a handler, or *handler* is not callable.
            InvalidArnError: Lambda would not accept the name.
            ValueError: A number is out of range.
        """
        passed: Any = target
        function: Any = passed if handler is None else handler
        if callable(passed) and isinstance(function, Address | Contract):
            raise ContractError(f"the name comes first: add({function!r}, handler)")
        if not callable(function):
            raise ContractError(f"{target!r} is not a handler: pass one as well, add({target!r}, handler)")
        if not isinstance(target, Address) and not has_contract(target):
            raise ContractError(f'{describe_object(target)} is not a contract, a name or an ARN: add("name", handler)')
        timeout = self._timeout if timeout is None else timeout
        memory = self._memory if memory is None else memory
        _check_numbers(timeout, memory, reserved_concurrency)
        self._functions.add(
            target,
            function,
            timeout=timeout,
            memory=memory,
            reserved_concurrency=reserved_concurrency,
            tenant_isolation=tenant_isolation,
        )

    def __reduce__(self) -> NoReturn:
        raise ContractError(
            "cannot pickle or copy InProcessTransport: its handlers, calls and events belong to this process. Create "
            "one, and its clients, where they are used"
        )

    def lose_answers(self, target: Target, *, times: int = 1) -> None:
        """Lose the next *times* responses of a function after it ran: an idempotent function must tolerate the retry.

        For an event, the receipt is lost: the event is queued, and its caller does not know.

        Raises:
            ContractError: There is no such function.
        """
        self._functions.find(target).responses_to_lose = times

    @property
    def calls(self) -> tuple[InProcessCall, ...]:
        """Every invocation and its outcome, in order of their start; each delivery of an event is an entry."""
        return tuple(self._log)

    @property
    def discarded(self) -> tuple[InProcessCall, ...]:
        """The last delivery of each event that was discarded; on AWS it would go to a dead-letter queue."""
        return tuple(self._discarded)

    @property
    def graph(self) -> frozenset[Edge]:
        """Who called whom, and how: ``(caller, callee, type)``, the caller ``None`` for the test itself."""
        return frozenset(self._edges)

    def deliver(self, seconds: float | None = None) -> int:
        """Deliver events, and their retries, as if *seconds* had passed; by default, until the queue is empty.

        Returns:
            The number of deliveries.
        """
        until = None if seconds is None else self._events.now + seconds
        count = 0
        while (event := self._events.take(until)) is not None:
            self._deliver(event)
            count += 1
        return count

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Run the function, or queue the event; see ``Transport.send``."""
        chain = current_chain()
        if chain.is_over:
            # The calling handler has timed out, so on Lambda this code would not run: end its thread here.
            raise SystemExit
        result = self._invoke(invocation, chain, timeout)
        # Only the outermost call delivers: on Lambda, too, an event runs independently of the handler that fired it.
        if chain.system is not self and not self._hold_events:
            self.deliver()
        # Events are delivered even if the response is lost: they are in the queue already.
        if isinstance(result, NoAnswerError):
            raise result
        return result

    def pause(self, seconds: float) -> None:
        """Skip the delay between two attempts."""
        clock.skip(seconds)

    def close(self) -> None:
        """No-op: there are no connections."""

    def describe(self) -> str:
        """Return the calls and their outcomes, one per line; at the end, what to do if a function was not found."""
        lines = [*map(repr, self._log)]
        missing = {format_called(call) for call in self._log if call.error_type == _NOT_FOUND}
        if missing:
            names = ", ".join(sorted(missing))
            lines.append(f"not in this system: {names}: deploy each with add(handler); {self._functions}")
        return "\n".join(lines) or "no calls"

    def __enter__(self) -> Self:
        self._stack.enter_context(override_transport(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def __repr__(self) -> str:
        return f"InProcessTransport({self._functions})"

    def _invoke(self, invocation: Invocation, chain: Chain, timeout: float | None) -> Outcome | NoAnswerError:
        request_id = str(uuid.uuid4())
        log_call = self._log.begin()
        try:
            invoke, function = self._read(invocation, request_id)
            self._edges.add((chain.caller, invoke.function, invoke.invocation_type))
            response = self._respond(invocation, invoke, function, chain, timeout)
        except ApiError as exc:
            response, function = exc.response, None
        except NoAnswerError as exc:
            lost = Outcome(0, error_code="NoAnswer", error_message=str(exc), request_id=request_id)
            log_call(to_in_process_call(invocation, lost, caller=chain.caller))
            return exc
        outcome = to_outcome(response, request_id)
        # The log has one entry for each run of a function, and an accepted event has not run yet.
        if outcome.status != _QUEUED:
            log_call(to_in_process_call(invocation, outcome, caller=chain.caller))
        if function is not None and function.take_lost_response():
            return NoAnswerError(
                "the response was lost, as requested by lose_answers()", progress=Progress.PERHAPS_SENT
            )
        return outcome

    def _read(self, invocation: Invocation, request_id: str) -> tuple[InvokeRequest, InProcessFunction]:
        location = location_for(invocation)
        functions = self._functions.find_versions(invocation.function_name, location)
        # Every function on AWS has $LATEST, also if the test added only versions and aliases.
        qualifiers = {function.name: {LATEST, *(each.qualifier for each in functions)} for function in functions}
        invoke = check_invocation(invocation, request_id=request_id, location=location, functions=qualifiers)
        function = find_version(functions, invoke.delivery.invoked_arn)
        check_tenant(invoke.delivery.tenant_id, isolated=function.tenant_isolation)
        return invoke, function

    def _respond(
        self,
        invocation: Invocation,
        invoke: InvokeRequest,
        function: InProcessFunction,
        chain: Chain,
        timeout: float | None,
    ) -> ApiResponse:
        if invoke.invocation_type is InvocationType.DRY_RUN:
            return permitted_response()
        if invoke.invocation_type is InvocationType.EVENT:
            self._events.fire(invocation, invoke.delivery.request_id, chain)
            return queued_response()
        config, ending = self._run(function, invoke.delivery, chain, caller_timeout=timeout)
        return invocation_response(ending, log_tail=invoke.log_tail, version=config.version)

    def _run(
        self,
        function: InProcessFunction,
        delivery: Delivery,
        chain: Chain,
        *,
        caller_timeout: float | None,
        waits: bool = False,
    ) -> tuple[FunctionConfig, InvocationResult]:
        if chain.exceeds_loop_limit(function.name):
            raise responses.looped(delivery.invoked_arn)
        config = function.config_for(delivery.invoked_arn)
        release = function.concurrency.acquire(function.timeout, waits=waits)
        # The client at module scope in a handler's file finds this transport by the context of the handler's thread.
        with override_transport_in_context(self), use_chain(chain.extend(function.name, self, function.timeout)):
            return config, run(function.handler, delivery, config, caller_timeout=caller_timeout, ended=release)

    def _deliver(self, event: PendingEvent) -> None:
        log_call = self._log.begin()
        invoke, function = self._read(event.invocation, event.request_id)
        try:
            config, ending = self._run(function, invoke.delivery, event.chain, caller_timeout=None, waits=True)
        except ApiError as exc:  # a loop, or a concurrency limit of 0: Lambda does not retry either
            response, failed, retry = exc.response, True, None
        else:
            response, failed = invocation_response(ending, log_tail=False, version=config.version), ending.failed
            retry = event.next_delivery() if failed else None
        outcome = to_outcome(response, event.request_id)
        call = to_in_process_call(
            event.invocation, outcome, caller=event.chain.caller, attempt=event.attempt, at=event.state.age
        )
        log_call(call)
        if retry is not None:
            self._events.put(retry)
        elif failed:
            self._discarded.append(call)


def _check_numbers(timeout: float, memory: int, reserved_concurrency: int | None) -> None:
    """Raise for a configuration that no function can have.

    Raises:
        ContractError: A value is not a number.
        ValueError: A number is out of range.
    """
    for name, value in (("timeout", timeout), ("memory", memory), ("reserved_concurrency", reserved_concurrency)):
        number: Any = 0 if value is None and name == "reserved_concurrency" else value
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ContractError(f"{name} must be a number, not {type(number).__name__}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    if memory <= 0:
        raise ValueError(f"memory must be more than 0 MB, not {memory!r}")
    if reserved_concurrency is not None and reserved_concurrency < 0:
        raise ValueError(f"reserved_concurrency must be 0 or more, not {reserved_concurrency!r}")


InProcessTransport.__module__ = "lambdachain"
