"""The untyped core of the blocking client: send a call and wait for its response."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from lambdachain._calling.attempts import Hook, send_with_retries
from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.default import default_transport

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
    from lambdachain._fan_out.loop_executors import BackgroundLoop

Result = TypeVar("Result")


class Invoker(BaseInvoker[Transport, Hook]):
    """Send calls, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    _map_loop: BackgroundLoop | None = None

    def invoke(self, bound: BoundTarget, payload: object, seen: StartedCall | None = None) -> InvokeResult[Any]:
        """Run the function and return its response."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            return self._intercept("call", bound, payload, partial(self.invoke, bound, payload))
        return to_result(*self._send(bound, payload, InvocationType.REQUEST_RESPONSE, seen))

    def fire(self, bound: BoundTarget, payload: object, seen: StartedCall | None = None) -> Receipt:
        """Queue an event for the function."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            return self._intercept("fire", bound, payload, partial(self.fire, bound, payload))
        _, response = self._send(bound, payload, InvocationType.EVENT, seen)
        return to_receipt(response)

    def can_invoke(self, bound: BoundTarget, seen: StartedCall | None = None) -> Permission:
        """Check whether Lambda would allow the call."""
        if seen is None and (self.interceptors or ProcessInterceptors.calling):
            return self._intercept("can_invoke", bound, None, partial(self.can_invoke, bound))
        rejection = self._find_rejection(bound, seen)
        by_name = target_without_qualifier(bound, rejection)
        exists = by_name is not None and self._exists(by_name, seen)
        return to_permission(rejection, without_qualifier=exists)

    def close(self) -> None:
        """Close the transport; later calls raise."""
        transport = self._mark_closed()
        if transport is not None:
            transport.close()
        # The loop sends over a transport of its own, which closing this one does not reach.
        if self._map_loop is not None:
            self._map_loop.close()

    def background_loop(self, transport: Transport) -> BackgroundLoop | None:
        """Return the event loop that runs the maps over *transport*; it is started once.

        ``None`` if a wrapper around the transport has no counterpart for event loops.
        """
        from lambdachain._fan_out.loop_executors import BackgroundLoop, copy_for_loop

        with self._lock:
            # In a forked process the object exists, but its thread does not.
            if self._map_loop is None or not self._map_loop.is_usable:
                copied = copy_for_loop(transport)
                self._map_loop = None if copied is None else BackgroundLoop(copied)
            return self._map_loop

    def _find_rejection(self, bound: BoundTarget, seen: StartedCall | None) -> Rejection | None:
        try:
            self._send(bound, None, InvocationType.DRY_RUN, seen)
        except CallError as exc:
            return to_rejection(exc)
        return None

    def _exists(self, bound: BoundTarget, seen: StartedCall | None) -> bool:
        try:
            self._send(bound, None, InvocationType.DRY_RUN, seen)
        # Also for a throttle or a lost connection: without proof of the function, the first response stands.
        except CallError:
            return False
        return True

    def _send(
        self, bound: BoundTarget, payload: object, kind: InvocationType, seen: StartedCall | None
    ) -> tuple[PreparedCall, CallResponse]:
        call = self.prepare(bound, payload, kind, seen)
        transport = self.get_transport(call.compiled.address)
        if call.compiled.hedge_after is None:
            return call, send_with_retries(transport, call, self.hooks)
        # Imported here: only calls with hedge_after need threads and a queue.
        from lambdachain._calling.hedging import send_hedged

        return call, send_hedged(transport, call, self.hooks)

    def _intercept(
        self,
        operation: Operation,
        bound: BoundTarget,
        payload: object,
        proceed: Callable[[StartedCall], Result],
    ) -> Result:
        """Call *proceed* inside the interceptors; its last argument is the call as they see it."""
        from .interception import enter, to_seen_result

        with enter(self, operation, bound, payload) as seen:
            result = proceed(seen)
            seen.finish(to_seen_result(result))
        return result

    def _default_transport(self) -> Transport:
        return default_transport(self._region)

    def _adapt_override(self, substitute: Transport) -> Transport:
        return substitute


@cache
def default_invoker() -> Invoker:
    """Return the invoker of decorated handlers that no client binds: one per process, with default settings."""
    return Invoker(None, {})
