"""A function object of a contract: what ``LambdaClient.bind`` gives."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, overload

from lambdachain._calling.options import CallOptions, check_bound
from lambdachain._calling.target import Target
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
    """A function of another Lambda deployment, to be called like one of this program; made by ``LambdaClient.bind``."""

    def __init__(
        self,
        caller: Invoker,
        contract: Contract[Req, Resp],
        function: Address | None,
        options: CallOptions,
    ) -> None:
        self._caller = caller
        self._function = function
        self._options = options
        self.contract = contract

    def call(self, payload: Req, /) -> Resp:
        """Run the function and wait for its answer; see ``LambdaClient.call``."""
        return self.invoke(payload).value

    def invoke(self, payload: Req, /) -> InvokeResult[Resp]:
        """Behave as ``call``, and tell what Lambda said about it."""
        return self._caller.invoke(self._callee(), payload, self._options)

    def fire(self, payload: Req, /) -> Receipt:
        """Queue an event for the function; see ``LambdaClient.fire``."""
        return self._caller.fire(self._callee(), payload, self._options)

    @overload
    def map(
        self,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **manner: Unpack[MapMethodOptions],
    ) -> Generator[Resp]: ...
    @overload
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool, **manner: Unpack[MapMethodOptions]
    ) -> Generator[Resp | CallError]: ...
    def map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool = False, **manner: Unpack[MapMethodOptions]
    ) -> Generator[Any]:
        """Call the function once for each payload, many at a time; see ``LambdaClient.map``."""
        return self._mapped(payloads, InvocationType.REQUEST_RESPONSE, manner, return_exceptions=return_exceptions)

    @overload
    def fire_map(
        self,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **manner: Unpack[MapMethodOptions],
    ) -> Generator[Receipt]: ...
    @overload
    def fire_map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool, **manner: Unpack[MapMethodOptions]
    ) -> Generator[Receipt | CallError]: ...
    def fire_map(
        self, payloads: Iterable[Req], /, *, return_exceptions: bool = False, **manner: Unpack[MapMethodOptions]
    ) -> Generator[Any]:
        """Queue an event for each payload, many at a time; see ``LambdaClient.fire_map``."""
        return self._mapped(payloads, InvocationType.EVENT, manner, return_exceptions=return_exceptions)

    @overload
    def stream(self, payload: Req, /, *, text: Literal[False] = False) -> Generator[bytes]: ...
    @overload
    def stream(self, payload: Req, /, *, text: Literal[True]) -> Generator[str]: ...
    def stream(self, payload: Req, /, *, text: bool = False) -> Generator[bytes] | Generator[str]:
        """Run the function and give its answer piece by piece; see ``LambdaClient.stream``."""
        from .stream import streamed, texts

        callee = self._callee()
        pieces = streamed(self._caller, callee, payload, self._options)
        return texts(pieces, callee.address) if text else pieces

    def can_invoke(self) -> Permission:
        """Ask whether the function may be invoked; see ``LambdaClient.can_invoke``."""
        return self._caller.can_invoke(self._callee(), self._options)

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
            log_tail: Ask for the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        check_bound(options)
        return RemoteFunction(self._caller, self.contract, self._function, {**self._options, **options})

    def __repr__(self) -> str:
        return f"RemoteFunction({self.contract!r})"

    def _mapped(
        self, payloads: Iterable[Any], kind: InvocationType, manner: MapMethodOptions, *, return_exceptions: bool
    ) -> Generator[Any]:
        from .map import bound_map_request, mapped

        callee, options = self._callee(), self._options
        return mapped(
            bound_map_request(self._caller, callee, kind, options, manner, return_exceptions=return_exceptions),
            payloads,
        )

    def _callee(self) -> Target:
        return self._caller.locate(self.contract, self._options, function=self._function)


RemoteFunction.__module__ = "lambdachain"
