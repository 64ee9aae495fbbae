"""What carries a client's calls out: the transport, the defaults, and the three ways to invoke."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import cache
from typing import Any

from ._arn import FunctionArn
from ._call import UNSET, Callee, Resolver, contract_of, locate, perform, plan, value_of
from ._classify import log_tail
from ._errors import AccessDeniedError, CallError, ConnectError, CredentialsError, FunctionNotFoundError
from ._invocation import InvocationType, Transport
from ._options import CallOptions, check_names
from ._results import InvokeResult, Permission, PermissionReason, Receipt


class Caller:
    """Carries calls out, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    def __init__(
        self, transport: Transport | None, timeout: float | timedelta | None, resolve: Resolver | None
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._resolve = resolve
        self._lock = threading.Lock()
        self._closed = False

    def locate(
        self,
        target: object,
        options: CallOptions,
        *,
        response: object = UNSET,
        function: str | FunctionArn | None = None,
    ) -> Callee:
        """Find what is called and where; see ``contract_of`` and ``locate``."""
        check_names(options)
        address = target if isinstance(target, str | FunctionArn) else function
        return locate(contract_of(target, response), address, options.get("qualifier"), self._resolve)

    def invoke(self, callee: Callee, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and read its answer."""
        call = plan(callee, payload, InvocationType.REQUEST_RESPONSE, self._completed(options))
        answer = perform(self._carrier(callee), call)
        return InvokeResult(
            value=value_of(call, answer),
            request_id=answer.outcome.request_id,
            executed_version=answer.outcome.executed_version or "",
            log_tail=log_tail(answer.outcome),
            attempts=answer.attempts,
            duration=answer.elapsed,
        )

    def fire(self, callee: Callee, payload: object, options: CallOptions) -> Receipt:
        """Queue an event for the function."""
        call = plan(callee, payload, InvocationType.EVENT, self._completed(options))
        answer = perform(self._carrier(callee), call)
        return Receipt(answer.outcome.request_id, answer.attempts)

    def can_invoke(self, callee: Callee, options: CallOptions) -> Permission:
        """Ask Lambda whether it would let the call through."""
        try:
            self._try_out(callee, options)
        except CredentialsError:
            raise
        except AccessDeniedError as exc:
            return Permission(allowed=False, reason=PermissionReason.DENIED, message=str(exc.args[0]))
        except FunctionNotFoundError as exc:
            return Permission(allowed=False, reason=self._missing(callee, options), message=str(exc.args[0]))
        return Permission(allowed=True, reason=PermissionReason.ALLOWED)

    def close(self) -> None:
        """Close the transport; later calls are refused."""
        with self._lock:
            self._closed = True
            if self._transport is not None:
                self._transport.close()

    def __repr__(self) -> str:
        return repr(self._transport) if self._transport is not None else ""

    def _try_out(self, callee: Callee, options: CallOptions) -> None:
        perform(self._carrier(callee), plan(callee, None, InvocationType.DRY_RUN, self._completed(options)))

    def _missing(self, callee: Callee, options: CallOptions) -> PermissionReason:
        """Tell a missing qualifier from a missing function, for which Lambda has one and the same message."""
        if callee.qualifier is None:
            return PermissionReason.NO_SUCH_FUNCTION
        try:
            self._try_out(Callee(callee.contract, callee.function, None), options)
        except CallError:
            return PermissionReason.NO_SUCH_FUNCTION
        return PermissionReason.NO_SUCH_QUALIFIER

    def _completed(self, options: CallOptions) -> CallOptions:
        return options if self._timeout is None else {"timeout": self._timeout, **options}

    def _carrier(self, callee: Callee) -> Transport:
        with self._lock:
            if self._closed:
                raise ConnectError("the client is closed: make a new one", function=callee.address)
            if self._transport is None:
                from ._boto import BotoTransport

                self._transport = BotoTransport()
            return self._transport


@cache
def default_caller() -> Caller:
    """Give what decorated handlers call through when no client binds them: one a process, with no settings."""
    return Caller(None, None, None)
