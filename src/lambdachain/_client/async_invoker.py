"""What carries an async client's calls out, and awaits them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lambdachain._calling.async_attempts import AsyncHook, send_hedged, send_with_retries
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import Answer
from lambdachain._calling.target import Target
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import AsyncTransport, InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.async_adapter import in_thread, to_async_transport
from lambdachain._transports.default import default_async_transport

from .base_invoker import BaseInvoker, Refusal, permission_of, receipt_of, refusal_of, result_of, without_qualifier

if TYPE_CHECKING:
    from lambdachain._core.receipts import Permission, Receipt


class AsyncInvoker(BaseInvoker[AsyncTransport, AsyncHook]):
    """Carries calls out, untyped; ``AsyncLambdaClient`` and ``AsyncRemoteFunction`` are its typed faces."""

    async def invoke(self, callee: Target, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and read its answer."""
        call, answer = await self._perform(callee, payload, InvocationType.REQUEST_RESPONSE, options)
        if callee.contract.offload is None:
            return result_of(call, answer)
        return await in_thread(partial(result_of, call, answer))

    async def fire(self, callee: Target, payload: object, options: CallOptions) -> Receipt:
        """Queue an event for the function."""
        _, answer = await self._perform(callee, payload, InvocationType.EVENT, options)
        return receipt_of(answer)

    async def can_invoke(self, callee: Target, options: CallOptions) -> Permission:
        """Ask Lambda whether it would let the call through."""
        refusal = await self._refusal(callee, options)
        by_name = without_qualifier(callee, refusal)
        return permission_of(refusal, without_qualifier=by_name is not None and await self._exists(by_name, options))

    async def ready(self, callee: Target, payload: object, kind: InvocationType, options: CallOptions) -> PreparedCall:
        """Make a call ready; what may wait for S3 is done in a thread."""
        make = partial(self.planned, callee, payload, kind, options)
        return make() if callee.contract.offload is None else await in_thread(make)

    async def close(self) -> None:
        """Close the transport; later calls are refused."""
        transport = self._retired()
        if transport is not None:
            await transport.close()

    async def _refusal(self, callee: Target, options: CallOptions) -> Refusal | None:
        try:
            await self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError as exc:
            return refusal_of(exc)
        return None

    async def _exists(self, callee: Target, options: CallOptions) -> bool:
        try:
            await self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError:
            return False
        return True

    async def _perform(
        self, callee: Target, payload: object, kind: InvocationType, options: CallOptions
    ) -> tuple[PreparedCall, Answer]:
        call = await self.ready(callee, payload, kind, options)
        carry_out = send_with_retries if call.hedge_after is None else send_hedged
        return call, await carry_out(self.transport_for(callee), call, self.hooks)

    def _default(self) -> AsyncTransport:
        return default_async_transport()

    def _override(self, substitute: Transport) -> AsyncTransport:
        return to_async_transport(substitute)
