"""A stand-in for Lambda that answers as a test says: through the real codec, classification and retries."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self, overload

from lambdachain._calling.target import contract_of
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._contracts.s3_offload import OffloadMemory
from lambdachain._core import clock
from lambdachain._core.arn import Address
from lambdachain._core.errors import ContractError, RequestRejectedError
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome
from lambdachain._core.metadata import Metadata
from lambdachain._lambda_api.invoke_api import answer_permitted
from lambdachain._lambda_api.outcomes import outcome_of
from lambdachain._lambda_api.responses import Answer, RefusedError
from lambdachain._transports.transport_override import StubError, override_transport, override_transport_in_context

from ._addresses import deployment
from ._call_log import VERBS
from ._comparison import shortened
from ._received_requests import Received, read_request, receive
from ._runtime import report_of
from ._scripted_responses import failed
from ._scripted_streams import stream_of
from ._stub import Stub, StubCall

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import JsonValue

    from lambdachain._transports.streaming import ResponseStream

_WORD_FOR: Final = {
    InvocationType.REQUEST_RESPONSE: "returns(...)",
    InvocationType.EVENT: "accepts()",
    InvocationType.DRY_RUN: "denies()",
}


class UnstubbedCallError(StubError):
    """A call came that the test had said nothing about, or once more than it had said."""


class UnusedStubError(StubError):
    """The test said something that no call asked for."""


class StubTransport:
    """Answer calls as a test says, and keep them to be looked at; nothing is sent to AWS.

    Requests and answers go through JSON and the contract's types, failures are Lambda's own answers, and the client's
    real retry policy decides what is sent again; pauses pass without waiting. Strict both ways: a call that nothing is
    said about raises ``UnstubbedCallError``, and at the end what no call asked for raises ``UnusedStubError``.

    >>> from lambdachain import Contract, LambdaClient
    >>> double = Contract("orders-double", request=int, response=int)
    >>> client = LambdaClient()
    >>> with StubTransport() as stub:
    ...     doubles = stub.on(double).throttles(1).returns(42)
    ...     client.call(double, 21)
    42
    >>> [call.request for call in doubles.calls]
    [21, 21]

    As a context manager it takes every call that would go to AWS, in all threads; given to a client, that client's.
    The pytest fixture ``lambda_stub`` is one. Thread-safe.
    """

    answers_at_once = True  # so that the calls of a map or an event loop come in the order in which they are made

    def __init__(self) -> None:
        self.offload_memory = OffloadMemory()
        self._stubs: list[Stub[Any, Any]] = []
        self._story: list[str] = []
        self._unstubbed: list[UnstubbedCallError] = []
        self._stack = ExitStack()

    @overload
    def on(
        self,
        target: HasContract[Req, Resp],
        function: Address | None = None,
        /,
        *,
        qualifier: str | None = None,
        when: Callable[[Req], bool] | None = None,
        optional: bool = False,
    ) -> Stub[Req, Resp]: ...
    @overload
    def on(
        self,
        target: Address,
        /,
        *,
        qualifier: str | None = None,
        when: Callable[[JsonValue], bool] | None = None,
        optional: bool = False,
    ) -> Stub[JsonValue, object]: ...
    def on(
        self,
        target: Any,
        function: Address | None = None,
        /,
        *,
        qualifier: str | None = None,
        when: Callable[[Any], bool] | None = None,
        optional: bool = False,
    ) -> Stub[Any, Any]:
        """Begin to say what a function answers; see ``Stub`` for the words.

        Where several stubs are for the same call, one for its qualifier comes before one for any, one with ``when``
        before one without, and the one made last before the others.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            function: The deployed name or ARN, where clients call the contract by another than its own (``resolve``).
            qualifier: The version or alias that it is for; without, the contract's own, else every one.
            when: Tells by the request whether it is for this call.
            optional: Whether it is no failure if nothing asks for it: for what many tests share.

        Raises:
            ContractError: *target* is nothing that can be called, or its qualifier is given twice.
            InvalidArnError: An address or qualifier is nothing that Lambda accepts.
        """
        if when is not None and not callable(when):
            raise ContractError(f"when must be a function of the request, not {type(when).__name__}")
        contract = contract_of(target, Any) if isinstance(target, Address) else contract_of(target)
        stub = Stub[Any, Any](contract, deployment(target, function, qualifier), when, optional=optional)
        self._stubs.append(stub)
        return stub

    @property
    def calls(self) -> tuple[StubCall[Any], ...]:
        """The calls and events that came to any of the stubs, stub by stub."""
        return tuple(call for stub in self._stubs for call in stub.calls)

    @property
    def unstubbed(self) -> tuple[UnstubbedCallError, ...]:
        """What was raised for the calls that nothing was said about, whoever caught it."""
        return tuple(self._unstubbed)

    def verify(self) -> None:
        """Check that all that was said was asked for.

        Raises:
            UnusedStubError: Something was not.
        """
        unused = [words for stub in self._stubs if (words := stub.unused)]
        if unused:
            asked = "\n  ".join(["and these calls came:", *self._story] if self._story else ["and no call came"])
            raise UnusedStubError("\n  ".join(["no call asked for what was said of", *unused]) + f"\n{asked}")

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Answer as the test says; see ``Transport.send``."""
        return self._replied(invocation, timeout)[1]

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Answer as the test says, piece by piece; see ``StreamingTransport.open_stream``."""
        return stream_of(*self._replied(invocation, timeout))

    def pause(self, seconds: float) -> None:
        """Let the time between two attempts pass without waiting."""
        clock.skip(seconds)

    def close(self) -> None:
        """No-op: there are no connections."""

    def describe(self) -> str:
        """Write the calls that came and what became of them, one a line."""
        return "\n".join(self._story) or "no call came"

    def __enter__(self) -> Self:
        self._stack.enter_context(override_transport(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        if exc is None:
            if self._unstubbed:
                raise self._unstubbed[0]
            self.verify()

    def __repr__(self) -> str:
        return f"StubTransport({', '.join(str(stub.deployed) for stub in self._stubs)})"

    def _replied(self, invocation: Invocation, timeout: float | None) -> tuple[Answer, Outcome]:
        request_id = str(uuid.uuid4())
        place = len(self._story)
        self._story.append(f"{VERBS[invocation.invocation_type]} {invocation.function}")
        try:
            answer = self._answer(receive(invocation, timeout, request_id), place)
        except RefusedError as exc:
            answer = exc.answer
        except NoAnswerError as exc:
            self._story[place] += f": {exc}"
            raise
        outcome = outcome_of(answer, request_id)
        self._story[place] += f": {outcome.error_code or outcome.function_error or outcome.status}"
        return answer, outcome

    def _answer(self, received: Received, place: int) -> Answer:
        payload = received.payload()
        self._story[place] += "" if received.kind is InvocationType.DRY_RUN else f" <- {shortened(payload)}"
        try:
            stub, request, metadata = self._chosen(received, payload)
        except RequestRejectedError as exc:
            return failed(received, report_of(exc, received.delivery.request_id))
        function, options = received.invocation.function, received.options(metadata)
        stub.note(StubCall(function, received.kind, request, options, metadata, received.delivery.request_id))
        step = stub.take(received.kind)
        if step is not None:
            with override_transport_in_context(self):
                return step.reply(received, request)
        if received.kind is InvocationType.DRY_RUN:
            return answer_permitted()
        raise self._unheard(received, payload)

    def _chosen(self, received: Received, payload: object) -> tuple[Stub[Any, Any], Any, Metadata | None]:
        """Find the stub that a request is for, and read the request by its contract."""
        kind = received.kind
        stubs = [stub for stub in reversed(self._stubs) if _is_for(stub, received)]
        for stub in sorted(stubs, key=lambda stub: _rank(stub, kind), reverse=True):
            if kind is InvocationType.DRY_RUN:
                return stub, None, None
            request, metadata = read_request(stub.contract, payload)
            if stub.answers(kind) and (stub.when is None or stub.when(request)):
                return stub, request, metadata or received.told()
        raise self._unheard(received, payload)

    def _unheard(self, received: Received, payload: object) -> UnstubbedCallError:
        error = UnstubbedCallError(_nothing_said(received, payload, self._stubs))
        self._unstubbed.append(error)
        return error


def _is_for(stub: Stub[Any, Any], received: Received) -> bool:
    return stub.deployed.has(received.called) and stub.deployed.qualifier in (None, received.qualifier)


def _rank(stub: Stub[Any, Any], kind: InvocationType) -> tuple[bool, bool, bool]:
    return stub.answers(kind), stub.deployed.qualifier is not None, stub.when is not None


def _nothing_said(received: Received, payload: object, stubs: Sequence[Stub[Any, Any]]) -> str:
    call = f"{VERBS[received.kind]} {received.invocation.function}"
    asked = "" if received.kind is InvocationType.DRY_RUN else f" <- {shortened(payload)}"
    said = [f"{stub!r}{_why_not(stub, received)}" for stub in stubs]
    name = repr(received.invocation.function)
    remedy = f"on({name}) or on(contract, {name}), then .{_WORD_FOR[received.kind]}"
    stubbed = "\n  ".join(["what is said:", *said] if said else ["nothing is said about any function"])
    return f"nothing is said about {call}{asked}\n{stubbed}\nsay what it answers: {remedy}"


def _why_not(stub: Stub[Any, Any], received: Received) -> str:
    """Describe why a stub of the very function is not for this call; nothing of other functions' stubs."""
    if not stub.deployed.has(received.called):
        return ""
    if not _is_for(stub, received):
        return f"  (not for {received.qualifier or 'a call without qualifier'})"
    if not stub.answers(received.kind):
        return f"  (nothing for {VERBS[received.kind]})"
    return "  (when says no)" if stub.when is not None else "  (all of it has been answered)"
