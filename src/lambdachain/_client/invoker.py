"""What carries a client's calls out, and waits for them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lambdachain._calling.answer import Answer
from lambdachain._calling.attempts import Hook, perform
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import Plan
from lambdachain._calling.target import Callee
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.default import default_transport

from .base_invoker import Calls, Refusal, bare, permission_of, receipt_of, refusal_of, result_of

if TYPE_CHECKING:
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.loop_executors import LoopSide
    from lambdachain._transports.http.transport import HttpTransport


class Caller(Calls[Transport, Hook]):
    """Carries calls out, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    _side: LoopSide | None = None

    def invoke(self, callee: Callee, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and read its answer."""
        return result_of(*self._perform(callee, payload, InvocationType.REQUEST_RESPONSE, options))

    def fire(self, callee: Callee, payload: object, options: CallOptions) -> Receipt:
        """Queue an event for the function."""
        _, answer = self._perform(callee, payload, InvocationType.EVENT, options)
        return receipt_of(answer)

    def can_invoke(self, callee: Callee, options: CallOptions) -> Permission:
        """Ask Lambda whether it would let the call through."""
        refusal = self._refusal(callee, options)
        by_name = bare(callee, refusal)
        return permission_of(refusal, without_qualifier=by_name is not None and self._exists(by_name, options))

    def close(self) -> None:
        """Close the transport; later calls are refused."""
        transport = self._retired()
        if transport is not None:
            transport.close()
        if self._side is not None:
            self._side.close()

    def loop_side(self, transport: HttpTransport) -> LoopSide:
        """Give the loop that carries out the maps over *transport*."""
        from lambdachain._fan_out.loop_executors import LoopSide

        with self._lock:
            if self._side is None or not self._side.is_here:
                self._side = LoopSide(transport)
            return self._side

    def _refusal(self, callee: Callee, options: CallOptions) -> Refusal | None:
        try:
            self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError as exc:
            return refusal_of(exc)
        return None

    def _exists(self, callee: Callee, options: CallOptions) -> bool:
        try:
            self._perform(callee, None, InvocationType.DRY_RUN, options)
        except CallError:
            return False
        return True

    def _perform(
        self, callee: Callee, payload: object, kind: InvocationType, options: CallOptions
    ) -> tuple[Plan, Answer]:
        call = self.planned(callee, payload, kind, options)
        if call.hedge_after is None:
            return call, perform(self.carrier(callee), call, self.hooks)
        from lambdachain._calling.hedging import perform_hedged

        return call, perform_hedged(self.carrier(callee), call, self.hooks)

    def _default(self) -> Transport:
        return default_transport()

    def _standing_in(self, substitute: Transport) -> Transport:
        return substitute


@cache
def default_caller() -> Caller:
    """Give what decorated handlers call through when no client binds them: one a process, with no settings."""
    return Caller(None, {})
