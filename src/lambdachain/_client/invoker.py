"""The untyped core of the blocking client: send a call and wait for its response."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lambdachain._calling.attempts import Hook, send_with_retries
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._calling.target import Target
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.default import default_transport

from .base_invoker import (
    BaseInvoker,
    Refusal,
    target_without_qualifier,
    to_permission,
    to_receipt,
    to_refusal,
    to_result,
)

if TYPE_CHECKING:
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.loop_executors import BackgroundLoop
    from lambdachain._transports.http.transport import HttpTransport


class Invoker(BaseInvoker[Transport, Hook]):
    """Send calls, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    _side: BackgroundLoop | None = None

    def invoke(self, target: Target, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and return its response."""
        return to_result(*self._send(target, payload, InvocationType.REQUEST_RESPONSE, options))

    def fire(self, target: Target, payload: object, options: CallOptions) -> Receipt:
        """Queue an event for the function."""
        _, response = self._send(target, payload, InvocationType.EVENT, options)
        return to_receipt(response)

    def can_invoke(self, target: Target, options: CallOptions) -> Permission:
        """Check whether Lambda would allow the call."""
        refusal = self._find_refusal(target, options)
        by_name = target_without_qualifier(target, refusal)
        return to_permission(refusal, without_qualifier=by_name is not None and self._exists(by_name, options))

    def close(self) -> None:
        """Close the transport; later calls raise."""
        transport = self._mark_closed()
        if transport is not None:
            transport.close()
        if self._side is not None:
            self._side.close()

    def background_loop(self, transport: HttpTransport) -> BackgroundLoop:
        """Return the event loop that runs the maps over *transport*; it is started once."""
        from lambdachain._fan_out.loop_executors import BackgroundLoop

        with self._lock:
            if self._side is None or not self._side.is_usable:
                self._side = BackgroundLoop(transport)
            return self._side

    def _find_refusal(self, target: Target, options: CallOptions) -> Refusal | None:
        try:
            self._send(target, None, InvocationType.DRY_RUN, options)
        except CallError as exc:
            return to_refusal(exc)
        return None

    def _exists(self, target: Target, options: CallOptions) -> bool:
        try:
            self._send(target, None, InvocationType.DRY_RUN, options)
        except CallError:
            return False
        return True

    def _send(
        self, target: Target, payload: object, kind: InvocationType, options: CallOptions
    ) -> tuple[PreparedCall, CallResponse]:
        call = self.prepare(target, payload, kind, options)
        if call.hedge_after is None:
            return call, send_with_retries(self.transport_for(target), call, self.hooks)
        from lambdachain._calling.hedging import send_hedged

        return call, send_hedged(self.transport_for(target), call, self.hooks)

    def _default_transport(self) -> Transport:
        return default_transport()

    def _adapt_override(self, substitute: Transport) -> Transport:
        return substitute


@cache
def default_invoker() -> Invoker:
    """Return the invoker of decorated handlers that no client binds: one per process, with default settings."""
    return Invoker(None, {})
