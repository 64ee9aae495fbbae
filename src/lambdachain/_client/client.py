"""``LambdaClient``: the blocking client, with types."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from lambdachain._calling.attempts import Hook
from lambdachain._calling.options import CallOptions, ConstructorSignature, check_bound_options, check_client
from lambdachain._calling.retry import RetryPolicy
from lambdachain._calling.target import UNSET, Resolver, contract_for
from lambdachain._contracts.contract import HasContract, Req, Resp
from lambdachain._core.arn import Address
from lambdachain._core.errors import CallError, ContractError
from lambdachain._core.invocation import InvocationType, Transport
from lambdachain._core.results import InvokeResult

from .invoker import Invoker
from .lifecycle import ClientLifecycle
from .remote_function import RemoteFunction

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import JsonValue
    from typing_extensions import TypeForm

    from lambdachain._calling.interceptors import Interceptor
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._fan_out.options import MapOptions

T = TypeVar("T")


class LambdaClient(ClientLifecycle):
    """Call functions: wait for the response, fire and forget, or only check whether it is allowed.

    Thread-safe. Create one at module scope and keep it: it connects with the first call, or with
    ``warm_up``, and keeps its connections. It
    retries a call only where that cannot run the function twice against its contract; botocore's own retries are off.

    Args:
        transport: How calls are sent. By default, an ``HttpTransport`` inside Lambda, a ``BotoTransport`` elsewhere;
            ``LAMBDACHAIN_TRANSPORT`` (``http`` or ``boto``) overrides that, and a test's ``lambda_stub`` replaces both.
        timeout: Seconds, or a ``timedelta``, for each call that sets no timeout of its own, all attempts included; by
            default, as long as a function may run. Inside an invocation, no call outlives it in any case.
        retry: When a failed call is retried: a ``RetryPolicy``, or ``RetryPolicy.never()``.
        resolve: Maps a contract's name to the deployed one; see ``lambdachain.resolvers``.
        hooks: Functions around every attempt, the first one outermost: a circuit breaker; see ``Hook``.
        interceptors: Context managers around every call, the first one outermost: traces, metrics; see ``Interceptor``.
        region: The region of functions whose address names none; by default, that of the environment or the profile.

    Raises:
        ContractError: An argument is not valid, such as a boto3 client in place of a transport.
    """

    __signature__ = ConstructorSignature()

    def __init__(
        self,
        transport: Transport | None = None,
        *,
        timeout: float | timedelta | None = None,
        retry: RetryPolicy | None = None,
        resolve: Resolver | None = None,
        hooks: Sequence[Hook] = (),
        interceptors: Sequence[Interceptor] = (),
        region: str | None = None,
    ) -> None:
        check_client(transport, timeout, retry, resolve, hooks, region=region, blocking=True)
        defaults: CallOptions = {"timeout": timeout, "retry": retry}
        self._invoker = Invoker(transport, defaults, resolve, hooks, interceptors, region=region)

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
        """Run a function and wait for its response (RequestResponse).

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            payload: The request: of the contract's type; for a plain name, anything that JSON can represent.
            response: For a plain name, the type of the response; decoded JSON by default.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.

        Raises:
            NotInvokedError: The function did not run; the subclass is the reason.
            OutcomeUnknownError: It may have run.
            FunctionError: It ran and failed; an error that the contract declares is raised as its own class.
            ResponseError: It ran, and its response does not fit the contract.
            InvalidArnError: The name is not valid, or there are two qualifiers.
        """
        bound = self._invoker.bind_target(target, options, response=response)
        return self._invoker.invoke(bound, payload).value

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
        """Run a function as ``call`` does; return the response with its metadata: version, request id, log, attempts.

        Args:
            target: As for ``call``.
            payload: As for ``call``.
            response: As for ``call``.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        bound = self._invoker.bind_target(target, options, response=response)
        return self._invoker.invoke(bound, payload)

    def fire(self, target: HasContract[Req, Any] | Address, payload: Req, /, **options: Unpack[CallOptions]) -> Receipt:
        """Queue an event for a function and do not wait for it to run (Event).

        Lambda delivers an event at least once, and again if the function fails: the function has to tolerate that.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            payload: The request: of the contract's type; for a plain name, anything that JSON can represent.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; needs a contract with ``envelope=True``.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Rejected: Lambda delivers it with a call only.
            log_tail: Rejected: Lambda returns the log with a call only.

        Raises:
            NotInvokedError: The event was not queued.
            OutcomeUnknownError: It may have been queued.
        """
        return self._invoker.fire(self._invoker.bind_target(target, options), payload)

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
        self, target: Address, payloads: Iterable[object], /, *, return_exceptions: bool, **options: Unpack[MapOptions]
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
        """Call a function once for each payload, many at a time, and yield the responses.

        Lazy: payloads are consumed, and calls started, as responses are requested, in the thread that requests them.
        The number of calls in flight adapts: it grows while Lambda accepts them and is halved when Lambda throttles;
        what was throttled is sent again. Closed early, or ended by an error, a map waits for the calls in flight.

        Args:
            target: As for ``call``.
            payloads: The requests, one call each: a list, or a generator of millions.
            response: As for ``call``.
            return_exceptions: Yield a ``CallError`` in place of a response; by default, the first one ends the map.
            timeout: Seconds, or a ``timedelta``, for the whole map, from the first result that is requested.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Rejected, as is ``durable_name``: with one for all payloads, only the first would run.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the log of a call that fails.
            max_concurrency: The limit of calls in flight, however many Lambda would accept; 100 by default.
            ordered: Return results in the order of the payloads, the default, or as they complete.
            on_progress: Called with a ``MapProgress``, in the thread (or loop) that consumes the results.

        Raises:
            CallError: The failure that ended the map; see ``call``.
            ContractError: *payloads* is not an iterable of payloads, or an option is not valid.
        """
        from .map import prepare_map, run_map

        kind = InvocationType.REQUEST_RESPONSE
        job = prepare_map(self._invoker, target, kind, options, response=response, return_exceptions=return_exceptions)
        return run_map(job, payloads)

    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any] | Address,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: Literal[False] = False,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt]: ...
    @overload
    def fire_map(
        self,
        target: HasContract[Req, Any] | Address,
        payloads: Iterable[Req],
        /,
        *,
        return_exceptions: bool,
        **options: Unpack[MapOptions],
    ) -> Generator[Receipt | CallError]: ...
    def fire_map(
        self, target: Any, payloads: Iterable[Any], /, *, return_exceptions: bool = False, **options: Unpack[MapOptions]
    ) -> Generator[Any]:
        """Queue an event for each payload, many at a time, and yield the receipts; otherwise as ``map``.

        Nothing is queued before the first receipt is requested: iterate over them all.

        Args:
            target: As for ``call``.
            payloads: As for ``map``.
            return_exceptions: As for ``map``.
            timeout: Seconds, or a ``timedelta``, for the whole map, from the first result that is requested.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Rejected, as is ``durable_name``: with one for all payloads, only the first would run.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected.
            client_context: Rejected, as is ``log_tail``: Lambda has them with a call only.
            log_tail: Rejected.
            max_concurrency: The limit of calls in flight, however many Lambda would accept; 100 by default.
            ordered: Return results in the order of the payloads, the default, or as they complete.
            on_progress: Called with a ``MapProgress``, in the thread (or loop) that consumes the results.

        Raises:
            CallError: The failure that ended the map; see ``fire``.
            ContractError: *payloads* is not an iterable of payloads, or an option is not valid.
        """
        from .map import prepare_map, run_map

        kind = InvocationType.EVENT
        return run_map(prepare_map(self._invoker, target, kind, options, return_exceptions=return_exceptions), payloads)

    @overload
    def stream(
        self,
        target: HasContract[Req, Any] | Address,
        payload: Req,
        /,
        *,
        text: Literal[False] = False,
        **options: Unpack[CallOptions],
    ) -> Generator[bytes]: ...
    @overload
    def stream(
        self,
        target: HasContract[Req, Any] | Address,
        payload: Req,
        /,
        *,
        text: Literal[True],
        **options: Unpack[CallOptions],
    ) -> Generator[str]: ...
    def stream(
        self, target: Any, payload: object, /, *, text: bool = False, **options: Unpack[CallOptions]
    ) -> Generator[bytes] | Generator[str]:
        """Run a function and yield its response in chunks, as they are sent (InvokeWithResponseStream).

        Lazy: the function is called when the first chunk is requested. A failure before that chunk is retried as a call
        is; later ones are not, and the error has the bytes received so far in ``received_bytes``. A function that does
        not stream, or a transport that cannot, responds in one chunk. Closing a stream early closes its connection.

        Args:
            target: As for ``call``; the contract's response type is not used.
            payload: As for ``call``.
            text: Decode the chunks as UTF-8.
            timeout: Seconds, or a ``timedelta``, for the whole stream, attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: Rejected: Lambda has no durable executions that stream.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``FunctionError``.

        Raises:
            CallError: As for ``call``; ``ResponseError`` where the stream breaks off.
        """
        from .stream import stream_response

        return stream_response(self._invoker, self._invoker.bind_target(target, options), payload, text=text)

    def can_invoke(self, target: HasContract[Any, Any] | Address, /, **options: Unpack[CallOptions]) -> Permission:
        """Check whether this caller may invoke a function, without running it (DryRun).

        If a function with a qualifier is not found, a second request without it finds out which of the two is missing.

        Args:
            target: A contract or decorated handler, or the name or ARN of any function.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Ignored: nothing runs.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Ignored, as is ``log_tail``.
            log_tail: Ignored.

        Raises:
            CallError: Lambda did not decide: throttled, no credentials, network trouble.
        """
        return self._invoker.can_invoke(self._invoker.bind_target(target, options))

    def bind(
        self, contract: HasContract[Req, Resp], function: Address | None = None, /, **options: Unpack[CallOptions]
    ) -> RemoteFunction[Req, Resp]:
        """Return a function object for a contract, with options for all of its calls.

        Args:
            contract: A contract or decorated handler.
            function: The address to call, in place of the contract's own name; it is not resolved.
            timeout: Seconds, or a ``timedelta``, for the whole call, all attempts included; in place of the client's.
            retry: A ``RetryPolicy``, in place of the client's.
            idempotency_key: Lets the callee recognize a repetition; a call that may have run is then retried, too.
            qualifier: A version or alias, in place of the contract's.
            tenant_id: The tenant, for a function with tenant isolation.
            durable_name: The name of a durable execution, which Lambda runs only once.
            client_context: Texts for the callee's ``context.client_context.custom``.
            log_tail: Request the last 4 KB of the function's log, for ``InvokeResult`` and ``FunctionError``.
        """
        if isinstance(contract, Address):
            raise ContractError("bind() needs a Contract, or a handler made by remote: a plain name has no types")
        check_bound_options(options, function)
        return RemoteFunction(self._invoker, contract_for(contract), function, options)


LambdaClient.__module__ = "lambdachain"
