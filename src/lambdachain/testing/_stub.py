"""The stub of one function: its script of responses, and a record of the requests."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar, cast, overload

from lambdachain._calling.options import CallOptions
from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError
from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.invocation import InvocationType
from lambdachain._core.metadata import Metadata
from lambdachain._json.codec import type_name
from lambdachain._transports.transport_override import StubError

from ._addresses import FunctionAddress
from ._call_log import VERBS
from ._comparison import compare
from ._scripted_errors import reply_with_error
from ._scripted_responses import (
    Reply,
    accept_event,
    reply_by_running,
    reply_crashed,
    reply_denied,
    reply_throttled,
    reply_timed_out,
    reply_with_value,
)
from ._scripted_streams import reply_with_stream

Req = TypeVar("Req")
Resp = TypeVar("Resp")
Req_co = TypeVar("Req_co", covariant=True)

_CALL: Final = frozenset({InvocationType.REQUEST_RESPONSE})
_EVENT: Final = frozenset({InvocationType.EVENT})
_ANY: Final = frozenset(InvocationType)


@dataclass(frozen=True, slots=True)
class StubCall(Generic[Req_co]):
    """A request that a stub received; each attempt of a call is a request of its own.

    Attributes:
        function: The function's name or ARN, as the caller wrote it.
        invocation_type: RequestResponse, Event or DryRun.
        request: The request, decoded by the contract; ``None`` for a dry run.
        options: The options of the call; ``timeout`` is the time that was left for this attempt, in seconds.
        metadata: The metadata of the call, such as ``attempt`` and ``idempotency_key``; ``None`` for an event without
            envelope.
        request_id: The request id in the response.
    """

    function: str
    invocation_type: InvocationType
    request: Req_co
    options: CallOptions
    metadata: Metadata | None
    request_id: str

    def __repr__(self) -> str:
        return f"{VERBS[self.invocation_type]} {self.function} <- {self.request!r}"


@dataclass(slots=True)
class Step:
    """A step of a script: the reply, the invocation types it is for, and how often it remains; ``None`` for always."""

    description: str
    invocation_types: frozenset[InvocationType]
    reply: Reply
    left: int | None
    is_used: bool = False

    @property
    def is_done(self) -> bool:
        """Whether it was used as often as the test expects."""
        # Without a number of times, one use is enough.
        return self.left == 0 or (self.left is None and self.is_used)

    def __str__(self) -> str:
        return f"{self.description} x {self.left}" if self.left and self.left > 1 else self.description


class Stub(Generic[Req, Resp]):
    """The scripted responses of one function; made by ``StubTransport.on``.

    Each method adds a step to the script: ``throttles(2).returns(value)`` throttles twice and then returns the value.
    The last step applies to all further calls, unless it has a number of times. ``when`` and ``qualifier`` of ``on``
    select the calls that the stub is for.
    """

    def __init__(
        self,
        contract: Contract[Req, Resp],
        address: FunctionAddress,
        when: Callable[[Req], bool] | None,
        *,
        optional: bool,
    ) -> None:
        self.contract = contract
        self.address = address
        self.when = when
        self.optional = optional
        self._steps: list[Step] = []
        self._calls: list[StubCall[Req]] = []
        self._dry_runs: list[StubCall[None]] = []
        self._lock = lock_for(self)

    def returns(self, *values: Resp) -> Self:
        """Respond to calls: one value for all calls, several values for one call each.

        Raises:
            StubError: A value is not a valid response by the contract.
        """
        if not values:
            raise ContractError("returns() needs a value: use returns(None) for a function without a result")
        for value in values:
            reply = reply_with_value(self.contract, value)
            self._add(f"returns {type_name(type(value))}", _CALL, reply, None if len(values) == 1 else 1)
        return self

    def raises(self, *errors: Exception | type[Exception]) -> Self:
        """Fail calls: one error for all calls, several errors for one call each.

        The function raises domain errors that the contract declares, and any exception that is not lambdachain's. For
        an error of the client, such as ``ServiceError`` or ``FunctionTimeoutError``, the stub sends the response of
        Lambda that causes it.

        Raises:
            StubError: The contract does not declare a domain error.
            ContractError: Lambda never causes such an error.
        """
        if not errors:
            raise ContractError("raises() needs an exception")
        for error in errors:
            name = error.__name__ if isinstance(error, type) else type(error).__name__
            reply, in_function = reply_with_error(self.contract, error)
            self._add(f"raises {name}", _CALL if in_function else _ANY, reply, None if len(errors) == 1 else 1)
        return self

    @overload
    def runs(self, function: Callable[[Req], Coroutine[Any, Any, Resp]]) -> Self: ...
    @overload
    def runs(self, function: Callable[[Req], Resp]) -> Self: ...
    @overload
    def runs(self, function: Callable[[Any, Any], Any]) -> Self: ...
    def runs(self, function: Callable[..., Any]) -> Self:
        """Respond to calls with the result of a function.

        It takes the request and returns the response, with the contract's types; or it is a handler, made by ``remote``
        or a function of event and context, and is invoked as by Lambda. An exception that it raises is the function
        error of the callee; but an ``AssertionError`` of a function of the request fails the test.

        Raises:
            ContractError: *function* is not callable.
        """
        if not callable(function):
            raise ContractError(f"runs() takes a function, not {type(function).__name__}; use returns() for a value")
        name = str(getattr(function, "__name__", type(function).__name__))
        return self._add(f"runs {name}", _CALL, reply_by_running(self.contract, function), None)

    def streams(self, *pieces: bytes | str | Exception) -> Self:
        """Respond to calls in chunks, for ``LambdaClient.stream``; ``call`` gets all of them in one response.

        Args:
            *pieces: What the function sends; the last one may be the exception that it raises then.

        Raises:
            ContractError: A piece has another type.
            StubError: The contract does not declare a domain error.
        """
        return self._add("streams", _CALL, reply_with_stream(self.contract, pieces), None)

    def accepts(self) -> Self:
        """Accept events: ``fire`` gets its receipt, and nothing runs."""
        return self._add("accepts", _EVENT, accept_event, None)

    def throttles(self, times: int | None = None, *, reason: str | None = None, retry_after: int | None = None) -> Self:
        """Throttle calls and events.

        Args:
            times: How often; by default, always.
            reason: Lambda's name of the limit; by default ``"ConcurrentInvocationLimitExceeded"``.
            retry_after: The ``Retry-After`` of the response, in seconds.
        """
        return self._add("throttles", _ANY, reply_throttled(reason, retry_after), times)

    def times_out(self, times: int | None = None) -> Self:
        """Send no response until the caller times out; the function may have run.

        The time is skipped, not slept. Without a timeout it is 910 s, when even the longest function has timed out.
        """
        return self._add("times out", _ANY, reply_timed_out, times)

    def crashes(self, times: int | None = None) -> Self:
        """Respond to calls as if the function's process had exited before it responded."""
        return self._add("crashes", _CALL, reply_crashed, times)

    def denies(self, times: int | None = None) -> Self:
        """Deny calls, events and dry runs for lack of permission."""
        return self._add("denies", _ANY, reply_denied, times)

    @property
    def calls(self) -> tuple[StubCall[Req], ...]:
        """The calls and events that the stub received; each attempt is an entry of its own."""
        return tuple(self._calls)

    @property
    def dry_runs(self) -> tuple[StubCall[None], ...]:
        """The dry runs (``can_invoke``) that the stub received."""
        return tuple(self._dry_runs)

    def assert_called_with(self, *requests: Req) -> None:
        """Check that the stub received exactly these requests, in this order; failed attempts count, too.

        Raises:
            StubError: The requests differ; the message lists the fields.
        """
        lines = compare(requests, [call.request for call in self._calls])
        if lines:
            raise StubError("\n  ".join([f"{self.address} was not called as expected", *lines]))

    def take(self, invocation_type: InvocationType) -> Step | None:
        """Use the next step for an invocation of *invocation_type*; ``None`` if there is no such step left."""
        with self._lock:
            step = next(
                (step for step in self._steps if invocation_type in step.invocation_types and step.left != 0), None
            )
            # Under the lock: calls of one client may come from several threads at once.
            if step is not None:
                step.is_used = True
                step.left = None if step.left is None else step.left - 1
            return step

    def has_steps_for(self, invocation_type: InvocationType) -> bool:
        """Check whether the script has steps for invocations of *invocation_type*."""
        return any(invocation_type in step.invocation_types for step in self._steps)

    def record(self, call: StubCall[Any]) -> None:
        """Record a request."""
        if call.invocation_type is InvocationType.DRY_RUN:
            self._dry_runs.append(call)
        else:
            self._calls.append(cast("StubCall[Req]", call))

    @property
    def unused(self) -> str | None:
        """A description of the steps that no call has used; ``None`` if all were used."""
        if self.optional:
            return None
        left = [step for step in self._steps if not step.is_done]
        if left:
            return f"{self.address}: {', '.join(map(str, left))}"
        return None if self._steps or self._dry_runs else f"{self.address}: no call"

    def __repr__(self) -> str:
        when = f", when={getattr(self.when, '__name__', self.when)}" if self.when else ""
        return f"on({str(self.address)!r}{when}): {', '.join(map(str, self._steps)) or 'no responses'}"

    def _add(
        self, description: str, invocation_types: frozenset[InvocationType], reply: Reply, times: int | None
    ) -> Self:
        if times is not None and times < 1:
            raise ContractError(f"{description}: times must be at least 1, not {times}")
        with self._lock:
            # A step without a number of times applies forever only while it is the last one.
            for earlier in self._steps:
                if earlier.left is None and earlier.invocation_types & invocation_types:
                    earlier.left = 0 if earlier.is_used else 1
            # A dry run has no request, so a stub with *when* cannot decide whether it is for it.
            dry_run = {InvocationType.DRY_RUN} if self.when else set[InvocationType]()
            self._steps.append(Step(description, invocation_types - dry_run, reply, times))
        return self


Stub.__module__ = "lambdachain.testing"
StubCall.__module__ = "lambdachain.testing"
