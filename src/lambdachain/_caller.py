"""What carries a client's calls out: the transport, the defaults, and the three ways to invoke."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from . import _clock
from ._answer import Answer, value_of
from ._arn import Address
from ._attempts import Hook, perform
from ._callee import UNSET, Callee, Resolver, contract_of, locate
from ._default_transport import default_transport
from ._errors import AccessDeniedError, CallError, ConnectError, CredentialsError, FunctionNotFoundError
from ._invocation import InvocationType, Transport
from ._options import CallOptions, check_names
from ._plan import Moment, Plan, plan
from ._results import InvokeResult
from ._scope import current_invocation
from ._stand_in import SendsToAws, stand_in
from ._success import log_tail

if TYPE_CHECKING:
    from ._pace import Pace
    from ._receipts import Permission, PermissionReason, Receipt


class Caller:
    """Carries calls out, untyped; ``LambdaClient`` and ``RemoteFunction`` are its typed faces."""

    def __init__(
        self,
        transport: Transport | None,
        defaults: CallOptions,
        resolve: Resolver | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        self._transport = transport
        self._defaults = defaults
        self._resolve = resolve
        self.hooks = tuple(hooks)
        self.paces: dict[str, Pace] = {}
        self._lock = threading.Lock()
        self._closed = False

    def locate(
        self,
        target: object,
        options: CallOptions,
        *,
        response: object = UNSET,
        function: Address | None = None,
    ) -> Callee:
        """Find what is called and where; see ``contract_of`` and ``locate``."""
        check_names(options)
        address = target if isinstance(target, Address) else function
        return locate(contract_of(target, response), address, options.get("qualifier"), self._resolve)

    def invoke(self, callee: Callee, payload: object, options: CallOptions) -> InvokeResult[Any]:
        """Run the function and read its answer."""
        call, answer = self._perform(callee, payload, InvocationType.REQUEST_RESPONSE, options)
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
        from ._receipts import Receipt

        _, answer = self._perform(callee, payload, InvocationType.EVENT, options)
        return Receipt(answer.outcome.request_id, answer.attempts)

    def can_invoke(self, callee: Callee, options: CallOptions) -> Permission:
        """Ask Lambda whether it would let the call through."""
        from ._receipts import Permission, PermissionReason

        try:
            self._perform(callee, None, InvocationType.DRY_RUN, options)
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

    def _missing(self, callee: Callee, options: CallOptions) -> PermissionReason:
        """Tell a missing qualifier from a missing function, for which Lambda has one and the same message."""
        from ._receipts import PermissionReason

        if callee.qualifier is None:
            return PermissionReason.NO_SUCH_FUNCTION
        try:
            self._perform(Callee(callee.contract, callee.function, None), None, InvocationType.DRY_RUN, options)
        except CallError:
            return PermissionReason.NO_SUCH_FUNCTION
        return PermissionReason.NO_SUCH_QUALIFIER

    def _perform(
        self, callee: Callee, payload: object, kind: InvocationType, options: CallOptions
    ) -> tuple[Plan, Answer]:
        call = self.planned(callee, payload, kind, options)
        if call.hedge_after is None:
            return call, perform(self.carrier(callee), call, self.hooks)
        from ._hedging import perform_hedged

        return call, perform_hedged(self.carrier(callee), call, self.hooks)

    def planned(self, callee: Callee, payload: object, kind: InvocationType, options: CallOptions) -> Plan:
        """Make a call ready, with this client's defaults; see ``plan``."""
        now = Moment(_clock.monotonic(), _clock.epoch())
        return plan(callee, payload, kind, {**self._defaults, **options}, within=current_invocation(), now=now)

    def timeout_of(self, options: CallOptions) -> float | timedelta | None:
        """Tell the timeout of one call: its own, or this client's."""
        return options["timeout"] if "timeout" in options else self._defaults.get("timeout")

    def carrier(self, callee: Callee) -> Transport:
        """Give what sends: this client's transport, or a test's in its place.

        Raises:
            ConnectError: The client is closed.
        """
        with self._lock:
            if self._closed:
                raise ConnectError("the client is closed: make a new one", function=callee.address)
            substitute = stand_in()
            if substitute is not None and (self._transport is None or isinstance(self._transport, SendsToAws)):
                return substitute
            if self._transport is None:
                self._transport = default_transport()
            return self._transport


@cache
def default_caller() -> Caller:
    """Give what decorated handlers call through when no client binds them: one a process, with no settings."""
    return Caller(None, {})
