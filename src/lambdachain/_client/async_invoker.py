"""The untyped core of the async client: send a call and await its response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._calling.target import Target
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import AsyncTransport, InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.async_adapter import in_thread, running_loop, to_async_transport
from lambdachain._transports.default import default_async_transport
from lambdachain._transports.transport_override import AwsTransport

from .base_invoker import (
    BaseInvoker,
    ProcessInterceptors,
    Rejection,
    target_without_qualifier,
    to_permission,
    to_receipt,
    to_rejection,
    to_result,
)

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import Operation, StartedCall
    from lambdachain._core.receipts import Permission, Receipt

Result = TypeVar("Result")


class AsyncInvoker(BaseInvoker[AsyncTransport, AsyncHook]):
    """Send calls, untyped; ``AsyncLambdaClient`` and ``AsyncRemoteFunction`` are its typed faces."""

    async def invoke(self, bound: BoundTarget, payload: object, seen: StartedCall | None = None) -> InvokeResult[Any]:
        """Run the function and return its response."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            proceed = partial(self.invoke, bound, payload)
            return await self._intercept("call", bound, payload, proceed)
        call, response = await self._send(bound, payload, InvocationType.REQUEST_RESPONSE, seen)
        # Decoding fetches an offloaded response from S3, which would block the event loop.
        if bound.target.contract.offload is None:
            return to_result(call, response)
        return await in_thread(partial(to_result, call, response))

    async def fire(self, bound: BoundTarget, payload: object, seen: StartedCall | None = None) -> Receipt:
        """Queue an event for the function."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            proceed = partial(self.fire, bound, payload)
            return await self._intercept("fire", bound, payload, proceed)
        _, response = await self._send(bound, payload, InvocationType.EVENT, seen)
        return to_receipt(response)

    async def can_invoke(self, bound: BoundTarget, seen: StartedCall | None = None) -> Permission:
        """Check whether Lambda would allow the call."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            proceed = partial(self.can_invoke, bound)
            return await self._intercept("can_invoke", bound, None, proceed)
        rejection = await self._find_rejection(bound, seen)
        by_name = target_without_qualifier(bound, rejection)
        exists = by_name is not None and await self._exists(by_name, seen)
        return to_permission(rejection, without_qualifier=exists)

    async def prepare_async(
        self,
        bound: BoundTarget,
        payload: object,
        kind: InvocationType,
        seen: StartedCall | None = None,
    ) -> PreparedCall:
        """Validate and encode a call, in a thread if it may have to wait for S3."""
        prepare = partial(self.prepare, bound, payload, kind, seen)
        return prepare() if bound.target.contract.offload is None else await in_thread(prepare)

    def transport_for(self, target: Target) -> AsyncTransport:
        """Return the transport; see ``BaseInvoker.transport_for``.

        Raises:
            ContractError: It needs an event loop of asyncio, and none is running.
        """
        transport = super().transport_for(target)
        # A test's transport, or one that a user wrote for trio, may need none.
        if isinstance(transport, AwsTransport):
            running_loop()
        return transport

    async def close(self) -> None:
        """Close the transport; later calls raise."""
        transport = self._mark_closed()
        if transport is not None:
            await transport.close()

    async def _find_rejection(self, bound: BoundTarget, seen: StartedCall | None) -> Rejection | None:
        try:
            await self._send(bound, None, InvocationType.DRY_RUN, seen)
        except CallError as exc:
            return to_rejection(exc)
        return None

    async def _exists(self, bound: BoundTarget, seen: StartedCall | None) -> bool:
        try:
            await self._send(bound, None, InvocationType.DRY_RUN, seen)
        # Also for a throttle or a lost connection; see Invoker._exists.
        except CallError:
            return False
        return True

    async def _send(
        self, bound: BoundTarget, payload: object, kind: InvocationType, seen: StartedCall | None
    ) -> tuple[PreparedCall, CallResponse]:
        call = await self.prepare_async(bound, payload, kind, seen)
        # Hedging takes tasks here, not threads, so its code is small enough to live in async_attempts.
        send = send_with_retries if call.compiled.hedge_after is None else send_hedged
        return call, await send(self.transport_for(bound.target), call, self.hooks)

    async def _intercept(
        self,
        operation: Operation,
        bound: BoundTarget,
        payload: object,
        proceed: Callable[[StartedCall], Awaitable[Result]],
    ) -> Result:
        """Await *proceed* inside the interceptors; see ``Invoker._intercept``."""
        from .interception import enter, to_seen_result

        with enter(self, operation, bound, payload) as seen:
            result = await proceed(seen)
            seen.finish(to_seen_result(result))
        return result

    def _default_transport(self) -> AsyncTransport:
        return default_async_transport(self._region)

    def _adapt_override(self, substitute: Transport) -> AsyncTransport:
        # The transports of tests block, for clients of both kinds.
        return to_async_transport(substitute)
