"""A whole system of real handlers in one process, with Lambda's semantics."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from lambdachain import _clock
from lambdachain._arn import Address, parse_target
from lambdachain._contract import HasContract
from lambdachain._errors import ContractError, InvalidArnError
from lambdachain._invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress
from lambdachain._service import answers
from lambdachain._service.answers import Answer, RefusedError
from lambdachain._service.delivery import Body, Delivery, Ending, InvokeRequest
from lambdachain._service.invoke_api import answer_ending, answer_permitted, answer_queued, read_invoke
from lambdachain._service.outcomes import outcome_of
from lambdachain._service.place import LATEST, Place
from lambdachain._stand_in import standing_in, standing_in_here

from ._addresses import Deployment, deployment
from ._events import Event, EventQueue, after_failure, after_throttle
from ._record import InProcessCall, record_of
from ._recursion import Chain, current_chain, within
from ._requests import headers_of, place_of
from ._runtime import Handler, Settings, run

if TYPE_CHECKING:
    from types import TracebackType

Target = HasContract[Any, Any] | Address
Edge = tuple[str | None, str, InvocationType]


@dataclass(slots=True)
class _Function:
    """A function of the system."""

    deployed: Deployment
    handler: Handler
    settings: Settings
    reserved_concurrency: int | None
    running: int = 0
    answers_to_lose: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def qualifier(self) -> str:
        """The version or alias that it is."""
        return self.deployed.qualifier or LATEST

    def enter(self) -> None:
        """Take one of the function's places; refuse where none is left."""
        with self.lock:
            if self.reserved_concurrency is not None and self.running >= self.reserved_concurrency:
                raise answers.throttled()
            self.running += 1

    def leave(self) -> None:
        """Give the place back."""
        with self.lock:
            self.running -= 1

    def loses_answer(self) -> bool:
        """Tell whether the answer just made is to be lost."""
        with self.lock:
            is_lost = self.answers_to_lose > 0
            self.answers_to_lose -= is_lost
            return is_lost


class InProcessTransport:
    """Run functions in this process as Lambda would: a system of real handlers, tested in milliseconds.

    Requests and answers go through JSON, handlers get a context whose time runs down, exceptions become what Lambda
    makes of them, and names, sizes and qualifiers are checked as Lambda checks them. Each invocation has a thread of
    its own. While a handler runs, every client in it calls through the same transport.

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
        self._timeout = timeout
        self._memory = memory
        self._hold_events = hold_events
        self._functions: list[_Function] = []
        self._calls: list[InProcessCall] = []
        self._discarded: list[InProcessCall] = []
        self._edges: set[Edge] = set()
        self._events = EventQueue()
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

        Raises:
            ContractError: There is a handler at that address already, or *handler* is none.
            InvalidArnError: The name is nothing that Lambda accepts.
        """
        runs: Any = target if handler is None else handler
        if not callable(runs):
            raise ContractError(f"{target!r} is no handler: give one beside it, add({target!r}, handler)")
        deployed = deployment(target)
        if any(deployed == function.deployed for function in self._functions):
            raise ContractError(f"{deployed} has a handler already")
        settings = Settings(
            name=deployed.function.name,
            timeout=self._timeout if timeout is None else timeout,
            memory=self._memory if memory is None else memory,
            version=_version(deployed.qualifier),
        )
        self._functions.append(_Function(deployed, runs, settings, reserved_concurrency))

    def lose_answers(self, target: Target, *, times: int = 1) -> None:
        """Let a function run, and lose its answer on the way, *times* times: what an idempotent function must bear.

        Raises:
            ContractError: There is no such function.
        """
        wanted = deployment(target)
        for function in self._functions:
            if wanted.has(function.deployed.function) and wanted.qualifier in (None, function.deployed.qualifier):
                function.answers_to_lose = times
                return
        raise ContractError(f"there is no function {wanted}; {self._served()}")

    @property
    def calls(self) -> tuple[InProcessCall, ...]:
        """Every invocation that came, and what became of it; an event at each of its deliveries."""
        return tuple(self._calls)

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
        try:
            return self._sent(invocation, chain, timeout)
        finally:
            if chain.caller is None and not self._hold_events:
                self.deliver()

    def pause(self, seconds: float) -> None:
        """Let the time between two attempts pass without waiting."""
        _clock.skip(seconds)

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def describe(self) -> str:
        """Write the calls that came, one a line."""
        return "\n".join(map(repr, self._calls)) or "no call came"

    def __enter__(self) -> Self:
        self._stack.enter_context(standing_in(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def __repr__(self) -> str:
        return f"InProcessTransport({self._served()})"

    def _sent(self, invocation: Invocation, chain: Chain, timeout: float | None) -> Outcome:
        request_id = str(uuid.uuid4())
        try:
            invoke, place = self._read(invocation, request_id)
            self._edges.add((chain.caller, invoke.function, invoke.invocation_type))
            answer = self._answer(invocation, invoke, place, chain, timeout)
        except RefusedError as exc:
            answer = exc.answer
            self._note(invocation, request_id, chain, answer)
        return outcome_of(answer, request_id)

    def _read(self, invocation: Invocation, request_id: str) -> tuple[InvokeRequest, Place]:
        place = place_of(invocation)
        invoke = read_invoke(
            invocation.function_name,
            invocation.qualifier,
            headers_of(invocation),
            Body(invocation.payload, len(invocation.payload)),
            request_id=request_id,
            place=place,
            functions=self._qualifiers(invocation),
        )
        return invoke, place

    def _qualifiers(self, invocation: Invocation) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for function in self._matching(invocation):
            found.setdefault(function.settings.name, {LATEST}).add(function.qualifier)
        return found

    def _matching(self, invocation: Invocation) -> list[_Function]:
        try:
            called = parse_target(invocation.function_name)
        except InvalidArnError:
            return []
        return [function for function in self._functions if function.deployed.has(called)]

    def _function(self, invocation: Invocation, arn: str) -> _Function:
        matching = self._matching(invocation)
        qualifier = parse_target(arn).qualifier or LATEST
        return next((function for function in matching if function.qualifier == qualifier), matching[-1])

    def _answer(
        self, invocation: Invocation, invoke: InvokeRequest, place: Place, chain: Chain, timeout: float | None
    ) -> Answer:
        if invoke.invocation_type is InvocationType.DRY_RUN:
            self._note(invocation, invoke.delivery.request_id, chain, answer_permitted())
            return answer_permitted()
        if chain.loops:
            raise answers.looped(str(place.arn(invoke.function)))
        if invoke.invocation_type is InvocationType.EVENT:
            now = self._events.now
            self._events.put(Event(invocation, invoke.delivery.request_id, chain, now, now))
            return answer_queued()
        function = self._function(invocation, invoke.delivery.invoked_arn)
        try:
            ending = self._run(function, invoke.delivery, chain, timeout)
        except NoAnswerError as exc:
            self._calls.append(record_of(invocation, _no_outcome(exc, invoke), caller=chain.caller))
            raise
        answer = answer_ending(ending, log_tail=invoke.log_tail, version=function.settings.version)
        self._note(invocation, invoke.delivery.request_id, chain, answer)
        if function.loses_answer():
            raise NoAnswerError("the answer was lost, as the test asked for", progress=Progress.PERHAPS_SENT)
        return answer

    def _run(self, function: _Function, delivery: Delivery, chain: Chain, timeout: float | None) -> Ending:
        function.enter()
        try:
            with standing_in_here(self), within(chain.with_call_of(function.settings.name)):
                return run(function.handler, delivery, function.settings, patience=timeout)
        finally:
            function.leave()

    def _deliver(self, event: Event) -> None:
        try:
            invoke, _ = self._read(event.invocation, event.request_id)
            function = self._function(event.invocation, invoke.delivery.invoked_arn)
            ending = self._run(function, invoke.delivery, event.chain, None)
            answer = answer_ending(ending, log_tail=False, version=function.settings.version)
            again = after_failure(event) if ending.failed else None
            failed = ending.failed
        except RefusedError as exc:
            answer, again, failed = exc.answer, after_throttle(event), True
        outcome = outcome_of(answer, event.request_id)
        call = record_of(event.invocation, outcome, caller=event.chain.caller, attempt=event.attempt, at=event.age)
        self._calls.append(call)
        if again is not None:
            self._events.put(again)
        elif failed:
            self._discarded.append(call)

    def _note(self, invocation: Invocation, request_id: str, chain: Chain, answer: Answer) -> None:
        self._calls.append(record_of(invocation, outcome_of(answer, request_id), caller=chain.caller))

    def _served(self) -> str:
        return f"functions: {', '.join(str(function.deployed) for function in self._functions) or 'none'}"


def _no_outcome(exc: NoAnswerError, invoke: InvokeRequest) -> Outcome:
    return Outcome(0, error_code="NoAnswer", error_message=str(exc), request_id=invoke.delivery.request_id)


def _version(qualifier: str | None) -> str:
    """Give the version that runs: an alias points at some version, say the first."""
    return LATEST if qualifier is None else qualifier if qualifier == LATEST or qualifier.isdigit() else "1"
