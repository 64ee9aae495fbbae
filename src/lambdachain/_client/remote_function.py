"""``RemoteFunction``: a contract as a function object, which ``LambdaClient.bind`` returns."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.options import CallOptions, check_bound
from lambdachain._contracts.contract import Contract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType
from lambdachain._core.results import InvokeResult

from .invoker import Invoker

if TYPE_CHECKING:
    from typing import Unpack

    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapMethodOptions


class RemoteFunction(Generic[Req, Resp]):
    """A deployed Lambda function, to be called like one of this program; ``LambdaClient.bind`` returns it."""

    def __init__(
        self,
        invoker: Invoker,
        contract: Contract[Req, Resp],
        function: Address | None,
        options: CallOptions,
    ) -> None:
        self._invoker = invoker
        self._function = function
        self._options = options
        self._bound: BoundTarget | None = None
        self.contract = contract

    def call(self, payload: Req, /) -> Resp:
        """Run the function and wait for its response; see ``LambdaClient.call``."""
        return self.invoke(payload).value

    def invoke(self, payload: Req, /) -> InvokeResult[Resp]:
        """Run the function as ``call`` does; return the response with its metadata."""
        return self._invoker.invoke(self.bind_target(), payload)

    def fire(self, payload: Req, /) -> Receipt:
        """Queue an event for the function; see ``LambdaClient.fire``."""
        return self._invoker.fire(self.bind_target(), payload)

    @overload
    def map(
        self,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapMethodOptions],
    ) -> Generator[Resp]: ...
    @overload
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool, **options: Unpack[MapMethodOptions]
    ) -> Generator[Resp | CallError]: ...
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool = False, **options: Unpack[MapMethodOptions]
    ) -> Generator[Any]:
        """Call the function once for each payload, many at a time; see ``LambdaClient.map``."""
        return self._run_map(payloads, InvocationType.REQUEST_RESPONSE, options, return_exceptions=return_exceptions)

    @overload
    def fire_map(
        self,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapMethodOptions],
    ) -> Generator[Receipt]: ...
    @overload
    def fire_map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool, **options: Unpack[MapMethodOptions]
    ) -> Generator[Receipt | CallError]: ...
    def fire_map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool = False, **options: Unpack[MapMethodOptions]
    ) -> Generator[Any]:
        """Queue an event for each payload, many at a time; see ``LambdaClient.fire_map``."""
        return self._run_map(payloads, InvocationType.EVENT, options, return_exceptions=return_exceptions)

    @overload
    def stream(self, payload: Req, /, *, text: Literal[False] = False) -> Generator[bytes]: ...
    @overload
    def stream(self, payload: Req, /, *, text: Literal[True]) -> Generator[str]: ...
    def stream(self, payload: Req, /, *, text: bool = False) -> Generator[bytes] | Generator[str]:
        """Run the function and yield its response in chunks; see ``LambdaClient.stream``."""
        # Imported here, as map is below: a function that is only called pays for neither at its cold start.
        from .stream import stream_response

        return stream_response(self._invoker, self.bind_target(), payload, text=text)

    def can_invoke(self) -> Permission:
        """Check whether the function may be invoked; see ``LambdaClient.can_invoke``."""
        return self._invoker.can_invoke(self.bind_target())

    def with_options(self, **options: Unpack[CallOptions]) -> RemoteFunction[Req, Resp]:
        """Return the same function with other options; those that are not passed stay as they are.

        Args:
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        # Only the new options: the others were checked when they were bound.
        check_bound(options)
        return RemoteFunction(self._invoker, self.contract, self._function, {**self._options, **options})

    def __repr__(self) -> str:
        return f"RemoteFunction({self.contract!r})"

    def _run_map(
        self, payloads: Iterable[Any], kind: InvocationType, own: MapMethodOptions, *, return_exceptions: bool
    ) -> Generator[Any]:
        from .map import bound_map_request, run_map

        request = bound_map_request(self._invoker, self.bind_target(), kind, own, return_exceptions=return_exceptions)
        return run_map(request, payloads)

    def bind_target(self) -> BoundTarget:
        """Return the target with the options of this function, for its next call."""
        # Kept here too, where the address cannot change: what finds it in the invoker costs as much as what it saves.
        if self._bound is not None:
            return self._bound
        bound = self._invoker.bind(self.contract, self._options, function=self._function)
        if self._function is not None or not self._invoker.has_resolver:
            self._bound = bound
        return bound


RemoteFunction.__module__ = "lambdachain"
