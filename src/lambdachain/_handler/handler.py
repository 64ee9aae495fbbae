"""``remote()``: a function becomes a Lambda handler, which its callers can also call with types."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar, cast, overload

from lambdachain._calling.options import CallOptions, check_bound_options
from lambdachain._client.base_invoker import ProcessInterceptors, find_interceptors
from lambdachain._client.invoker import default_invoker
from lambdachain._client.remote_function import RemoteFunction
from lambdachain._contracts.contract import Contract, HasContract, Req, Resp
from lambdachain._contracts.remote_error import RemoteError
from lambdachain._core.arn import Address
from lambdachain._core.client_context import unwrap_envelope
from lambdachain._core.current_invocation import CurrentInvocation, current_invocation, invocation_scope
from lambdachain._core.errors import CallError, ContractError, ErrorDetail, RequestRejectedError, ResponseError
from lambdachain._core.invocation import MAX_REQUEST_BYTES, InvocationType
from lambdachain._core.results import InvokeResult
from lambdachain._core.type_guards import is_mapping
from lambdachain._json.codec import codec_for, type_name
from lambdachain._json.payload_validation import UNEXPECTED_FIELD_RULES, PayloadValidationError
from lambdachain._transports.transport_override import transport_override

from .signature import HandlerSignature, check_against_contract, keep_under_decorators, make_contract, read_signature

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import JsonValue

    from lambdachain._calling.interceptors import Interceptor
    from lambdachain._contracts.s3_offload import S3Offload
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapOptions

AnyReq = TypeVar("AnyReq")
AnyResp = TypeVar("AnyResp")


class ContractOptions(TypedDict, total=False):
    """The options of a contract that ``remote`` makes from a name and annotations; see ``Contract``."""

    errors: Sequence[type[RemoteError]]
    idempotent: bool
    qualifier: str | None
    envelope: bool
    offload: S3Offload | None
    description: str | None


class _CallSignature:
    """``__signature__`` of a handler: what Lambda calls it with, where ``__wrapped__`` would show its function's.

    The class has none, so that ``inspect.signature(RemoteHandler)`` is that of its constructor.
    """

    def __get__(self, handler: RemoteHandler[Any, Any] | None, owner: type[Any]) -> inspect.Signature:
        if handler is None:
            raise AttributeError("__signature__")
        parameters = inspect.signature(handler.__call__).parameters.values()
        return inspect.Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters])


class RemoteHandler(HasContract[Req, Resp]):
    """A Lambda handler that can also be run here with types, and called where it is deployed.

    ``remote`` makes it. Set it as the function's handler; Lambda calls it with an event and a context.
    """

    __signature__ = _CallSignature()

    def __init__(
        self,
        function: Callable[..., Any],
        contract: Contract[Req, Resp],
        signature: HandlerSignature,
        interceptors: Sequence[Interceptor] = (),
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._contract = contract
        self._signature = signature
        self._interceptors = interceptors
        keep_under_decorators(self)
        signature.build_codecs_in_lambda(contract)

    @property
    def contract(self) -> Contract[Req, Resp]:
        """The contract of this handler and its callers."""
        return self._contract

    # Powertools' middlewares accept only what inspect.isfunction() accepts, which looks at __class__.
    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return FunctionType

    # inspect.iscoroutinefunction() and others read __code__ of a function: here, of what Lambda calls.
    @property
    def __code__(self) -> CodeType:
        return type(self).__call__.__code__

    # Pickled by name, as functions are.
    def __reduce__(self) -> str:
        return self._signature.name

    def __call__(self, event: Any, context: Any = None) -> JsonValue:
        """Handle an event as Lambda passes it: decoded JSON in, decoded JSON out.

        Raises:
            RequestRejectedError: The event does not fit the contract; the caller's call raises the same error.
            ResponseError: The value that the function returned does not fit the contract.
            Exception: An exception of the function, unchanged, so that Lambda sees the failure.
        """
        payload, metadata = unwrap_envelope(event) if self._contract.envelope else (event, None)
        with invocation_scope(context, metadata=metadata):
            if self._interceptors or ProcessInterceptors.handling:
                return self._run_intercepted(payload, context)
            return self._serialize_response(self._run(self._parse_request(payload), context))

    def local(self, request: Req, context: Any = None) -> Resp:
        """Run the function in this process: no JSON, no Lambda, the types as declared.

        A *context* limits the calls that the function makes, as ``invocation_scope`` does. No interceptor stands around
        it. A coroutine function is run to its end; inside a loop, await ``handler.function(request)`` instead.
        """
        if context is None or current_invocation() is not None:
            return self._run(request, context)
        with invocation_scope(context):
            return self._run(request, context)

    def call(self, payload: Req, /, **options: Unpack[CallOptions]) -> Resp:
        """Run the deployed function and wait for its response, through a default client; see ``LambdaClient.call``.

        Args:
            payload: The request.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        return self._bind(options).call(payload)

    def invoke(self, payload: Req, /, **options: Unpack[CallOptions]) -> InvokeResult[Resp]:
        """Run the deployed function as ``call`` does, and return metadata too; see ``LambdaClient.invoke``.

        Args:
            payload: The request.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        return self._bind(options).invoke(payload)

    def fire(self, payload: Req, /, **options: Unpack[CallOptions]) -> Receipt:
        """Queue an event for the deployed function; see ``LambdaClient.fire``.

        Args:
            payload: The request.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Lets the callee recognize a repetition; needs a contract with ``envelope=True``.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Rejected: Lambda delivers it with a call only.
            log_tail: Rejected: Lambda returns the log with a call only.
        """
        return self._bind(options).fire(payload)

    @overload
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: Literal[False] = False, **options: Unpack[MapOptions]
    ) -> Generator[Resp]: ...
    @overload
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool, **options: Unpack[MapOptions]
    ) -> Generator[Resp | CallError]: ...
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool = False, **options: Unpack[MapOptions]
    ) -> Generator[Any]:
        """Call the deployed function once for each payload, many at a time; see ``LambdaClient.map``.

        Args:
            payloads: The requests, one call each.
            return_exceptions: Yield a ``CallError`` in place of a response; by default, the first one ends the map.
            timeout: Seconds, or a ``timedelta``, for the whole map, from the first result that is requested.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Rejected, as is ``durable_name``: with one for all payloads, only the first would run.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the log of a call that fails.
            max_concurrency: The limit of calls in flight, however many Lambda would accept; 100 by default.
            ordered: Return results in the order of the payloads, the default, or as they complete.
            on_progress: Called with a ``MapProgress``, in the thread (or loop) that consumes the results.
        """
        from lambdachain._client.map import prepare_map, run_map

        kind = InvocationType.REQUEST_RESPONSE
        request = prepare_map(default_invoker(), self.contract, kind, options, return_exceptions=return_exceptions)
        return run_map(request, payloads)

    def can_invoke(self, **options: Unpack[CallOptions]) -> Permission:
        """Check whether the deployed function may be invoked; see ``LambdaClient.can_invoke``.

        Args:
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Ignored: nothing runs.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Ignored, as is ``log_tail``.
            log_tail: Ignored.
        """
        return self._bind(options).can_invoke()

    def bind(self, function: Address | None = None, /, **options: Unpack[CallOptions]) -> RemoteFunction[Req, Resp]:
        """Return a function object for the deployed function, over a default client; see ``LambdaClient.bind``.

        Args:
            function: The address to call, in place of the contract's own name.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included.
            retry: A ``RetryPolicy``, in place of the default one.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        check_bound_options(options, function)
        return self._bind(options, function)

    def __repr__(self) -> str:
        return f"RemoteHandler({self._signature.name}, {self.contract!r})"

    def _bind(self, options: CallOptions, function: Address | None = None) -> RemoteFunction[Req, Resp]:
        return RemoteFunction(default_invoker(), self.contract, function, options)

    def _run(self, request: Req, context: Any) -> Resp:
        call = self._call_function
        result: Resp = _run_coroutine(call, request, context) if self._signature.is_async else call(request, context)
        return result

    def _run_intercepted(self, payload: Any, context: Any) -> JsonValue:
        from lambdachain._calling.interceptors import StartedInvocation, intercept_handler

        received = cast("CurrentInvocation", current_invocation()).metadata
        seen = StartedInvocation(self._contract, received, context, functools.partial(self._parse_request, payload))
        seen.event, seen.handler = payload, self
        with intercept_handler(seen, (*ProcessInterceptors.handling, *self._interceptors)):
            result = self._run(seen.request, context)
            response = self._serialize_response(result)
            seen.finish(result)
        return response

    def _call_function(self, request: Req, context: Any) -> Any:
        return self.function(request, context) if self._signature.takes_context else self.function(request)

    def _parse_request(self, event: Any) -> Req:
        codec = codec_for(self._contract.request)
        stored = self._fetch_offloaded(event) if is_mapping(event) and len(event) == 1 else None
        try:
            request: Req = codec.validate_event(event) if stored is None else codec.decode(stored)
        except PayloadValidationError as exc:
            rejected = RequestRejectedError(errors=exc.details)
        else:
            return request
        # OpenTelemetry's botocore instrumentation adds "headers" to the payload, which a strict model rejects. Only
        # then it is removed: a model may have a field of that name.
        if stored is None and _is_injected(rejected.errors):
            return self._parse_request({name: value for name, value in event.items() if name != "headers"})
        raise rejected

    def _serialize_response(self, result: Resp) -> JsonValue:
        response, offload = self._contract.response, self._contract.offload
        try:
            if offload is not None:
                return self._offload_response(offload, codec_for(response).encode(result, self._signature.response))
            return codec_for(response).dump(result, self._signature.response)
        except PayloadValidationError as exc:
            error = ResponseError(
                f"the handler's response does not fit {type_name(response)}: {exc}", errors=exc.details
            )
        # Raised outside the except clause: as its context, pydantic's error would show the value in the function's log.
        raise error

    def _fetch_offloaded(self, event: Any) -> bytes | None:
        """Fetch the request that *event* refers to, as JSON; ``None`` if the event is the request itself."""
        from lambdachain._contracts.s3_offload import is_reference

        if not is_reference(event):
            return None
        if self.contract.offload is None:
            message = "The request is in S3, and this handler's contract cannot read it: it needs offload"
            raise RequestRejectedError(errors=[ErrorDetail(loc=(), type="offloaded", msg=message)])
        return self.contract.offload.get(event)

    def _offload_response(self, offload: S3Offload, data: bytes) -> JsonValue:
        """Store a large response in S3 if the caller can read it there; if not, return it if Lambda accepts it."""
        invocation = current_invocation()
        if not offload.takes(len(data)):
            return cast("JsonValue", json.loads(data))
        if invocation is not None and invocation.offload:
            from lambdachain._contracts.s3_offload import put_payload

            return cast("JsonValue", put_payload(offload, data, transport_override()))
        if len(data) <= MAX_REQUEST_BYTES:
            return cast("JsonValue", json.loads(data))
        limit = "Lambda returns at most 6 MiB, and the caller cannot read it from S3: its contract needs offload"
        raise ResponseError(f"the handler's response is {len(data):,} bytes; {limit}")


class ContractDecorator(Generic[Req, Resp]):
    """The decorator that ``remote(contract)`` returns."""

    def __init__(self, contract: Contract[Req, Resp], interceptors: Sequence[Interceptor]) -> None:
        self._contract = contract
        self._interceptors = interceptors

    # One signature, not overloads: both type checkers then explain a wrong function by the types of the contract. With
    # overloads, mypy compares it with the first one only, and pyright with the last one.
    def __call__(
        self,
        function: Callable[[Req], Resp | Coroutine[Any, Any, Resp]]
        | Callable[[Req, Any], Resp | Coroutine[Any, Any, Resp]],
        /,
    ) -> RemoteHandler[Req, Resp]:
        """Make a handler of *function*, whose annotations must fit the contract."""
        signature = read_signature(function, inspect.currentframe())
        check_against_contract(signature, self._contract)
        return RemoteHandler(function, self._contract, signature, self._interceptors)


class NameDecorator:
    """The decorator that ``remote("name")`` returns."""

    def __init__(self, name: str, options: ContractOptions, interceptors: Sequence[Interceptor]) -> None:
        self._name = name
        self._interceptors = interceptors
        self._options = options

    # Coroutine functions first: they match the other overloads, too, with the coroutine for a response.
    @overload
    def __call__(
        self, function: Callable[[AnyReq], Coroutine[Any, Any, AnyResp]], /
    ) -> RemoteHandler[AnyReq, AnyResp]: ...
    @overload
    def __call__(
        self, function: Callable[[AnyReq, Any], Coroutine[Any, Any, AnyResp]], /
    ) -> RemoteHandler[AnyReq, AnyResp]: ...
    @overload
    def __call__(self, function: Callable[[AnyReq], AnyResp], /) -> RemoteHandler[AnyReq, AnyResp]: ...
    @overload
    def __call__(self, function: Callable[[AnyReq, Any], AnyResp], /) -> RemoteHandler[AnyReq, AnyResp]: ...
    def __call__(self, function: Callable[..., Any], /) -> RemoteHandler[Any, Any]:
        """Make a handler of *function*, whose annotations become the contract."""
        signature = read_signature(function, inspect.currentframe())
        contract = make_contract(self._name, signature, self._options)
        return RemoteHandler(function, contract, signature, self._interceptors)


@overload
def remote(
    target: Contract[Req, Resp], /, *, interceptors: Sequence[Interceptor] = ()
) -> ContractDecorator[Req, Resp]: ...
@overload
def remote(
    target: str, /, *, interceptors: Sequence[Interceptor] = (), **options: Unpack[ContractOptions]
) -> NameDecorator: ...
def remote(
    target: Contract[Any, Any] | str,
    /,
    *,
    interceptors: Sequence[Interceptor] = (),
    **options: Unpack[ContractOptions],
) -> Any:
    """Make a function a Lambda handler that callers can call with types.

    The function takes the request and, optionally, the context; it may be a coroutine function. Requests are validated
    before it runs, responses before they are returned. Its exceptions reach Lambda unchanged.

    >>> from pydantic import BaseModel
    >>> class Order(BaseModel):
    ...     cents: int
    >>> @remote("orders-double")
    ... def handler(order: Order) -> Order:
    ...     return Order(cents=order.cents * 2)
    >>> handler({"cents": 21}, None)
    {'cents': 42}
    >>> handler.local(Order(cents=21))
    Order(cents=42)

    Args:
        target: A contract, or a function's name: then the annotations become the contract.
        interceptors: Context managers around every invocation, the first one outermost; see ``Interceptor``.
        **options: With a name, the rest of the contract: ``errors``, ``idempotent``, ``qualifier``, ``envelope``,
            ``offload`` and ``description``, by default the function's docstring; see ``Contract``.

    Raises:
        ContractError: The function does not take ``(request)`` or ``(request, context)``, lacks annotations, or
            contradicts the contract; or there is no such option.
    """
    handling = () if interceptors == () else find_interceptors(interceptors, "handling")
    if isinstance(target, str):
        unknown = sorted(options.keys() - ContractOptions.__optional_keys__)
        if unknown:
            known = ", ".join(ContractOptions.__annotations__)
            raise ContractError(f"remote: unknown option {unknown[0]!r}; a contract's options are {known}")
        return NameDecorator(target, options, handling)
    if not isinstance(target, Contract):  # pyright: ignore[reportUnnecessaryIsInstance] - @remote without arguments
        raise ContractError('remote needs a Contract or a name: @remote(contract) or @remote("name")')
    if options:
        raise ContractError(f"remote: declare {', '.join(options)} in the contract itself, {target!r}")
    return ContractDecorator(target, handling)


def _is_injected(errors: Sequence[ErrorDetail]) -> bool:
    """Check whether a strict model rejected only ``headers``."""
    return [error["loc"] for error in errors] == [("headers",)] and errors[0]["type"] in UNEXPECTED_FIELD_RULES


def _run_coroutine(start: Callable[..., Coroutine[Any, Any, AnyResp]], request: Any, context: Any) -> AnyResp:
    from .event_loop import run

    return run(start, request, context)


RemoteHandler.__module__ = "lambdachain"
remote.__module__ = "lambdachain"
