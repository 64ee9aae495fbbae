"""The client: what a caller holds."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from lambdachain._calling.attempts import Hook
from lambdachain._calling.options import CallOptions, check_bound, check_client
from lambdachain._calling.retry import RetryPolicy
from lambdachain._calling.target import UNSET, Resolver, contract_of
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult

from .invoker import Invoker
from .remote_function import RemoteFunction

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from pydantic import JsonValue
    from typing_extensions import TypeForm

    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapOptions

T = TypeVar("T")


class LambdaClient:
    """Call functions: wait for the answer, fire and forget, or only ask whether it is allowed.

    Make one at module scope and keep it: nothing is opened until the first call, connections are kept, and it is
    thread-safe. A call is sent again only where that cannot run the function twice against its contract; botocore's own
    retries, which would, are off.

    Args:
        transport: What carries the calls; a ``BotoTransport`` with boto3's usual settings if not given.
        timeout: Seconds (or ``timedelta``) for each call that does not say its own, every attempt included; without,
            as long as a function may run. Inside an invocation, no call outlives it in any case.
        retry: When a failed call is sent again; ``RetryPolicy.never()`` for never.
        resolve: Turns a contract's name into the deployed one; see ``lambdachain.resolvers``.
        hooks: What stands around every attempt, the first one outermost: a circuit breaker, a tracer; see ``Hook``.

    Raises:
        ContractError: An argument is not what it has to be, such as a boto3 client in the place of a transport.
    """

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
        resolve: Resolver | None = None,
        hooks: Sequence[Hook] = (),
    ) -> None:
        check_client(transport, timeout, retry, resolve, hooks, blocking=True)
        self._caller = Invoker(transport, {"timeout": timeout, "retry": retry}, resolve, hooks)

    @overload
    def call(self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]) -> Resp: ...
    @overload
    def call(self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]) -> T: ...
    @overload
    def call(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    def call(self, target: Address, payload: object, /, **options: Unpack[CallOptions]) -> JsonValue: ...
    def call(self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]) -> Any:
        """Run a function and wait for its answer (RequestResponse).

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            payload: What the function gets: of the contract's request type; with a plain name, anything JSON can say.
            response: With a plain name, the type of the answer; without, it is the decoded JSON.
            **options: See ``CallOptions``.

        Raises:
            NotInvokedError: The function did not run; its subclasses say why.
            OutcomeUnknownError: It may have run.
            FunctionError: It ran and failed; an error that the contract declares comes back as its own class.
            ResponseError: It ran, and its answer does not fit.
            InvalidArnError: The name is none, or a qualifier is given twice.
        """
        callee = self._caller.locate(target, options, response=response)
        return self._caller.invoke(callee, payload, options).value

    @overload
    def invoke(
        self, target: HasContract[Req, Resp], payload: Req, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[Resp]: ...
    @overload
    def invoke(
        self, target: Address, payload: object, /, *, response: type[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    def invoke(
        self, target: Address, payload: object, /, *, response: TypeForm[T], **options: Unpack[CallOptions]
    ) -> InvokeResult[T]: ...
    @overload
    def invoke(
        self, target: Address, payload: object, /, **options: Unpack[CallOptions]
    ) -> InvokeResult[JsonValue]: ...
    def invoke(
        self, target: Any, payload: object, /, *, response: object = UNSET, **options: Unpack[CallOptions]
    ) -> InvokeResult[Any]:
        """Behave as ``call``, and tell what Lambda said about it: version, request id, log, attempts."""
        callee = self._caller.locate(target, options, response=response)
        return self._caller.invoke(callee, payload, options)

    @overload
    def fire(self, target: HasContract[Req, Any], payload: Req, /, **options: Unpack[CallOptions]) -> Receipt: ...
    @overload
    def fire(self, target: Address, payload: object, /, **options: Unpack[CallOptions]) -> Receipt: ...
    def fire(self, target: Any, payload: object, /, **options: Unpack[CallOptions]) -> Receipt:
        """Queue an event for a function and do not wait (Event).

        Lambda delivers an event at least once, and again after a failure: fire at functions that can bear that.

        Raises:
            NotInvokedError: The event was not queued.
            OutcomeUnknownError: It may have been.
        """
        return self._caller.fire(self._caller.locate(target, options), payload, options)

    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[Resp]: ...
    @overload
    def map(
        self,
        target: HasContract[Req, Resp],
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[Resp | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        response: type[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[T]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        response: TypeForm[T],
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[T | CallError]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[JsonValue]: ...
    @overload
    def map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[JsonValue | CallError]: ...
    def map(
        self,
        target: Any,
        payloads: Iterable[Any],
        /,
        *,
        response: object = UNSET,
        return_exceptions: bool = False,
        **options: Unpack[MapOptions],
    ) -> Generator[Any]:
        """Call a function once for each payload, many at a time, and give the answers.

        Lazy: payloads are taken, and calls started, as answers are asked for, in the thread that asks. How many calls
        are in flight is found out: it grows while Lambda takes them and is halved when Lambda throttles, and what was
        throttled is sent again. Closed before its end, a map starts no more calls and waits for those under way.

        Args:
            target: As for ``call``.
            payloads: What the function gets, one call each: a list, or a generator of millions.
            response: As for ``call``.
            return_exceptions: Give the ``CallError`` of a payload that failed in the place of its answer; without, the
                first one ends the map, once what is under way has ended.
            **options: See ``MapOptions``; ``timeout`` is for the whole map.

        Raises:
            CallError: The failure that ended it; see ``call``.
            ContractError: *payloads* are none, or an option cannot be.
        """
        from .map import map_request, mapped

        kind = InvocationType.REQUEST_RESPONSE
        what = map_request(self._caller, target, kind, options, response=response, return_exceptions=return_exceptions)
        return mapped(what, payloads)

    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any],
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any],
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt | CallError]: ...
    @overload
    def fire_map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: Address,
        payloads: Iterable[object],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt | CallError]: ...
    def fire_map(
        self, target: Any, payloads: Iterable[Any], /, *, return_exceptions: bool = False, **options: Unpack[MapOptions]
    ) -> Generator[Any]:
        """Queue an event for a function for each payload, many at a time, and give the receipts; otherwise as ``map``.

        Nothing is queued before the first receipt is asked for: go through them all.

        Raises:
            CallError: The failure that ended it; see ``fire``.
            ContractError: *payloads* are none, or an option cannot be.
        """
        from .map import map_request, mapped

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
    ) -> Generator[bytes]: ...
    @overload
    def stream(
        self, target: HasContract[Req, Any], payload: Req, /, *, text: Literal[True], **options: Unpack[CallOptions]
    ) -> Generator[str]: ...
    @overload
    def stream(
        self, target: Address, payload: object, /, *, text: Literal[False] = False, **options: Unpack[CallOptions]
    ) -> Generator[bytes]: ...
    @overload
    def stream(
        self, target: Address, payload: object, /, *, text: Literal[True], **options: Unpack[CallOptions]
    ) -> Generator[str]: ...
    def stream(
        self, target: Any, payload: object, /, *, text: bool = False, **options: Unpack[CallOptions]
    ) -> Generator[bytes] | Generator[str]:
        """Run a function and give its answer piece by piece, as it sends it (InvokeWithResponseStream).

        Lazy: the function is called when the first piece is asked for. What fails before that piece has come is sent
        again as a call is; afterwards nothing is, and the error says in ``received_bytes`` how many bytes had come. A
        function that does not stream, and any over a transport that does not, answers in one piece. Closed before its
        end, a stream closes its connection.

        Args:
            target: As for ``call``; the contract's response type plays no part.
            payload: As for ``call``.
            text: Decode the pieces as UTF-8.
            **options: As for ``call``; ``timeout`` is for the whole stream, and ``durable_name`` is refused.

        Raises:
            CallError: As for ``call``; ``ResponseError`` where the stream breaks off.
        """
        from .stream import streamed, texts

        callee = self._caller.locate(target, options)
        pieces = streamed(self._caller, callee, payload, options)
        return texts(pieces, callee.address) if text else pieces

    def can_invoke(self, target: HasContract[Any, Any] | Address, /, **options: Unpack[CallOptions]) -> Permission:
        """Ask whether this caller may invoke a function, without running it (DryRun).

        Where a function with a qualifier is not found, a second request, without the qualifier, tells which of the
        two is missing.

        Raises:
            CallError: There is no answer to that: throttled, no credentials, network trouble.
        """
        return self._caller.can_invoke(self._caller.locate(target, options), options)

    def bind(
        self,
        contract: HasContract[Req, Resp],
        function: Address | None = None,
        /,
        **options: Unpack[CallOptions],
    ) -> RemoteFunction[Req, Resp]:
        """Make a function object of a contract, with options for all of its calls.

        Args:
            contract: A contract or decorated handler.
            function: The address to call, in place of the contract's own name; it is used as it is.
            **options: See ``CallOptions``.
        """
        if isinstance(contract, Address):
            raise ContractError("bind() needs a Contract: a plain name has no types to bind")
        check_bound(options, function)
        return RemoteFunction(self._caller, contract_of(contract), function, options)

    def close(self) -> None:
        """Close the connections."""
        self._caller.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LambdaClient({self._caller!r})"


LambdaClient.__module__ = "lambdachain"
