"""What carries a client's calls out, and waits for them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lambdachain._calling.attempts import Hook, send_with_retries
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import Answer
from lambdachain._calling.target import Target
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.default import default_transport

from .base_invoker import BaseInvoker, Refusal, permission_of, receipt_of, refusal_of, result_of, without_qualifier

if TYPE_CHECKING:
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.loop_executors import LoopSide
    from lambdachain._transports.http.transport import HttpTransport


class Invoker(BaseInvoker[Transport, Hook]):
    """Carries calls out, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    _side: LoopSide | None = None

    def invoke(self, callee: Target, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and read its answer."""
        return result_of(*self._perform(callee, payload, InvocationType.REQUEST_RESPONSE, options))

    def fire(self, callee: Target, payload: object, options: CallOptions) -> Receipt:
        """Queue an event for the function."""
        _, answer = self._perform(callee, payload, InvocationType.EVENT, options)
        return receipt_of(answer)

    def can_invoke(self, callee: Target, options: CallOptions) -> Permission:
        """Ask Lambda whether it would let the call through."""
        refusal = self._refusal(callee, options)
        by_name = without_qualifier(callee, refusal)
        return permission_of(refusal, without_qualifier=by_name is not None and self._exists(by_name, options))

    def close(self) -> None:
        """Close the transport; later calls are refused."""
        transport = self._retired()
        if transport is not None:
            transport.close()
        if self._side is not None:
            self._side.close()

    def loop_side(self, transport: HttpTransport) -> LoopSide:
        """Return the loop that carries out the maps over *transport*."""
        from lambdachain._fan_out.loop_executors import LoopSide

        with self._lock:
            if self._side is None or not self._side.is_here:
                self._side = LoopSide(transport)
            return self._side

    def _refusal(self, callee: Target, options: CallOptions) -> Refusal | None:
        try:
            self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError as exc:
            return refusal_of(exc)
        return None

    def _exists(self, callee: Target, options: CallOptions) -> bool:
        try:
            self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError:
            return False
        return True

    def _perform(
        self, callee: Target, payload: object, kind: InvocationType, options: CallOptions
    ) -> tuple[PreparedCall, Answer]:
        call = self.planned(callee, payload, kind, options)
        if call.hedge_after is None:
            return call, send_with_retries(self.transport_for(callee), call, self.hooks)
        from lambdachain._calling.hedging import send_hedged

        return call, send_hedged(self.transport_for(callee), call, self.hooks)

    def _default(self) -> Transport:
        return default_transport()

    def _override(self, substitute: Transport) -> Transport:
        return substitute


@cache
def default_invoker() -> Invoker:
    """Return what decorated handlers call through when no client binds them: one a process, with no settings."""
    return Invoker(None, {})
