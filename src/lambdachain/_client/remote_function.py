"""``RemoteFunction``: a contract as a function object, which ``LambdaClient.bind`` returns."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Literal, overload

from lambdachain._calling.options import CallOptions, check_bound_options
from lambdachain._contracts.contract import Req, Resp
from lambdachain._core.errors import CallError
from lambdachain._core.invocation import InvocationType
from lambdachain._core.results import InvokeResult

from .base_invoker import BaseRemoteFunction
from .invoker import Invoker

if TYPE_CHECKING:
    from typing import Unpack

    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapMethodOptions


class RemoteFunction(BaseRemoteFunction[Invoker, Req, Resp]):
    """A deployed Lambda function, to be called like one of this program; ``LambdaClient.bind`` returns it."""

    def call(self, payload: Req, /) -> Resp:
        """Run the function and wait for its response; see ``LambdaClient.call``."""
        return self.invoke(payload).value

    def invoke(self, payload: Req, /) -> InvokeResult[Resp]:
        """Run the function as ``call`` does; return the response with its metadata."""
        return self._invoker.invoke(self._bind_target(), payload)

    def fire(self, payload: Req, /) -> Receipt:
        """Queue an event for the function; see ``LambdaClient.fire``."""
        return self._invoker.fire(self._bind_target(), payload)

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

        return stream_response(self._invoker, self._bind_target(), payload, text=text)

    def can_invoke(self) -> Permission:
        """Check whether the function may be invoked; see ``LambdaClient.can_invoke``."""
        return self._invoker.can_invoke(self._bind_target())

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
        check_bound_options(options)
        return RemoteFunction(self._invoker, self.contract, self._function, {**self._options, **options})

    def _run_map(
        self, payloads: Iterable[Any], kind: InvocationType, own: MapMethodOptions, *, return_exceptions: bool
    ) -> Generator[Any]:
        from .map import prepare_bound_map, run_map

        request = prepare_bound_map(self._invoker, self._bind_target(), kind, own, return_exceptions=return_exceptions)
        return run_map(request, payloads)


RemoteFunction.__module__ = "lambdachain"
