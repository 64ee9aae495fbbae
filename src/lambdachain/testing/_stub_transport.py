"""A transport with scripted responses in Lambda's place, below the real codec, classification and retries."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self, overload

from lambdachain._calling.target import contract_for
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._contracts.s3_offload import OffloadMemory
from lambdachain._core import clock
from lambdachain._core.arn import Address
from lambdachain._core.errors import ContractError, RequestRejectedError
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome
from lambdachain._core.metadata import Metadata
from lambdachain._lambda_api.invoke_api import permitted_response
from lambdachain._lambda_api.outcomes import to_outcome
from lambdachain._lambda_api.responses import ApiError, ApiResponse
from lambdachain._transports.transport_override import StubError, override_transport, override_transport_in_context

from ._addresses import to_function_address
from ._call_log import VERBS
from ._comparison import shorten
from ._received_requests import ReceivedRequest, decode_request, receive
from ._runtime import to_report
from ._scripted_responses import function_error
from ._scripted_streams import to_response_stream
from ._stub import Stub, StubCall

if TYPE_CHECKING:
    from types import TracebackType

    from pydantic import JsonValue

    from lambdachain._transports.streaming import ResponseStream

_NOUNS: Final = {
    InvocationType.REQUEST_RESPONSE: "call to",
    InvocationType.EVENT: "event for",
    InvocationType.DRY_RUN: "dry run of",
}
_REMEDIES: Final = {
    InvocationType.REQUEST_RESPONSE: "returns(...)",
    InvocationType.EVENT: "accepts()",
    InvocationType.DRY_RUN: "denies()",
}


class UnstubbedCallError(StubError):
    """A call that no stub of the test is for, or one more than a stub has responses for."""


class UnusedStubError(StubError):
    """A stub, or a part of its script, that no call has used."""


class StubTransport:
    """Send scripted responses and record the requests; nothing is sent to AWS.

    Requests and responses are serialized and validated by the contract, failures are Lambda's own responses, and the
    client's real retry policy decides about retries; delays are skipped, not slept. Strict both ways: a call without a
    stub raises ``UnstubbedCallError``, and a stub without a call raises ``UnusedStubError`` at the end.

    >>> from lambdachain import Contract, LambdaClient
    >>> double = Contract("orders-double", request=int, response=int)
    >>> client = LambdaClient()
    >>> with StubTransport() as stub:
    ...     doubles = stub.on(double).throttles(1).returns(42)
    ...     client.call(double, 21)
    42
    >>> [call.request for call in doubles.calls]
    [21, 21]

    As a context manager it receives every call that would go to AWS, in all threads; passed to a client, those of the
    client. The pytest fixture ``lambda_stub`` is one. Thread-safe.
    """

    responds_immediately = (
        True  # so that the calls of a map or an event loop arrive in the order in which they are made
    )

    def __init__(self) -> None:
        self.offload_memory = OffloadMemory()
        self._stubs: list[Stub[Any, Any]] = []
        self._log: list[str] = []
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
        """Add a stub for a function; the methods of ``Stub`` script its responses.

        If several stubs match a call, one with its qualifier is preferred to one for any qualifier, one with ``when``
        to one without, and the one added last to the others.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            function: The deployed name or ARN, if clients resolve the contract to another name than its own
                (``resolve``).
            qualifier: The version or alias; by default that of the contract, or any.
            when: A predicate of the request: whether the stub is for this call.
            optional: Do not fail if no call uses it; for stubs that many tests share.

        Raises:
            ContractError: *target* is not a contract, handler, name or ARN, or there are two qualifiers.
            InvalidArnError: Lambda would not accept an address or qualifier.
        """
        if when is not None and not callable(when):
            raise ContractError(f"when must be a function of the request, not {type(when).__name__}")
        contract = contract_for(target, Any) if isinstance(target, Address) else contract_for(target)
        stub = Stub[Any, Any](contract, to_function_address(target, function, qualifier), when, optional=optional)
        self._stubs.append(stub)
        return stub

    @property
    def calls(self) -> tuple[StubCall[Any], ...]:
        """The calls and events that the stubs received, stub by stub."""
        return tuple(call for stub in self._stubs for call in stub.calls)

    @property
    def unstubbed(self) -> tuple[UnstubbedCallError, ...]:
        """The errors that were raised for calls without a stub, even if the code under test caught them."""
        return tuple(self._unstubbed)

    def verify(self) -> None:
        """Check that every stub was used.

        Raises:
            UnusedStubError: A stub, or a part of its script, was not.
        """
        unused = [text for stub in self._stubs if (text := stub.unused)]
        if unused:
            calls = "\n  ".join(["calls of this test:", *self._log] if self._log else ["the test made no call"])
            raise UnusedStubError("\n  ".join(["no call used these stubs:", *unused]) + f"\n{calls}")

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send the scripted response; see ``Transport.send``."""
        return self._respond(invocation, timeout)[1]

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send the scripted response in chunks; see ``StreamingTransport.open_stream``."""
        return to_response_stream(*self._respond(invocation, timeout))

    def pause(self, seconds: float) -> None:
        """Skip the delay between two attempts."""
        clock.skip(seconds)

    def close(self) -> None:
        """No-op: there are no connections."""

    def describe(self) -> str:
        """Return the calls and their outcomes, one per line."""
        return "\n".join(self._log) or "no calls"

    def __enter__(self) -> Self:
        self._stack.enter_context(override_transport(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        # A test that fails anyway should not fail for unused stubs instead.
        if exc is None:
            if self._unstubbed:
                raise self._unstubbed[0]
            self.verify()

    def __repr__(self) -> str:
        return f"StubTransport({', '.join(str(stub.address) for stub in self._stubs)})"

    def _respond(self, invocation: Invocation, timeout: float | None) -> tuple[ApiResponse, Outcome]:
        request_id = str(uuid.uuid4())
        # One line per call, completed when the outcome is known: other threads may add lines in between.
        line = len(self._log)
        self._log.append(f"{VERBS[invocation.invocation_type]} {invocation.function}")
        try:
            response = self._run_step(receive(invocation, timeout, request_id), line)
        except ApiError as exc:
            response = exc.response
        except NoAnswerError as exc:
            self._log[line] += f": {exc}"
            raise
        outcome = to_outcome(response, request_id)
        self._log[line] += f": {outcome.error_code or outcome.function_error or outcome.status}"
        return response, outcome

    def _run_step(self, received: ReceivedRequest, line: int) -> ApiResponse:
        payload = received.payload()
        self._log[line] += "" if received.invocation_type is InvocationType.DRY_RUN else f" <- {shorten(payload)}"
        try:
            stub, request, metadata = self._find_stub(received, payload)
        # A real callee rejects an invalid request itself, so the caller gets a function error.
        except RequestRejectedError as exc:
            return function_error(received, to_report(exc, received.delivery.request_id))
        function, options = received.invocation.function, received.options(metadata)
        stub.record(
            StubCall(function, received.invocation_type, request, options, metadata, received.delivery.request_id)
        )
        step = stub.take(received.invocation_type)
        if step is not None:
            # A function of runs() may call other functions: its calls come to this stub, too.
            with override_transport_in_context(self):
                return step.reply(received, request)
        if received.invocation_type is InvocationType.DRY_RUN:
            return permitted_response()
        raise self._unstubbed_error(received, payload)

    def _find_stub(self, received: ReceivedRequest, payload: object) -> tuple[Stub[Any, Any], Any, Metadata | None]:
        """Find the stub for a request, and decode the request by its contract."""
        invocation_type = received.invocation_type
        stubs = [stub for stub in reversed(self._stubs) if _matches(stub, received)]
        # sorted() is stable, and the stubs are reversed: of equal ranks the stub added last comes first.
        for stub in sorted(stubs, key=lambda stub: _rank(stub, invocation_type), reverse=True):
            if invocation_type is InvocationType.DRY_RUN:
                # A dry run has no payload to decode, or to test a condition with.
                return stub, None, None
            request, metadata = decode_request(stub.contract, payload)
            if stub.has_steps_for(invocation_type) and (stub.when is None or stub.when(request)):
                return stub, request, metadata or received.metadata()
        raise self._unstubbed_error(received, payload)

    def _unstubbed_error(self, received: ReceivedRequest, payload: object) -> UnstubbedCallError:
        error = UnstubbedCallError(_describe_unexpected_call(received, payload, self._stubs))
        self._unstubbed.append(error)
        return error


def _matches(stub: Stub[Any, Any], received: ReceivedRequest) -> bool:
    return stub.address.matches(received.called) and stub.address.qualifier in (None, received.qualifier)


def _rank(stub: Stub[Any, Any], invocation_type: InvocationType) -> tuple[bool, bool, bool]:
    return stub.has_steps_for(invocation_type), stub.address.qualifier is not None, stub.when is not None


def _describe_unexpected_call(received: ReceivedRequest, payload: object, stubs: Sequence[Stub[Any, Any]]) -> str:
    name, invocation_type = repr(str(received.invocation.function)), received.invocation_type
    remedy = f"add stub.on({name}).{_REMEDIES[invocation_type]}, or on(contract, {name})"
    request = "" if invocation_type is InvocationType.DRY_RUN else f" <- {shorten(payload)}"
    lines = [
        f"unexpected {_NOUNS[invocation_type]} {name}: {remedy}",
        f"{VERBS[invocation_type]} {received.invocation.function}{request}",
        "stubs of this test:" if stubs else "this test has no stubs",
        *(f"  {stub!r}{_why_no_match(stub, received)}" for stub in stubs),
    ]
    return "\n  ".join(lines)


def _why_no_match(stub: Stub[Any, Any], received: ReceivedRequest) -> str:
    """Return why a stub of the called function is not for this call; nothing for stubs of other functions."""
    if not stub.address.matches(received.called):
        return ""
    if not _matches(stub, received):
        return f"  (not for {f'qualifier {received.qualifier}' if received.qualifier else 'calls without a qualifier'})"
    if not stub.has_steps_for(received.invocation_type):
        return f"  (has no response for {VERBS[received.invocation_type]})"
    return "  (when= returned False)" if stub.when is not None else "  (all its responses are used up)"


StubTransport.__module__ = "lambdachain.testing"
UnstubbedCallError.__module__ = "lambdachain.testing"
UnusedStubError.__module__ = "lambdachain.testing"
