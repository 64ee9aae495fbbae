"""What a test says that a function answers, and what the function was asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar, cast, overload

from lambdachain._calling.options import CallOptions
from lambdachain._contracts.contract import Contract
from lambdachain._core.errors import ContractError
from lambdachain._core.invocation import InvocationType
from lambdachain._core.metadata import Metadata
from lambdachain._core.process_copies import lock_for
from lambdachain._json.codec import type_name
from lambdachain._transports.transport_override import StubError

from ._addresses import Deployment
from ._call_log import VERBS
from ._comparison import compare
from ._scripted_errors import failing
from ._scripted_responses import Reply, crashing, denying, queueing, returning, running, throttling, timing_out
from ._scripted_streams import streaming

Req = TypeVar("Req")
Resp = TypeVar("Resp")
Req_co = TypeVar("Req_co", covariant=True)

_CALL: Final = frozenset({InvocationType.REQUEST_RESPONSE})
_EVENT: Final = frozenset({InvocationType.EVENT})
_ANY: Final = frozenset(InvocationType)


@dataclass(frozen=True, slots=True)
class StubCall(Generic[Req_co]):
    """A request that came to a stub; one that is sent again comes again.

    Attributes:
        function: The function's name or ARN, as it was called.
        invocation_type: RequestResponse, Event or DryRun.
        request: The request, as its callee reads it; ``None`` of a dry run.
        options: The options it was sent with; ``timeout`` is what this attempt had of it, in seconds.
        metadata: What the caller told beside the payload, such as ``attempt`` and ``idempotency_key``; ``None`` of an
            event without envelope.
        request_id: The id that its answer carried.
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
    """A part of a script: what is answered, to which kinds of invocation, and how often still; ``None`` for always."""

    says: str
    kinds: frozenset[InvocationType]
    reply: Reply
    left: int | None
    is_used: bool = False

    @property
    def is_done(self) -> bool:
        """Check whether it was asked for as often as the test said."""
        return self.left == 0 or (self.left is None and self.is_used)

    def __str__(self) -> str:
        return f"{self.says} x {self.left}" if self.left and self.left > 1 else self.says


class Stub(Generic[Req, Resp]):
    """What one function answers, by the word of a test; made by ``StubTransport.on``.

    Each word adds to what is answered, in order: ``throttles(2).returns(answer)`` is two throttles and then answers.
    The last word holds for as long as calls come, unless it says how often. ``when`` and ``qualifier`` of ``on`` say
    which calls it is for.
    """

    def __init__(
        self,
        contract: Contract[Req, Resp],
        deployed: Deployment,
        when: Callable[[Req], bool] | None,
        *,
        optional: bool,
    ) -> None:
        self.contract = contract
        self.deployed = deployed
        self.when = when
        self.optional = optional
        self._steps: list[Step] = []
        self._calls: list[StubCall[Req]] = []
        self._dry_runs: list[StubCall[None]] = []
        self._lock = lock_for(self)

    def returns(self, *values: Resp) -> Self:
        """Answer calls: one value is the answer to each that comes, several are the answers to one each.

        Raises:
            StubError: A value is not what the contract says that the function answers.
        """
        if not values:
            raise ContractError("returns() needs what is answered: returns(None) for nothing")
        for value in values:
            reply = returning(self.contract, value)
            self._add(f"returns {type_name(type(value))}", _CALL, reply, None if len(values) == 1 else 1)
        return self

    def raises(self, *errors: Exception | type[Exception]) -> Self:
        """Fail calls: one error is the end of each that comes, several are the ends of one each.

        A domain error that the contract declares, and any exception that is not lambdachain's, is raised by the
        function. An error of the client's, such as ``ServiceError`` or ``FunctionTimeoutError``, comes about by the
        answer of Lambda's that it stands for.

        Raises:
            StubError: A domain error is not declared by the contract.
            ContractError: Nothing that Lambda does amounts to such an error.
        """
        if not errors:
            raise ContractError("raises() needs an error")
        for error in errors:
            name = error.__name__ if isinstance(error, type) else type(error).__name__
            reply, in_function = failing(self.contract, error)
            self._add(f"raises {name}", _CALL if in_function else _ANY, reply, None if len(errors) == 1 else 1)
        return self

    @overload
    def runs(self, function: Callable[[Req], Coroutine[Any, Any, Resp]]) -> Self: ...
    @overload
    def runs(self, function: Callable[[Req], Resp]) -> Self: ...
    @overload
    def runs(self, function: Callable[[Any, Any], Any]) -> Self: ...
    def runs(self, function: Callable[..., Any]) -> Self:
        """Answer calls with what a function gives.

        It takes the request and gives the answer, with the contract's types; or it is a handler, made by ``remote`` or
        taking event and context, and gets what Lambda would give it. What it raises is the failure of the callee; but
        an ``AssertionError`` of a function that takes the request alone is the test's.

        Raises:
            ContractError: It is not a function.
        """
        if not callable(function):
            raise ContractError(f"runs() takes a function, not {type(function).__name__}: returns() takes an answer")
        name = str(getattr(function, "__name__", type(function).__name__))
        return self._add(f"runs {name}", _CALL, running(self.contract, function), None)

    def streams(self, *pieces: bytes | str | Exception) -> Self:
        """Answer calls piece by piece, as ``LambdaClient.stream`` gets it; ``call`` gets them all at once.

        Args:
            *pieces: What the function sends, and last of all, perhaps, what it fails with then.

        Raises:
            ContractError: A piece is none of these.
            StubError: A domain error is not declared by the contract.
        """
        return self._add("streams", _CALL, streaming(self.contract, pieces), None)

    def accepts(self) -> Self:
        """Accept events: ``fire`` gets its receipt, and nothing is run."""
        return self._add("accepts", _EVENT, queueing, None)

    def throttles(self, times: int | None = None, *, reason: str | None = None, retry_after: int | None = None) -> Self:
        """Refuse calls and events for want of capacity.

        Args:
            times: How often; without, as long as they come.
            reason: Lambda's word for the limit; without, ``"ConcurrentInvocationLimitExceeded"``.
            retry_after: Seconds that Lambda asks to wait.
        """
        return self._add("throttles", _ANY, throttling(reason, retry_after), times)

    def times_out(self, times: int | None = None) -> Self:
        """Return no answer until the caller's time is over; the function may have run.

        The time passes at once. Without a timeout, it is the 910 s after which the longest function has ended.
        """
        return self._add("times out", _ANY, timing_out, times)

    def crashes(self, times: int | None = None) -> Self:
        """Let the function's process end before it answers a call."""
        return self._add("crashes", _CALL, crashing, times)

    def denies(self, times: int | None = None) -> Self:
        """Refuse calls, events and dry runs for want of a permission."""
        return self._add("denies", _ANY, denying, times)

    @property
    def calls(self) -> tuple[StubCall[Req], ...]:
        """The calls and events that came, each attempt by itself."""
        return tuple(self._calls)

    @property
    def dry_runs(self) -> tuple[StubCall[None], ...]:
        """How often ``can_invoke`` asked."""
        return tuple(self._dry_runs)

    def assert_called_with(self, *requests: Req) -> None:
        """Check that these requests came, in this order, and no others; an attempt that failed counts too.

        Raises:
            StubError: Others did; the message says which fields differ.
        """
        lines = compare(requests, [call.request for call in self._calls])
        if lines:
            raise StubError("\n  ".join([f"{self.deployed} was not called as expected", *lines]))

    def take(self, kind: InvocationType) -> Step | None:
        """Use up one answer to an invocation of *kind*; ``None`` if nothing is said, or no more."""
        with self._lock:
            step = next((step for step in self._steps if kind in step.kinds and step.left != 0), None)
            if step is not None:
                step.is_used = True
                step.left = None if step.left is None else step.left - 1
            return step

    def answers(self, kind: InvocationType) -> bool:
        """Check whether anything was said about invocations of *kind*."""
        return any(kind in step.kinds for step in self._steps)

    def note(self, call: StubCall[Any]) -> None:
        """Remember what came."""
        if call.invocation_type is InvocationType.DRY_RUN:
            self._dry_runs.append(call)
        else:
            self._calls.append(cast("StubCall[Req]", call))

    @property
    def unused(self) -> str | None:
        """Describe what of it no call asked for; ``None`` if all was."""
        if self.optional:
            return None
        left = [step for step in self._steps if not step.is_done]
        if left:
            return f"{self.deployed}: {', '.join(map(str, left))}"
        return None if self._steps or self._dry_runs else f"{self.deployed}: nothing came"

    def __repr__(self) -> str:
        when = f", when={getattr(self.when, '__name__', self.when)}" if self.when else ""
        return f"on({str(self.deployed)!r}{when}): {', '.join(map(str, self._steps)) or 'nothing yet'}"

    def _add(self, says: str, kinds: frozenset[InvocationType], reply: Reply, times: int | None) -> Self:
        if times is not None and times < 1:
            raise ContractError(f"{says} {times} times: it must be 1 at least")
        with self._lock:
            for earlier in self._steps:
                if earlier.left is None and earlier.kinds & kinds:
                    earlier.left = 0 if earlier.is_used else 1
            # what depends on the request says nothing of a dry run, which has none
            kinds = kinds - {InvocationType.DRY_RUN} if self.when else kinds
            self._steps.append(Step(says, kinds, reply, times))
        return self
