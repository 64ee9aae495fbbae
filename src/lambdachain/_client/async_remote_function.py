"""``AsyncRemoteFunction``: a contract as an awaitable function, which ``AsyncLambdaClient.bind`` returns."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.options import CallOptions, check_bound
from lambdachain._contracts.contract import Contract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType
from lambdachain._core.results import InvokeResult

from .async_invoker import AsyncInvoker

if TYPE_CHECKING:
    from typing import Unpack

    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapMethodOptions


class AsyncRemoteFunction(Generic[Req, Resp]):
    """A deployed Lambda function, to be awaited like one of this program; ``AsyncLambdaClient.bind`` returns it."""

    def __init__(
        self,
        invoker: AsyncInvoker,
        contract: Contract[Req, Resp],
        function: Address | None,
        options: CallOptions,
    ) -> None:
        self._invoker = invoker
        self._function = function
        self._options = options
        self._bound: BoundTarget | None = None
        self.contract = contract

    async def call(self, payload: Req, /) -> Resp:
        """Run the function and await its response; see ``LambdaClient.call``."""
        return (await self.invoke(payload)).value

    async def invoke(self, payload: Req, /) -> InvokeResult[Resp]:
        """Run the function as ``call`` does; return the response with its metadata."""
        return await self._invoker.invoke(self.bind_target(), payload)

    async def fire(self, payload: Req, /) -> Receipt:
        """Queue an event for the function; see ``LambdaClient.fire``."""
        return await self._invoker.fire(self.bind_target(), payload)

    @overload
    def map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Resp]: ...
    @overload
    def map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Resp | CallError]: ...
    def map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool = False,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Any]:
        """Call the function once for each payload, many at a time; see ``AsyncLambdaClient.map``."""
        return self._run_map(payloads, InvocationType.REQUEST_RESPONSE, options, return_exceptions=return_exceptions)

    @overload
    def fire_map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Receipt]: ...
    @overload
    def fire_map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Receipt | CallError]: ...
    def fire_map(
        self,
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool = False,
        **options: Unpack[MapMethodOptions],
    ) -> AsyncGenerator[Any]:
        """Queue an event for each payload, many at a time; see ``AsyncLambdaClient.fire_map``."""
        return self._run_map(payloads, InvocationType.EVENT, options, return_exceptions=return_exceptions)

    @overload
    def stream(self, payload: Req, /, *, text: Literal[False] = False) -> AsyncGenerator[bytes]: ...
    @overload
    def stream(self, payload: Req, /, *, text: Literal[True]) -> AsyncGenerator[str]: ...
    def stream(self, payload: Req, /, *, text: bool = False) -> AsyncGenerator[bytes] | AsyncGenerator[str]:
        """Run the function and yield its response in chunks; see ``LambdaClient.stream``."""
        from .async_stream import stream_response

        return stream_response(self._invoker, self.bind_target(), payload, text=text)

    async def can_invoke(self) -> Permission:
        """Check whether the function may be invoked; see ``LambdaClient.can_invoke``."""
        return await self._invoker.can_invoke(self.bind_target())

    def with_options(self, **options: Unpack[CallOptions]) -> AsyncRemoteFunction[Req, Resp]:
        """Return the same function with other options; those that are not passed stay as they are.

        Args:
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        # Only the new options: the others were checked when they were bound.
        check_bound(options)
        return AsyncRemoteFunction(self._invoker, self.contract, self._function, {**self._options, **options})

    def __repr__(self) -> str:
        return f"AsyncRemoteFunction({self.contract!r})"

    def _run_map(
        self,
        payloads: Iterable[Any] | AsyncIterable[Any],
        kind: InvocationType,
        own: MapMethodOptions,
        *,
        return_exceptions: bool,
    ) -> AsyncGenerator[Any]:
        from .async_map import run_map
        from .map import bound_map_request

        request = bound_map_request(self._invoker, self.bind_target(), kind, own, return_exceptions=return_exceptions)
        return run_map(request, payloads)

    def bind_target(self) -> BoundTarget:
        """Return the target with the options of this function, for its next call."""
        # Kept here too, where the address cannot change: what finds it in the invoker costs as much as what it saves.
        if self._bound is not None:
            return self._bound
        bound = self._invoker.bind(self.contract, self._options, function=self._function)
        if self._function is not None or not self._invoker.has_resolver:
            self._bound = bound
        return bound


AsyncRemoteFunction.__module__ = "lambdachain"
