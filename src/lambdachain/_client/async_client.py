"""``AsyncLambdaClient``: the client for event loops, with types."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lambdachain._calling.async_attempts import AsyncHook
from lambdachain._calling.options import CallOptions, ConstructorSignature, check_bound_options, check_client
from lambdachain._calling.retry import RetryPolicy
from lambdachain._calling.target import UNSET, Resolver, contract_for
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import AsyncTransport, InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.async_adapter import to_async_transport

from .async_invoker import AsyncInvoker
from .async_lifecycle import AsyncClientLifecycle
from .async_remote_function import AsyncRemoteFunction

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import JsonValue
    from typing_extensions import TypeForm

    from lambdachain._calling.interceptors import Interceptor
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapOptions

T = TypeVar("T")


class AsyncLambdaClient(AsyncClientLifecycle):
    """Call functions from an event loop: as ``LambdaClient``, with coroutines for methods.

    Create one at module scope and keep it: it connects with the first call, and serves every event loop, each over
    connections of its own. A cancelled call ends immediately; the function, if the request reached it, runs to its end.

    >>> import asyncio
    >>> from lambdachain import Contract
    >>> from lambdachain.testing import StubTransport
    >>> double = Contract("orders-double", request=int, response=int)
    >>> client = AsyncLambdaClient()
    >>> async def doubled(*numbers: int) -> list[int]:
    ...     return await asyncio.gather(*[client.call(double, number) for number in numbers])
    >>> with StubTransport() as stub:
    ...     _ = stub.on(double).runs(lambda number: number * 2)
    ...     asyncio.run(doubled(20, 21))
    [40, 42]

    Args:
        transport: How calls are sent. By default, an ``AsyncHttpTransport`` inside Lambda; elsewhere an
            ``AsyncBotoTransport`` if aiobotocore is installed, or else an ``AsyncHttpTransport``, too;
            ``LAMBDACHAIN_TRANSPORT`` overrides that. A blocking transport has a thread for each call.
        timeout: Seconds, or a ``timedelta``, for each call that sets no timeout of its own, all attempts included; by
            default, as long as a function may run. Inside an invocation, no call outlives it in any case.
        retry: When a failed call is retried: a ``RetryPolicy``, or ``RetryPolicy.never()``.
        resolve: Maps a contract's name to the deployed one; see ``lambdachain.resolvers``.
        hooks: Coroutine functions around every attempt, the first one outermost; see ``AsyncHook``.
        interceptors: Context managers around every call, the first one outermost; see ``Interceptor``.
        region: The region of functions whose address names none; by default, that of the environment or the profile.

    Raises:
        ContractError: An argument is not valid, such as a boto3 client in place of a transport.
    """

    __signature__ = ConstructorSignature()

    def __init__(
        self,
        transport: AsyncTransport | Transport | None = None,
        *,
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
        resolve: Resolver | None = None,
        hooks: Sequence[AsyncHook] = (),
        interceptors: Sequence[Interceptor] = (),
        region: str | None = None,
    ) -> None:
        check_client(transport, timeout, retry, resolve, hooks, region=region, blocking=False)
        adapted = None if transport is None else to_async_transport(transport)
        defaults: CallOptions = {"timeout": timeout, "retry": retry}
        self._invoker = AsyncInvoker(adapted, defaults, resolve, hooks, interceptors, region=region)

    @overload
    async def call(self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]) -> Resp: ...
    @overload
    async def call(
        self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    async def call(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    async def call(self, target: Address, payload: object, /, **options: Unpack[CallOptions]) -> JsonValue: ...
    async def call(
        self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]
    ) -> Any:
        """Run a function and await its response (RequestResponse); see ``LambdaClient.call``.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            payload: The request: of the contract's type; for a plain name, anything that JSON can represent.
            response: For a plain name, the type of the response; decoded JSON by default.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        bound = self._invoker.bind_target(target, options, response=response)
        return (await self._invoker.invoke(bound, payload)).value

    @overload
    async def invoke(
        self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[Resp]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[JsonValue]: ...
    async def invoke(
        self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]
    ) -> InvokeResult[Any]:
        """Run a function as ``call`` does; return the response with its metadata: version, request id, log, attempts.

        Args:
            target: As for ``call``.
            payload: As for ``call``.
            response: As for ``call``.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        bound = self._invoker.bind_target(target, options, response=response)
        return await self._invoker.invoke(bound, payload)

    async def fire(
        self, target: HasContract[Req, Any] | Address, payload: Req, /, **options: Unpack[CallOptions]
    ) -> Receipt:
        """Queue an event for a function and do not wait for it to run (Event); see ``LambdaClient.fire``.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            payload: The request: of the contract's type; for a plain name, anything that JSON can represent.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; needs a contract with ``envelope=True``.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Rejected: Lambda delivers it with a call only.
            log_tail: Rejected: Lambda returns the log with a call only.
        """
        return await self._invoker.fire(self._invoker.bind_target(target, options), payload)

    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Resp]: ...
    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Resp | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[JsonValue]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[JsonValue | CallError]: ...
    def map(
        self,
        target: Any,
        payloads: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        response: object = UNSET,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Any]:
        """Call a function once for each payload, many at a time, and yield the responses.

        Lazy, as ``LambdaClient.map`` is. Cancelled, it cancels its calls; left early, it is closed by its loop.

        Args:
            target: As for ``call``.
            payloads: The requests, one call each; an async iterator is asked for more while responses arrive.
            response: As for ``call``.
            return_exceptions: Yield a ``CallError`` in place of a response; by default, the first one ends the map.
            timeout: Seconds, or a ``timedelta``, for the whole map, from the first result that is requested.
            retry: A ``RetryPolicy``, in place of the client's.
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
        from .async_map import run_map
        from .map import prepare_map

        kind = InvocationType.REQUEST_RESPONSE
        job = prepare_map(self._invoker, target, kind, options, response=response, return_exceptions=return_exceptions)
        return run_map(job, payloads)

    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any] | Address,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any] | Address,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt | CallError]: ...
    def fire_map(
        self,
        target: Any,
        payloads: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Any]:
        """Queue an event for each payload, many at a time, and yield the receipts; see ``LambdaClient.fire_map``.

        Args:
            target: As for ``call``.
            payloads: As for ``map``.
            return_exceptions: As for ``map``.
            timeout: Seconds, or a ``timedelta``, for the whole map, from the first result that is requested.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Rejected, as is ``durable_name``: with one for all payloads, only the first would run.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected.
            client_context: Rejected, as is ``log_tail``: Lambda has them with a call only.
            log_tail: Rejected.
            max_concurrency: The limit of calls in flight, however many Lambda would accept; 100 by default.
            ordered: Return results in the order of the payloads, the default, or as they complete.
            on_progress: Called with a ``MapProgress``, in the thread (or loop) that consumes the results.
        """
        from .async_map import run_map
        from .map import prepare_map

        kind = InvocationType.EVENT
        return run_map(prepare_map(self._invoker, target, kind, options, return_exceptions=return_exceptions), payloads)

    @overload
    def stream(
        self,
        target: HasContract[Req, Any] | Address,
        payload: Req,
        /,
        *,
        text: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> AsyncGenerator[bytes]: ...
    @overload
    def stream(
        self,
        target: HasContract[Req, Any] | Address,
        payload: Req,
        /,
        *,
        text: Literal[True],
        **options: Unpack[CallOptions],
    ) -> AsyncGenerator[str]: ...
    def stream(
        self, target: Any, payload: object, /, *, text: bool = False, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[bytes] | AsyncGenerator[str]:
        """Run a function and yield its response in chunks, as they are sent; see ``LambdaClient.stream``.

        Args:
            target: As for ``call``; the contract's response type is not used.
            payload: As for ``call``.
            text: Decode the chunks as UTF-8.
            timeout: Seconds, or a ``timedelta``, for the whole stream, attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected: Lambda has no durable executions that stream.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``FunctionError``.
        """
        from .async_stream import stream_response

        return stream_response(self._invoker, self._invoker.bind_target(target, options), payload, text=text)

    async def can_invoke(
        self, target: HasContract[Any, Any] | Address, /, **options: Unpack[CallOptions]
    ) -> Permission:
        """Check whether this caller may invoke a function (DryRun); see ``LambdaClient.can_invoke``.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Ignored: nothing runs.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Ignored, as is ``log_tail``.
            log_tail: Ignored.
        """
        return await self._invoker.can_invoke(self._invoker.bind_target(target, options))

    def bind(
        self, contract: HasContract[Req, Resp], function: Address | None = None, /, **options: Unpack[CallOptions]
    ) -> AsyncRemoteFunction[Req, Resp]:
        """Return a function object for a contract, with options for all of its calls.

        Args:
            contract: A contract or decorated handler.
            function: The address to call, in place of the contract's own name; it is not resolved.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        if isinstance(contract, Address):
            raise ContractError("bind() needs a Contract, or a handler made by remote: a plain name has no types")
        check_bound_options(options, function)
        return AsyncRemoteFunction(self._invoker, contract_for(contract), function, options)


AsyncLambdaClient.__module__ = "lambdachain"
