"""What a client knows of its calls, whoever waits for them: defaults, addresses, what sends; and what answers mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lambdachain._calling.options import CallOptions, check_names
from lambdachain._calling.prepared_call import Moment, PreparedCall, plan
from lambdachain._calling.response import Answer, value_of
from lambdachain._calling.success import log_tail
from lambdachain._calling.target import UNSET, Resolver, Target, contract_of, locate
from lambdachain._core import clock
from lambdachain._core.arn import Address, FunctionArn, parse_target
from lambdachain._core.current_invocation import current_invocation
from lambdachain._core.errors import AccessDeniedError, CallError, ConnectError, CredentialsError, FunctionNotFoundError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.process_copies import lock_for
from lambdachain._core.results import InvokeResult
from lambdachain._transports.transport_override import AwsTransport, network_guard, transport_override

if TYPE_CHECKING:
    from lambdachain._contracts.s3_offload import S3Offload
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.concurrency_limit import ConcurrencyLimit

T = TypeVar("T")
H = TypeVar("H")

Refusal = AccessDeniedError | FunctionNotFoundError


class BaseInvoker(Generic[T, H]):
    """The calls of one client, which go out over a transport *T* and inside of hooks *H*. Thread-safe."""

    def __init__(
        self,
        transport: T | None,
        defaults: CallOptions,
        resolve: Resolver | None = None,
        hooks: Sequence[H] = (),
    ) -> None:
        self._transport = transport
        self._defaults = defaults
        self._resolve = resolve
        self.hooks = tuple(hooks)
        self.paces: dict[str, ConcurrencyLimit] = {}
        self._lock = lock_for(self)
        self._closed = False

    @abstractmethod
    def _default(self) -> T:
        """Make the transport of a client that was given none."""

    @abstractmethod
    def _override(self, substitute: Transport) -> T:
        """Make of a test's transport one that this client can send over."""

    def locate(
        self,
        target: object,
        options: CallOptions,
        *,
        response: object = UNSET,
        function: Address | None = None,
    ) -> Target:
        """Find what is called and where; see ``contract_of`` and ``locate``."""
        check_names(options)
        address = target if isinstance(target, Address) else function
        return locate(contract_of(target, response), address, options.get("qualifier"), self._resolve)

    def planned(self, callee: Target, payload: object, kind: InvocationType, options: CallOptions) -> PreparedCall:
        """Make a call ready, with this client's defaults; see ``plan``."""
        now = Moment(clock.monotonic(), clock.epoch())
        stow = None if callee.contract.offload is None else partial(self._stowed, callee)
        merged: CallOptions = {**self._defaults, **options}
        return plan(callee, payload, kind, merged, within=current_invocation(), now=now, stow=stow)

    def _stowed(self, callee: Target, offload: S3Offload, data: bytes) -> dict[str, Any]:
        """Put a large payload into S3, or into the memory of a test's transport; not for a call that is blocked."""
        from lambdachain._contracts.s3_offload import put_payload

        transport = self.transport_for(callee)
        if network_guard.closed:
            target = parse_target(callee.function)
            region = target.region if isinstance(target, FunctionArn) else None
            network_guard.check_transport(transport, callee.address, region)
        return put_payload(offload, data, transport)

    def timeout_of(self, options: CallOptions) -> float | timedelta | None:
        """Return the timeout of one call: its own, or this client's."""
        return options["timeout"] if "timeout" in options else self._defaults.get("timeout")

    def transport_for(self, callee: Target) -> T:
        """Return what sends: this client's transport, or a test's in its place.

        Raises:
            ConnectError: The client is closed.
        """
        with self._lock:
            if self._closed:
                raise ConnectError("the client is closed: make a new one", function=callee.address)
            substitute = transport_override()
            if substitute is not None and (self._transport is None or isinstance(self._transport, AwsTransport)):
                return self._override(substitute)
            if self._transport is None:
                self._transport = self._default()
            return self._transport

    def _retired(self) -> T | None:
        """Refuse every later call, and give what has to be closed."""
        with self._lock:
            self._closed = True
            return self._transport

    def __repr__(self) -> str:
        return repr(self._transport) if self._transport is not None else ""


def result_of(call: PreparedCall, answer: Answer) -> InvokeResult[Any]:
    """Read the answer to a call.

    Raises:
        ResponseError: It does not fit the contract.
    """
    return InvokeResult(
        value=value_of(call, answer),
        request_id=answer.outcome.request_id,
        executed_version=answer.outcome.executed_version or "",
        log_tail=log_tail(answer.outcome),
        attempts=answer.attempts,
        duration=answer.elapsed,
    )


def receipt_of(answer: Answer) -> Receipt:
    """Read the answer to an event."""
    from lambdachain._core.receipts import Receipt

    return Receipt(answer.outcome.request_id, answer.attempts)


def refusal_of(error: CallError) -> Refusal:
    """Convert the failure of a dry run to an answer.

    Raises:
        CallError: It is none.
    """
    if isinstance(error, AccessDeniedError | FunctionNotFoundError) and not isinstance(error, CredentialsError):
        return error
    raise error


def without_qualifier(callee: Target, refusal: Refusal | None) -> Target | None:
    """Return what tells a missing qualifier from a missing function, for which Lambda has one and the same message."""
    is_missing = isinstance(refusal, FunctionNotFoundError) and callee.qualifier is not None
    return Target(callee.contract, callee.function, None) if is_missing else None


def permission_of(refusal: Refusal | None, *, without_qualifier: bool) -> Permission:
    """Describe what a dry run has told; *without_qualifier* is whether the function was found by its name alone."""
    from lambdachain._core.receipts import Permission, PermissionReason

    if refusal is None:
        return Permission(allowed=True, reason=PermissionReason.ALLOWED)
    if isinstance(refusal, AccessDeniedError):
        reason = PermissionReason.DENIED
    else:
        reason = PermissionReason.NO_SUCH_QUALIFIER if without_qualifier else PermissionReason.NO_SUCH_FUNCTION
    return Permission(allowed=False, reason=reason, message=str(refusal.args[0]))
