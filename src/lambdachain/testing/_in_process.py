"""A whole system of real handlers in one process, with Lambda's semantics."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self

from lambdachain._contracts.s3_offload import OffloadMemory
from lambdachain._core import clock
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress
from lambdachain._lambda_api import responses as answers
from lambdachain._lambda_api.aws_location import LATEST
from lambdachain._lambda_api.delivery import Delivery, Ending, InvokeRequest
from lambdachain._lambda_api.invoke_api import answer_ending, answer_permitted, answer_queued, check_tenant
from lambdachain._lambda_api.outcomes import outcome_of
from lambdachain._lambda_api.responses import Answer, RefusedError
from lambdachain._transports.transport_override import override_transport, override_transport_in_context

from ._call_log import InProcessCall, Record, record_of
from ._event_queue import Event, InProcessEventQueue
from ._in_process_functions import Deployments, Function, Target, chosen
from ._received_requests import checked, place_of
from ._recursion import Chain, current_chain, within
from ._runtime import Handler, Settings, run

if TYPE_CHECKING:
    from types import TracebackType

Edge = tuple[str | None, str, InvocationType]

_QUEUED: Final = 202


class InProcessTransport:
    """Run functions in this process as Lambda would: a system of real handlers, tested in milliseconds.

    Requests and answers go through JSON, handlers get a context whose time runs down, exceptions become what Lambda
    makes of them, and names, sizes and qualifiers are checked as Lambda checks them. Each invocation has a thread of
    its own, and sees no context variable of its caller. While a handler runs, every client in it calls through the
    same transport; in a thread that the handler starts itself, such a call counts as the test's own, unless it takes
    the context along (``contextvars.copy_context``).

    >>> from lambdachain import LambdaClient, remote
    >>> @remote("double")
    ... def double(number: int) -> int:
    ...     return number * 2
    >>> with InProcessTransport({double: double}) as system:
    ...     LambdaClient().call(double, 21)
    42
    >>> system.calls
    (call double <- 21: 42,)

    As a context manager it takes every call that would go to AWS, in all threads; given to a client, that client's.

    An event (``fire``) is delivered when the outermost call, from outside any handler, is about to return. One that
    fails is delivered again after 60 s and after another 120, as Lambda does, but on a clock of its own: nothing
    waits. What is given up then is in ``discarded``.

    Args:
        functions: Handlers by contract, by decorated handler, or by name or ARN. A contract's qualifier, or one in the
            name, is a version or alias of the function; calls without one go to the handler given without one, or else
            to the last one given. A name stands for that function in any account and region, an ARN for its own.
        timeout: Seconds that each function has, if ``add`` says nothing else: 3, as on AWS.
        memory: The memory in MB that each is told it has.
        hold_events: Keep events until ``deliver()``.

    Raises:
        ContractError: A handler is given twice for one address, or is none.
        InvalidArnError: A name is nothing that Lambda accepts.
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
        self.offload_memory = OffloadMemory(yields_to_s3=True)
        self._timeout = timeout
        self._memory = memory
        self._hold_events = hold_events
        self._deployments = Deployments()
        self._record = Record()
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
        """Deploy a function: a decorated handler by itself, or any handler at a contract, name or ARN.

        >>> system = InProcessTransport()
        >>> system.add("legacy", lambda event, context: event["amount"], timeout=30)

        Args:
            target: A handler made by ``remote``, or where *handler* is deployed.
            handler: What Lambda calls with event and context; the *target* itself without.
            timeout: Seconds that one invocation may take; the transport's own without.
            memory: MB, as the context tells it.
            reserved_concurrency: How many calls it takes at a time; one more is throttled, and 0 throttles all.
            tenant_isolation: Whether each call has to name a tenant; a call of another function may not. All share this
                process all the same.

        Raises:
            ContractError: There is a handler at that address already, or *handler* is none.
            InvalidArnError: The name is nothing that Lambda accepts.
            ValueError: A number is none that Lambda could take.
        """
        runs: Any = target if handler is None else handler
        if not callable(runs):
            raise ContractError(f"{target!r} is no handler: give one beside it, add({target!r}, handler)")
        timeout = self._timeout if timeout is None else timeout
        memory = self._memory if memory is None else memory
        _check_numbers(timeout, memory, reserved_concurrency)
        self._deployments.add(
            target,
            runs,
            timeout=timeout,
            memory=memory,
            reserved_concurrency=reserved_concurrency,
            tenant_isolation=tenant_isolation,
        )

    def lose_answers(self, target: Target, *, times: int = 1) -> None:
        """Let a function run, and lose its answer on the way, *times* times: what an idempotent function must bear.

        Of an event, the receipt is lost: it is in the queue, and its caller does not know.

        Raises:
            ContractError: There is no such function.
        """
        self._deployments.find(target).answers_to_lose = times

    @property
    def calls(self) -> tuple[InProcessCall, ...]:
        """Every invocation, in the order in which they came, and what became of it; an event at each delivery."""
        return tuple(self._record)

    @property
    def discarded(self) -> tuple[InProcessCall, ...]:
        """The last delivery of each event that was given up: on AWS, those that go to a dead-letter queue."""
        return tuple(self._discarded)

    @property
    def graph(self) -> frozenset[Edge]:
        """Who called whom, and how: ``(caller, callee, type)``, the caller ``None`` for the test itself."""
        return frozenset(self._edges)

    def deliver(self, seconds: float | None = None) -> int:
        """Deliver events, and their retries, as if *seconds* had passed; without, as long as it takes.

        Returns:
            How many deliveries there were.
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
            # Lambda has ended the function that calls, so that nothing after that point happens.
            raise SystemExit
        reply = self._reply(invocation, chain, timeout)
        if chain.system is not self and not self._hold_events:
            self.deliver()
        if isinstance(reply, NoAnswerError):
            raise reply
        return reply

    def pause(self, seconds: float) -> None:
        """Let the time between two attempts pass without waiting."""
        clock.skip(seconds)

    def close(self) -> None:
        """No-op: there are no connections."""

    def describe(self) -> str:
        """Write the calls that came, one a line."""
        return "\n".join(map(repr, self._record)) or "no call came"

    def __enter__(self) -> Self:
        self._stack.enter_context(override_transport(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def __repr__(self) -> str:
        return f"InProcessTransport({self._deployments})"

    def _reply(self, invocation: Invocation, chain: Chain, timeout: float | None) -> Outcome | NoAnswerError:
        request_id = str(uuid.uuid4())
        note = self._record.begin()
        try:
            invoke, function = self._read(invocation, request_id)
            self._edges.add((chain.caller, invoke.function, invoke.invocation_type))
            answer = self._answer(invocation, invoke, function, chain, timeout)
        except RefusedError as exc:
            answer, function = exc.answer, None
        except NoAnswerError as exc:
            lost = Outcome(0, error_code="NoAnswer", error_message=str(exc), request_id=request_id)
            note(record_of(invocation, lost, caller=chain.caller))
            return exc
        outcome = outcome_of(answer, request_id)
        if outcome.status != _QUEUED:  # an event is noted when it is delivered
            note(record_of(invocation, outcome, caller=chain.caller))
        if function is not None and function.loses_answer():
            return NoAnswerError("the answer was lost, as the test asked for", progress=Progress.PERHAPS_SENT)
        return outcome

    def _read(self, invocation: Invocation, request_id: str) -> tuple[InvokeRequest, Function]:
        place = place_of(invocation)
        functions = self._deployments.at(invocation.function_name, place)
        qualifiers = {function.name: {LATEST, *(each.qualifier for each in functions)} for function in functions}
        invoke = checked(invocation, request_id=request_id, place=place, functions=qualifiers)
        function = chosen(functions, invoke.delivery.invoked_arn)
        check_tenant(invoke.delivery.tenant_id, isolated=function.tenant_isolation)
        return invoke, function

    def _answer(
        self, invocation: Invocation, invoke: InvokeRequest, function: Function, chain: Chain, timeout: float | None
    ) -> Answer:
        if invoke.invocation_type is InvocationType.DRY_RUN:
            return answer_permitted()
        if invoke.invocation_type is InvocationType.EVENT:
            self._events.fire(invocation, invoke.delivery.request_id, chain)
            return answer_queued()
        settings, ending = self._run(function, invoke.delivery, chain, patience=timeout)
        return answer_ending(ending, log_tail=invoke.log_tail, version=settings.version)

    def _run(
        self, function: Function, delivery: Delivery, chain: Chain, *, patience: float | None, waits: bool = False
    ) -> tuple[Settings, Ending]:
        if chain.loops(function.name):
            raise answers.looped(delivery.invoked_arn)
        settings = function.settings(delivery.invoked_arn)
        leave = function.concurrency.enter(function.timeout, waits=waits)
        with override_transport_in_context(self), within(chain.into(function.name, self, function.timeout)):
            return settings, run(function.handler, delivery, settings, patience=patience, ended=leave)

    def _deliver(self, event: Event) -> None:
        note = self._record.begin()
        invoke, function = self._read(event.invocation, event.request_id)
        try:
            settings, ending = self._run(function, invoke.delivery, event.chain, patience=None, waits=True)
        except RefusedError as exc:  # a loop, or no concurrency at all: neither is tried again
            answer, failed, again = exc.answer, True, None
        else:
            answer, failed = answer_ending(ending, log_tail=False, version=settings.version), ending.failed
            again = event.again() if failed else None
        outcome = outcome_of(answer, event.request_id)
        call = record_of(
            event.invocation, outcome, caller=event.chain.caller, attempt=event.attempt, at=event.course.age
        )
        note(call)
        if again is not None:
            self._events.put(again)
        elif failed:
            self._discarded.append(call)


def _check_numbers(timeout: float, memory: int, reserved_concurrency: int | None) -> None:
    """Refuse what no function can have.

    Raises:
        ContractError: It is not a number.
        ValueError: It is out of range.
    """
    for name, value in (("timeout", timeout), ("memory", memory), ("reserved_concurrency", reserved_concurrency)):
        given: Any = 0 if value is None and name == "reserved_concurrency" else value
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise ContractError(f"{name} must be a number, not {type(given).__name__}")
    if not timeout > 0:
        raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
    if memory <= 0:
        raise ValueError(f"memory must be more than 0 MB, not {memory!r}")
    if reserved_concurrency is not None and reserved_concurrency < 0:
        raise ValueError(f"reserved_concurrency must be 0 or more, not {reserved_concurrency!r}")
