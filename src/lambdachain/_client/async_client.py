"""The client for event loops: what an async caller holds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from lambdachain._calling.async_attempts import AsyncHook
from lambdachain._calling.options import CallOptions, check_bound, check_client
from lambdachain._calling.retry import RetryPolicy
from lambdachain._calling.target import UNSET, Resolver, contract_of
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import AsyncTransport, InvocationType, Transport
from lambdachain._core.results import InvokeResult
from lambdachain._transports.async_adapter import to_async_transport

from .async_invoker import AsyncInvoker
from .async_remote_function import AsyncRemoteFunction

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from pydantic import JsonValue
    from typing_extensions import TypeForm

    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapOptions

T = TypeVar("T")


class AsyncLambdaClient:
    """Call functions from an event loop: the twin of ``LambdaClient``, whose methods are coroutines.

    Make one at module scope and keep it: nothing is opened until the first call, and it serves every event loop of the
    process, each over connections of its own. A call that is cancelled, or that an ``asyncio.timeout`` ends, lets go at
    once; the function, if it was reached, runs on at Lambda.

    >>> import asyncio
    >>> from lambdachain import Contract
    >>> from lambdachain.testing import StubTransport
    >>> double = Contract("orders-double", request=int, response=int)
    >>> client = AsyncLambdaClient()
    >>> async def doubled(*numbers: int) -> list[int]:
    ...     return await asyncio.gather(*[client.call(double, number) for number in numbers])
    >>> with StubTransport() as stub:
    ...     _ = stub.on(double).runs(lambda number: number * 2)
    ...     asyncio.run(doubled(20, 21))
    [40, 42]

    Args:
        transport: What carries the calls: an ``AsyncHttpTransport`` inside Lambda if not given; elsewhere an
            ``AsyncBotoTransport`` where aiobotocore is installed, and else an ``AsyncHttpTransport``, too. One that
            blocks, such as a ``BotoTransport``, has a thread for each call.
        timeout: Seconds (or ``timedelta``) for each call that does not say its own, every attempt included; without,
            as long as a function may run. Inside an invocation, no call outlives it in any case.
        retry: When a failed call is sent again; ``RetryPolicy.never()`` for never.
        resolve: Turns a contract's name into the deployed one; see ``lambdachain.resolvers``.
        hooks: What stands around every attempt, the first one outermost; see ``AsyncHook``.

    Raises:
        ContractError: An argument is not what it has to be, such as a boto3 client in the place of a transport.
    """

    def __init__(
        self,
        transport: AsyncTransport | Transport | None = None,
        *,
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
        resolve: Resolver | None = None,
        hooks: Sequence[AsyncHook] = (),
    ) -> None:
        check_client(transport, timeout, retry, resolve, hooks, blocking=False)
        over = None if transport is None else to_async_transport(transport)
        self._caller = AsyncInvoker(over, {"timeout": timeout, "retry": retry}, resolve, hooks)

    @overload
    async def call(self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]) -> Resp: ...
    @overload
    async def call(
        self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    async def call(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    async def call(self, target: Address, payload: object, /, **options: Unpack[CallOptions]) -> JsonValue: ...
    async def call(
        self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]
    ) -> Any:
        """Run a function and await its answer (RequestResponse); see ``LambdaClient.call``."""
        callee = self._caller.locate(target, options, response=response)
        return (await self._caller.invoke(callee, payload, options)).value

    @overload
    async def invoke(
        self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[Resp]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    async def invoke(
        self, target: Address, payload: object, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[JsonValue]: ...
    async def invoke(
        self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]
    ) -> InvokeResult[Any]:
        """Behave as ``call``, and tell what Lambda said about it: version, request id, log, attempts."""
        callee = self._caller.locate(target, options, response=response)
        return await self._caller.invoke(callee, payload, options)

    @overload
    async def fire(self, target: HasContract[Req, Any], payload: Req, /, **options: Unpack[CallOptions]) -> Receipt: ...
    @overload
    async def fire(self, target: Address, payload: object, /, **options: Unpack[CallOptions]) -> Receipt: ...
    async def fire(self, target: Any, payload: object, /, **options: Unpack[CallOptions]) -> Receipt:
        """Queue an event for a function and do not wait for it (Event); see ``LambdaClient.fire``."""
        return await self._caller.fire(self._caller.locate(target, options), payload, options)

    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Resp]: ...
    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Resp | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[JsonValue]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[JsonValue | CallError]: ...
    def map(
        self,
        target: Any,
        payloads: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        response: object = UNSET,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Any]:
        """Call a function once for each payload, many at a time, and give the answers; see ``LambdaClient.map``.

        The payloads may come from an async iterator, too, which is asked for the next one while answers come in. A map
        that is cancelled cancels its calls; one that is left early is closed by ``aclose``, or by its loop.
        """
        from .async_map import mapped
        from .map import map_request

        kind = InvocationType.REQUEST_RESPONSE
        what = map_request(self._caller, target, kind, options, response=response, return_exceptions=return_exceptions)
        return mapped(what, payloads)

    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any],
        payloads: Iterable[Req] | AsyncIterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt | CallError]: ...
    @overload
    def fire_map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: Address,
        payloads: Iterable[object] | AsyncIterable[object],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Receipt | CallError]: ...
    def fire_map(
        self,
        target: Any,
        payloads: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> AsyncGenerator[Any]:
        """Queue an event for each payload, many at a time, and give the receipts; see ``LambdaClient.fire_map``."""
        from .async_map import mapped
        from .map import map_request

        kind = InvocationType.EVENT
        return mapped(map_request(self._caller, target, kind, options, return_exceptions=return_exceptions), payloads)

    @overload
    def stream(
        self,
        target: HasContract[Req, Any],
        payload: Req,
        /,
        *,
        text: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> AsyncGenerator[bytes]: ...
    @overload
    def stream(
        self, target: HasContract[Req, Any], payload: Req, /, *, text: Literal[True], **options: Unpack[CallOptions]
    ) -> AsyncGenerator[str]: ...
    @overload
    def stream(
        self, target: Address, payload: object, /, *, text: Literal[False] = False, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[bytes]: ...
    @overload
    def stream(
        self, target: Address, payload: object, /, *, text: Literal[True], **options: Unpack[CallOptions]
    ) -> AsyncGenerator[str]: ...
    def stream(
        self, target: Any, payload: object, /, *, text: bool = False, **options: Unpack[CallOptions]
    ) -> AsyncGenerator[bytes] | AsyncGenerator[str]:
        """Run a function and give its answer piece by piece, as it sends it; see ``LambdaClient.stream``."""
        from .async_stream import streamed, texts

        callee = self._caller.locate(target, options)
        pieces = streamed(self._caller, callee, payload, options)
        return texts(pieces, callee.address) if text else pieces

    async def can_invoke(
        self, target: HasContract[Any, Any] | Address, /, **options: Unpack[CallOptions]
    ) -> Permission:
        """Ask whether this caller may invoke a function, without running it; see ``LambdaClient.can_invoke``."""
        return await self._caller.can_invoke(self._caller.locate(target, options), options)

    def bind(
        self,
        contract: HasContract[Req, Resp],
        function: Address | None = None,
        /,
        **options: Unpack[CallOptions],
    ) -> AsyncRemoteFunction[Req, Resp]:
        """Make a function object of a contract, with options for all of its calls; see ``LambdaClient.bind``."""
        if isinstance(contract, Address):
            raise ContractError("bind() needs a Contract: a plain name has no types to bind")
        check_bound(options, function)
        return AsyncRemoteFunction(self._caller, contract_of(contract), function, options)

    async def aclose(self) -> None:
        """Close the connections, of all loops."""
        await self._caller.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncLambdaClient({self._caller!r})"


AsyncLambdaClient.__module__ = "lambdachain"
