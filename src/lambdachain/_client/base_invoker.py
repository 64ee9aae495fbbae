"""The untyped core that both clients share: defaults, addresses, the choice of a transport, responses to results."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.options import CallOptions, check_names
from lambdachain._calling.prepared_call import Moment, PreparedCall, prepare
from lambdachain._calling.response import CallResponse, decode_response
from lambdachain._calling.success import decode_log_tail
from lambdachain._calling.target import UNSET, Resolver, Target, contract_for, locate, resolve_function
from lambdachain._contracts.contract import Contract, Req, Resp
from lambdachain._core import clock
from lambdachain._core.arn import Address, FunctionArn, parse_target
from lambdachain._core.current_invocation import current_invocation
from lambdachain._core.errors import AccessDeniedError, CallError, ConnectError, CredentialsError, FunctionNotFoundError
from lambdachain._core.fork_hooks import lock_for
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.transport_override import AwsTransport, network_guard, transport_override

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import Interceptor, StartedCall
    from lambdachain._contracts.s3_offload import S3Offload
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.concurrency_limit import ConcurrencyLimit

T = TypeVar("T")
H = TypeVar("H")
Inv = TypeVar("Inv", bound="BaseInvoker[Any, Any]")

Rejection = AccessDeniedError | FunctionNotFoundError

_OF_THIS_PROCESS: Final = frozenset({"_lock", "_bound", "concurrency_limits", "_map_loop"})
_MAX_BOUND: Final = 256


class ProcessInterceptors:
    """The interceptors of the whole process, by the side that they stand on; ``lambdachain.use`` adds them."""

    calling: tuple[Interceptor, ...] = ()
    handling: tuple[Interceptor, ...] = ()


class BaseInvoker(Generic[T, H]):
    """The calls of one client, sent over a transport *T* with hooks *H* around each attempt. Thread-safe."""

    def __init__(
        self,
        transport: T | None,
        defaults: CallOptions,
        resolve: Resolver | None = None,
        hooks: Sequence[H] = (),
        interceptors: Sequence[Interceptor] = (),
        *,
        region: str | None = None,
    ) -> None:
        self._transport = transport
        self._chooses_transport = transport is None
        self._region = region
        self._defaults = defaults
        self._resolve = resolve
        self.hooks = tuple(hooks)
        self.interceptors = () if interceptors == () else find_interceptors(interceptors, "calling")
        # By address. Kept here, so that a map begins with what the map before it has found.
        self.concurrency_limits: dict[str, ConcurrencyLimit] = {}
        # Bounded: a program may call functions, or pass options, without end.
        self._bound: dict[object, tuple[object, BoundTarget]] = {}
        self._lock = lock_for(self)
        self._closed = False

    @property
    def has_resolver(self) -> bool:
        """Whether the address of a contract is looked up for each call."""
        return self._resolve is not None

    @abstractmethod
    def _default_transport(self) -> T:
        """Return the transport of a client that was made without one."""

    @abstractmethod
    def _adapt_override(self, substitute: Transport) -> T:
        """Adapt a test's transport to one that this client can send over."""

    def bind_target(
        self,
        target: object,
        options: CallOptions,
        *,
        response: object = UNSET,
        function: Address | None = None,
    ) -> BoundTarget:
        """Find the contract and the address of a target, and bind them to the options; kept for the next call.

        Raises:
            ContractError: *target* cannot be called, or an option does not exist.
            InvalidArnError: Lambda does not accept the address or qualifier, or there are two qualifiers.
        """
        # What a resolver returns may differ between two calls: it may read the environment.
        if self._resolve is not None and function is None and not isinstance(target, Address):
            contract = contract_for(target, response)
            function = resolve_function(contract.function, self._resolve)
        kind = type(target)
        # The contract and not its handler, whose attribute may be replaced, by a test for example.
        kept = target if kind is Contract or kind is str else getattr(target, "contract", target)
        # By identity: a contract's hash takes longer than all that is kept, which keeps it alive.
        key = target if kind is str else id(kept)
        if options or response is not UNSET or function is not None:
            key = _to_key(key, response, function, options)
        try:
            known = self._bound.get(key)
        except TypeError:  # an option that is not hashable, such as a client_context
            return self._bind_new_target(target, options, response, function)
        if known is None:
            if len(self._bound) >= _MAX_BOUND:
                self._bound.clear()
            known = self._bound[key] = (kept, self._bind_new_target(target, options, response, function))
        return known[1]

    def _bind_new_target(
        self, target: object, options: CallOptions, response: object, function: Address | None
    ) -> BoundTarget:
        # Unpack[CallOptions] is only for type checkers: at run time, **options accepts any keyword.
        check_names(options)
        # Only a contract's own name is resolved; an address in the call is the deployed one already.
        address = target if isinstance(target, Address) else function
        located = locate(contract_for(target, response), address, options.get("qualifier"))
        # An option of the call wins even if it is None: timeout=None lifts the timeout of the client.
        return BoundTarget(located, {**self._defaults, **options})

    def prepare(
        self,
        bound: BoundTarget,
        payload: object,
        kind: InvocationType,
        seen: StartedCall | None = None,
        *,
        left: float | None = None,
    ) -> PreparedCall:
        """Validate and encode a call; see ``prepared_call.prepare``.

        Args:
            bound: The target and the options.
            payload: The request.
            kind: How the function is invoked.
            seen: The call as its interceptors see it, if it has any.
            left: The seconds that are left of the map that it is a call of.
        """
        compiled = bound.compile(kind)
        if left is not None:
            compiled = compiled.within(left)
        now = Moment(clock.monotonic(), clock.epoch())
        # prepare() does no I/O itself; what stores a large payload is passed in.
        store = None if bound.target.contract.offload is None else partial(self._offload_payload, bound.target)
        if seen is None:
            return prepare(compiled, payload, within=current_invocation(), now=now, store=store)
        within, added = current_invocation(), seen.seal_metadata()
        call = prepare(compiled, payload, within=within, now=now, store=store, added=added)
        return call._replace(recorder=seen.recorder)

    def _offload_payload(self, target: Target, offload: S3Offload, data: bytes) -> dict[str, Any]:
        """Store a large payload in S3, or in the memory of a test's transport; not for a call that a test blocks."""
        from lambdachain._contracts.s3_offload import put_payload

        # Not transport_for(): of an asynchronous client, that asks for an event loop, and this runs in a thread.
        transport = self.get_transport(target.address)
        # Before the upload: a call that a test blocks must not leave an object in a bucket on AWS.
        if network_guard.closed:
            address = parse_target(target.function)
            region = address.region if isinstance(address, FunctionArn) else None
            network_guard.check_transport(transport, target.address, region)
        return put_payload(offload, data, transport)

    def transport_for(self, target: Target) -> T:
        """Return this client's transport, or the test's transport that overrides it.

        Raises:
            ConnectError: The client is closed.
        """
        return self.get_transport(target.address)

    def get_transport(self, function: str) -> T:
        """Return the transport, without a check of where it is used; *function* is what an error names.

        Raises:
            ConnectError: The client is closed.
        """
        # Under the lock: two threads that make the first calls must not make two transports.
        with self._lock:
            if self._closed:
                raise ConnectError("the client is closed: create a new one", function=function)
            # Looked up for each call: a module-level client is older than the test that overrides its transport. One
            # that would not reach AWS, such as a transport of the user's, is not replaced.
            substitute = transport_override()
            if substitute is not None and (self._transport is None or isinstance(self._transport, AwsTransport)):
                return self._adapt_override(substitute)
            if self._transport is None:
                self._transport = self._default_transport()
            return self._transport

    def _mark_closed(self) -> T | None:
        """Mark the client as closed; return the transport that has to be closed."""
        with self._lock:
            self._closed = True
            return self._transport

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings: a copy, in another process or this one, opens connections of its own."""
        # Not concurrency_limits either: calls in flight here are not in flight for a copy.
        state = {name: value for name, value in vars(self).items() if name not in _OF_THIS_PROCESS}
        return {**state, "_transport": None} if self._chooses_transport else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _bound={}, concurrency_limits={}, _lock=lock_for(self))

    def __repr__(self) -> str:
        return repr(self._transport) if self._transport is not None else ""


class BaseRemoteFunction(Generic[Inv, Req, Resp]):
    """A contract, an address and options, bound to the invoker *Inv* of a client."""

    def __init__(
        self,
        invoker: Inv,
        contract: Contract[Req, Resp],
        function: Address | None,
        options: CallOptions,
    ) -> None:
        self._invoker = invoker
        self._function = function
        self._options = options
        self._bound: BoundTarget | None = None
        self.contract = contract

    def _bind_target(self) -> BoundTarget:
        # Kept here too, where the address cannot change: what finds it in the invoker costs as much as what it saves.
        if self._bound is not None:
            return self._bound
        bound = self._invoker.bind_target(self.contract, self._options, function=self._function)
        if self._function is not None or not self._invoker.has_resolver:
            self._bound = bound
        return bound

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.contract!r})"


def get_bound_target(target: object) -> BoundTarget | None:
    """Return the target of a bound function, with its options; ``None`` of anything else."""
    if not isinstance(target, BaseRemoteFunction):
        return None
    # Not a public method: those of RemoteFunction are its user's.
    return target._bind_target()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType]


def _to_key(target: object, response: object, function: object, options: CallOptions) -> tuple[object, ...]:
    """Return a key that tells values apart which are equal and yet mean something else.

    So are ``True`` and ``1``, of which one is not a timeout, and ``date | str`` and ``str | date``: pydantic tries
    their members in order.
    """
    members = None if response is UNSET or isinstance(response, type) else repr(response)
    return (target, response, members, function, type(function), *options.items(), *map(type, options.values()))


def find_interceptors(
    interceptors: Sequence[Interceptor], side: Literal["calling", "handling"]
) -> tuple[Interceptor, ...]:
    """Check interceptors, and return those that stand on a *side*.

    Raises:
        ContractError: One of them cannot work.
    """
    from lambdachain._calling.interceptors import check_interceptors, select

    return select(check_interceptors(interceptors), side)


def to_result(call: PreparedCall, response: CallResponse) -> InvokeResult[Any]:
    """Return the response to a call, decoded, with its metadata.

    Raises:
        ResponseError: It does not fit the contract.
    """
    return InvokeResult(
        value=decode_response(call, response),
        request_id=response.outcome.request_id,
        executed_version=response.outcome.executed_version or "",
        log_tail=decode_log_tail(response.outcome),
        attempts=response.attempts,
        duration=response.elapsed,
    )


def to_receipt(response: CallResponse) -> Receipt:
    """Return the receipt of an event."""
    from lambdachain._core.receipts import Receipt

    return Receipt(response.outcome.request_id, response.attempts)


def to_rejection(error: CallError) -> Rejection:
    """Return the failure of a dry run if it decides whether the call is allowed.

    Raises:
        CallError: It does not: throttled, no credentials, network trouble.
    """
    # A CredentialsError is an AccessDeniedError, but about the caller's keys, which decide nothing about permission.
    if isinstance(error, AccessDeniedError | FunctionNotFoundError) and not isinstance(error, CredentialsError):
        return error
    raise error


def target_without_qualifier(bound: BoundTarget, rejection: Rejection | None) -> BoundTarget | None:
    """Return the target of a second dry run; ``None`` if the first has decided.

    Lambda has the same message for a missing qualifier and for a missing function: only a request without the qualifier
    finds out which it is.
    """
    target = bound.target
    is_missing = isinstance(rejection, FunctionNotFoundError) and target.qualifier is not None
    return BoundTarget(target._replace(qualifier=None), bound.options) if is_missing else None


def to_permission(rejection: Rejection | None, *, without_qualifier: bool) -> Permission:
    """Return the result of a dry run; *without_qualifier* is whether the function exists without its qualifier."""
    from lambdachain._core.receipts import Permission, PermissionReason

    if rejection is None:
        return Permission(allowed=True, reason=PermissionReason.ALLOWED)
    if isinstance(rejection, AccessDeniedError):
        reason = PermissionReason.DENIED
    else:
        reason = PermissionReason.NO_SUCH_QUALIFIER if without_qualifier else PermissionReason.NO_SUCH_FUNCTION
    return Permission(allowed=False, reason=reason, message=str(rejection.args[0]))
