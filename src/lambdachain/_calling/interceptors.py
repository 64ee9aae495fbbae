"""Interceptors: context managers around a whole call on the caller's side, and around its handler on the callee's.

Imported with the first interceptor of a process: programs that have none pay nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias, cast

from lambdachain._core.arn import get_function_name
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.metadata import MAX_ID_CHARACTERS, is_extra_text, is_plain_text
from lambdachain._core.redacted_texts import RedactedOptions, RedactedTexts
from lambdachain._transports.argument_checks import (
    CO_ASYNC_GENERATOR,
    CO_COROUTINE,
    CO_GENERATORS,
    code_flags,
    describe_kind,
)

from .attempt_recorder import AttemptRecorder, CallAttempt

if TYPE_CHECKING:
    from lambdachain._contracts.contract import Contract

    from .options import CallOptions
    from .target import Target

Operation: TypeAlias = Literal["call", "fire", "can_invoke", "stream"]

_UNSET: Final[Any] = object()


class Interceptor:
    """Base of what stands around whole calls, and around handlers: for traces, metrics, audit logs, tenants.

    Override one method or both. Each returns a context manager, so write a generator function with ``yield`` where the
    call or the handler runs, and decorate it with ``contextlib.contextmanager``. One object serves blocking and async
    clients, handlers, maps and streams, in many threads and tasks at a time. In an event loop, what it does must not
    block.

    >>> from collections.abc import Generator
    >>> from contextlib import contextmanager
    >>> from lambdachain import Contract, LambdaClient
    >>> from lambdachain.testing import StubTransport
    >>> class Audit(Interceptor):
    ...     @contextmanager
    ...     def calling(self, call: OutgoingCall) -> Generator[None]:
    ...         call.metadata["tenant"] = "acme"
    ...         yield
    ...         print(call.operation, call.function, call.result, len(call.attempts))
    >>> double = Contract("orders-double", request=int, response=int)
    >>> client = LambdaClient(interceptors=[Audit()])
    >>> with StubTransport() as stub:
    ...     _ = stub.on(double).throttles(1).returns(42)
    ...     client.call(double, 21)
    call orders-double 42 2
    42

    An exception of a call is raised at the ``yield``. One that an interceptor raises in its place, or by itself,
    reaches the caller unchanged. An interceptor cannot turn a failure into a success: if it catches an exception and
    raises none, ``RuntimeError`` is raised.
    """

    def calling(self, call: OutgoingCall, /) -> AbstractContextManager[object]:  # noqa: ARG002 - for subclasses
        """Return what stands around a call: all its attempts and pauses, and the checks of request and response."""
        return nullcontext()

    def handling(self, invocation: HandledInvocation, /) -> AbstractContextManager[object]:  # noqa: ARG002 - the same
        """Return what stands around a handler of ``remote``: its function, and the checks of request and response."""
        return nullcontext()


class CallMetadata(RedactedTexts, MutableMapping[str, str]):
    """Texts that travel to the callee beside the payload, by name; see ``OutgoingCall.metadata``."""

    def __init__(self) -> None:
        super().__init__({})
        self._is_sent = False

    def seal(self) -> Mapping[str, str]:
        """Return the texts for the call that is prepared; later changes raise, since they would not be sent."""
        self._is_sent = True
        return self._values

    def __setitem__(self, name: str, text: str) -> None:
        self._check_unsent()
        if not is_plain_text(name) or not name:
            problem = f"a name is text of 1 to {MAX_ID_CHARACTERS} characters, without control characters"
            raise ContractError(f"call.metadata: {problem}")
        if not is_extra_text(text):
            kind = describe_kind(text)
            what = "text without control characters" if kind == "str" else f"text, not {kind}"
            raise ContractError(f"call.metadata[{name!r}] must be {what}")
        self._values[name] = text

    def __delitem__(self, name: str) -> None:
        self._check_unsent()
        del self._values[name]

    def _check_unsent(self) -> None:
        if self._is_sent:
            raise ContractError("call.metadata is sent with the call: change it before the yield")


class StreamResult(NamedTuple):
    """The result of a stream, for interceptors: its chunks are the consumer's.

    Attributes:
        received_bytes: How much was received.
        complete: Whether it was read to its end; not if the consumer closed it before.
    """

    received_bytes: int
    complete: bool


class _FixedAttributes:
    """Has attributes that are set once: an assignment would change nothing that is sent, and is an error."""

    _fixed: frozenset[str] = frozenset()

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._fixed and name in self.__dict__:
            raise AttributeError(f"{name} cannot be changed: an interceptor adds call.metadata, or raises an exception")
        super().__setattr__(name, value)


class OutgoingCall(_FixedAttributes):
    """A call as the interceptors on the caller's side see it.

    Attributes:
        contract: The contract; for a plain name, one for any JSON.
        function: The address that is called: name or ARN, with the qualifier.
        operation: ``"call"`` (also for ``invoke``, and for each payload of a map), ``"fire"`` (also for each payload of
            a ``fire_map``), ``"can_invoke"`` or ``"stream"``.
        request: The payload, as it was passed; it is not validated yet. ``None`` for ``can_invoke``.
        options: The options of the call, those of the client included.
    """

    _fixed = frozenset({"contract", "function", "operation", "options", "request"})

    def __init__(self, target: Target, operation: Operation, request: object, options: CallOptions) -> None:
        self.contract: Contract[Any, Any] = target.contract
        self.function: str = target.address
        self.operation: Operation = operation
        self.request: Any = request
        self.options: Mapping[str, Any] = RedactedOptions(options)
        self._metadata = CallMetadata()
        self._recorder = AttemptRecorder()
        self._result: Any = _UNSET

    @property
    def metadata(self) -> MutableMapping[str, str]:
        """Texts that travel to the callee beside the payload: add them before the ``yield``.

        W3C trace context (``traceparent``, ``tracestate``, ``baggage``) keeps its names; all else is at most 2,048
        bytes of JSON. An event carries them only if its contract has ``envelope=True``; a permission check sends none.
        """
        return self._metadata

    @property
    def attempts(self) -> tuple[CallAttempt, ...]:
        """The requests that have been sent so far, in order."""
        return tuple(self._recorder.attempts)

    @property
    def result(self) -> Any:
        """The response as the contract's type, a ``Receipt``, a ``Permission``, or of a stream a ``StreamResult``.

        Raises:
            AttributeError: The call has not ended, or it has failed.
        """
        if self._result is _UNSET:
            raise AttributeError("there is no result: the call has not ended, or it has failed")
        return self._result

    def __repr__(self) -> str:
        return f"OutgoingCall({self.operation} {self.function!r}, {len(self._recorder.attempts)} attempts)"


class HandledInvocation(_FixedAttributes):
    """An invocation as the interceptors on the callee's side see it.

    Attributes:
        contract: The contract of the handler.
        metadata: The texts that the caller's interceptors sent, and the W3C trace context that came with the call.
        context: Lambda's context; ``None`` where the handler was called without one.
    """

    _fixed = frozenset({"contract", "metadata", "context"})

    def __init__(
        self,
        contract: Contract[Any, Any],
        metadata: Mapping[str, str],
        context: Any,
        parse_request: Callable[[], Any],
    ) -> None:
        self.contract = contract
        self.metadata = metadata
        self.context = context
        self._parse_request = parse_request
        self._request: Any = _UNSET
        self._result: Any = _UNSET

    @property
    def request(self) -> Any:
        """The request, as the contract's type; it is validated when it is first read.

        Raises:
            RequestRejectedError: It does not fit the contract.
        """
        if self._request is _UNSET:
            self._request = self._parse_request()
        return self._request

    @property
    def result(self) -> Any:
        """What the handler's function returned, once it is known to fit the contract.

        Raises:
            AttributeError: The function has not ended, or it has failed.
        """
        if self._result is _UNSET:
            raise AttributeError("there is no result: the handler has not ended, or it has failed")
        return self._result

    def __repr__(self) -> str:
        return f"HandledInvocation({self.contract!r})"


class StartedCall(OutgoingCall):
    """A call with what the client does with it; interceptors see the ``OutgoingCall``."""

    @property
    def recorder(self) -> AttemptRecorder:
        """What records the attempts."""
        return self._recorder

    def seal_metadata(self) -> Mapping[str, str]:
        """Return the texts to send; later changes raise."""
        return self._metadata.seal()

    def finish(self, result: object) -> None:
        """Set what interceptors see after their ``yield``."""
        self._result = result


class StartedInvocation(HandledInvocation):
    """An invocation with what the handler does with it; interceptors see the ``HandledInvocation``.

    Attributes:
        event: The event without its envelope, as Lambda decoded it.
        handler: The handler.
    """

    event: Any = None
    handler: Any = None

    def finish(self, result: object) -> None:
        """Set what interceptors see after their ``yield``."""
        self._result = result


def get_api_operation(call: OutgoingCall) -> str:
    """Return the operation of Lambda's API that sends a call, by AWS's name, as tracers record it."""
    return "InvokeWithResponseStream" if call.operation == "stream" else "Invoke"


def get_handled_function(invocation: HandledInvocation) -> str:
    """Return the name of the function that handles an invocation: as deployed, or outside Lambda the contract's."""
    deployed: str | None = getattr(invocation.context, "function_name", None)
    return deployed or get_function_name(invocation.contract.function)


def is_suspension(error: BaseException) -> bool:
    """Check whether the durable SDK has suspended a handler: it raises what is not an ``Exception``, and no failure."""
    return any(
        kind.__name__ == "SuspendExecution" and kind.__module__.startswith("aws_durable_execution_sdk_python")
        for kind in type(error).__mro__
    )


def get_event(invocation: HandledInvocation) -> tuple[Any, bool]:
    """Return the event of an invocation as it came, and whether it is one message of a queue's batch."""
    return getattr(invocation, "event", None), getattr(getattr(invocation, "handler", None), "handles_messages", False)


@contextmanager
def intercept_call(call: StartedCall, interceptors: Sequence[Interceptor]) -> Generator[None]:
    """Enter the interceptors of a call, the first one outermost.

    Raises:
        RuntimeError: An interceptor swallowed an exception.
    """
    with _nest(call, interceptors, "calling"):
        try:
            yield
        except CallError as exc:
            # After a success, it is about the response, which does not fit or broke off.
            call.recorder.record_unusable_response(exc)
            raise


def intercept_handler(
    invocation: StartedInvocation, interceptors: Sequence[Interceptor]
) -> AbstractContextManager[None]:
    """Enter the interceptors of a handler, the first one outermost.

    Raises:
        RuntimeError: An interceptor swallowed an exception.
    """
    return _nest(invocation, interceptors, "handling")


@contextmanager
def _nest(seen: object, interceptors: Sequence[Interceptor], method: str) -> Generator[None]:
    if not interceptors:
        yield
        return
    first, *others = interceptors
    name = f"{type(first).__name__}.{method}"
    raised: BaseException | None = None
    try:
        with _check_manager(getattr(first, method)(seen), name):
            try:
                with _nest(seen, others, method):
                    yield
            except BaseException as exc:
                raised = exc
                raise
            return
    except RuntimeError as exc:
        # contextlib's, which does not say whose generator it is.
        if exc is raised or not str(exc).startswith("generator didn't "):
            raise
        raise RuntimeError(f"{name} must yield exactly once: {exc}") from exc
    raise RuntimeError(
        f"{name} swallowed {type(raised).__name__}: a call that failed has no result to return, so raise the exception "
        "again, or another one"
    ) from raised


def _check_manager(manager: object, name: str) -> AbstractContextManager[object, bool]:
    if not (hasattr(type(manager), "__enter__") and hasattr(type(manager), "__exit__")):
        kind = describe_kind(manager)
        raise ContractError(f"{name} must return a context manager, not {kind}: decorate it with @contextmanager")
    # True of its exit means that it has swallowed the exception.
    return cast("AbstractContextManager[object, bool]", manager)


def select(interceptors: Sequence[Interceptor], method: Literal["calling", "handling"]) -> tuple[Interceptor, ...]:
    """Return the interceptors that override *method*: the others are never called on that side."""
    inherited = getattr(Interceptor, method)
    # Of the object, not its class: one may have been set on it.
    return tuple(each for each in interceptors if getattr(getattr(each, method), "__func__", None) is not inherited)


def check_interceptors(interceptors: Any) -> tuple[Interceptor, ...]:
    """Return interceptors as a tuple.

    Raises:
        ContractError: One of them cannot work; the message says why.
    """
    if isinstance(interceptors, Interceptor) or not isinstance(interceptors, Sequence) or isinstance(interceptors, str):
        kind = describe_kind(interceptors)
        raise ContractError(f"interceptors must be a list of interceptors, not {kind}: interceptors=[Audit()]")
    each: tuple[Any, ...] = tuple(interceptors)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for interceptor in each:
        _check_interceptor(interceptor)
    return each


def _check_interceptor(interceptor: Any) -> None:
    if isinstance(interceptor, type):
        name = interceptor.__name__
        raise ContractError(f"interceptors: {name} is a class: pass an instance, {name}()")
    if not isinstance(interceptor, Interceptor):
        raise ContractError(f"interceptors: {_describe_wrong_type(interceptor)}")
    for method in ("calling", "handling"):
        function: Any = getattr(interceptor, method)
        function = getattr(function, "__func__", function)
        flags, name = code_flags(function), f"{type(interceptor).__name__}.{method}"
        wrapped = code_flags(getattr(function, "__wrapped__", None))
        if (flags | wrapped) & (CO_COROUTINE | CO_ASYNC_GENERATOR):
            remedy = "use a plain generator function with @contextmanager, which async clients enter, too"
            raise ContractError(f"interceptors: {name} is async: {remedy}")
        if flags & CO_GENERATORS:
            raise ContractError(f"interceptors: {name} is a generator function: decorate it with @contextmanager")


def _describe_wrong_type(value: Any) -> str:
    kind = describe_kind(value)
    if isinstance(value, Sequence | AbstractSet | Generator) and not isinstance(value, str | bytes):
        return f"{kind} where an interceptor is expected: pass each one by itself, use(*interceptors)"
    if callable(getattr(value, "instrument", None)):
        return f"{kind} is an instrumentor, which adds its own interceptor: call its instrument() instead"
    if callable(value):
        return f"{kind} is a function, not a subclass of lambdachain.Interceptor: write one with it as calling()"
    return f"{kind} is not a subclass of lambdachain.Interceptor"


for _public in (CallAttempt, HandledInvocation, Interceptor, OutgoingCall, StreamResult):
    _public.__module__ = "lambdachain"
