"""``map`` and ``fire_map``: validate the options of a client, and choose who runs the calls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Sized
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.options import to_seconds
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse, decode_response
from lambdachain._calling.target import UNSET
from lambdachain._core import clock
from lambdachain._core.current_invocation import current_invocation, earlier_deadline
from lambdachain._core.errors import DeadlineExceededError
from lambdachain._core.invocation import InvocationType, NoAnswerError, Transport
from lambdachain._core.receipts import Receipt
from lambdachain._fan_out.concurrency_limit import concurrency_limit_for
from lambdachain._fan_out.driver import fan_out
from lambdachain._fan_out.executors import Executor, InlineExecutor, ThreadExecutor
from lambdachain._fan_out.options import (
    MapMethodOptions,
    MapOptions,
    MapSettings,
    Numbered,
    check_call_options,
    check_payloads,
    settings_for,
    split_options,
)
from lambdachain._fan_out.scheduler import Job, JobScope, JobSteps, MapScheduler
from lambdachain._transports.transport_override import responds_immediately

from .base_invoker import BaseInvoker, ProcessInterceptors, to_receipt
from .invoker import Invoker

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import Operation

# For transports without a connection pool, which need no limit.
_NO_LIMIT: Final = 1_000_000

# With so few payloads, threads are cheaper than importing asyncio.
_FEW: Final = 16


class MapRequest(NamedTuple):
    """A map: the function with the options of each call, how it is invoked, and the options of the map."""

    invoker: BaseInvoker[Any, Any]
    bound: BoundTarget
    kind: InvocationType
    settings: MapSettings

    def make_scheduler(self, payloads: object, connections: int) -> MapScheduler:
        """Return a scheduler for the map, whose timeout runs from now."""
        return MapScheduler(
            concurrency_limit_for(self.invoker.concurrency_limits, self.bound.target.address),
            self.settings,
            max_connections=connections,
            # A generator has no length, and counting its payloads would consume it.
            total=len(payloads) if isinstance(payloads, Sized) else None,
            deadline=_deadline(self.settings.timeout),
        )

    def steps(self) -> JobSteps:
        """Return what the map does with each payload."""
        # What takes time to store a payload in S3 is done by the worker that sends the call, as preparing all calls is.
        return JobSteps(
            self._enter, self._prepare, _DECODERS[self.kind], self.bound.target.contract.offload is not None
        )

    def _enter(self, payload: Any) -> JobScope | None:
        """Return the interceptors of a call, in which it is prepared: they see why it cannot be sent."""
        if not (self.invoker.interceptors or ProcessInterceptors.calling):
            return None
        from .intercepted_map import InterceptedPayload
        from .interception import enter

        return InterceptedPayload(enter(self.invoker, _OPERATIONS[self.kind], self.bound, payload))

    def _prepare(self, job: Job) -> PreparedCall:
        """Validate and encode the call of a payload.

        Raises:
            CallError: It cannot be sent.
        """
        left = job.left
        if left is not None and left <= 0:
            late = "no time left to send it: the timeout of the map is over"
            raise DeadlineExceededError(late, function=self.bound.target.address)
        seen = None if job.scope is None else job.scope.started
        return self.invoker.prepare(self.bound, job.payload, self.kind, seen, left=left)


def prepare_map(
    invoker: BaseInvoker[Any, Any],
    target: object,
    kind: InvocationType,
    options: MapOptions,
    *,
    response: object = UNSET,
    return_exceptions: bool,
) -> MapRequest:
    """Validate the options of a client's map; see ``LambdaClient.map``.

    Raises:
        ContractError: An option is not valid.
        InvalidArnError: As ``LambdaClient.call``.
        DeadlineExceededError: The timeout leaves no time.
    """
    # The timeout of a client's map is the whole map's, so it is in neither part.
    per_call, own = split_options(options)
    check_call_options(per_call)
    bound = invoker.bind_target(target, per_call, response=response)
    timeout = to_seconds(options.get("timeout"), bound.target.address)
    return MapRequest(invoker, bound, kind, settings_for(own, timeout, return_exceptions=return_exceptions))


def prepare_bound_map(
    invoker: BaseInvoker[Any, Any],
    bound: BoundTarget,
    kind: InvocationType,
    own: MapMethodOptions,
    *,
    return_exceptions: bool,
) -> MapRequest:
    """Validate the options of a bound function's map; those it was bound with are for each call.

    Raises:
        ContractError: An option is not valid.
    """
    check_call_options(bound.options)
    # No timeout for the map itself: the one that a function was bound with is for each call.
    return MapRequest(invoker, bound, kind, settings_for(own, None, return_exceptions=return_exceptions))


def run_map(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Any, None, None]:
    """Send each payload and yield the results; nothing is sent before the first result is requested.

    Raises:
        ContractError: *payloads* is not an iterable of payloads.
    """
    # A generator function would check only when the first result is requested, far from the mistake.
    check_payloads(payloads)
    return _run_map(map_request, payloads)


def run_numbered_map(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Numbered, None, None]:
    """Yield the results as ``run_map`` does, each with the number of its payload.

    Raises:
        ContractError: *payloads* is not an iterable of payloads.
    """
    return run_map(map_request._replace(settings=map_request.settings._replace(numbered=True)), payloads)


def _run_map(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Any, None, None]:
    transport, steps = map_request.invoker.transport_for(map_request.bound.target), map_request.steps()
    scheduler = map_request.make_scheduler(payloads, max_connections_for(transport))
    source = iter(payloads)
    create_executor = _choose_executor(map_request.invoker, transport, payloads)
    yield from fan_out(
        scheduler, create_executor(scheduler, steps), source, steps.enter, map_request.settings.on_progress
    )


def _choose_executor(
    invoker: BaseInvoker[Any, Any], transport: Transport, payloads: object
) -> Callable[[MapScheduler, JobSteps], Executor]:
    """Choose who runs the calls: an event loop over an ``HttpTransport``; threads for what blocks, or for few payloads.

    Hooks and other transports block. A transport of a test that responds immediately needs neither loop nor threads.
    """
    if responds_immediately(transport):
        return partial(InlineExecutor, transport=transport, hooks=invoker.hooks)
    in_threads = partial(ThreadExecutor, transport=transport, hooks=invoker.hooks)
    # A loop cannot wait for hooks, which block, and on Windows it cannot watch the sockets of an AsyncHttpTransport.
    few = isinstance(payloads, Sized) and len(payloads) <= _FEW
    if invoker.hooks or few or sys.platform == "win32" or not _can_run_in_loop(transport):
        return in_threads
    from lambdachain._fan_out.loop_executors import LoopExecutor

    try:
        background_loop = cast("Invoker", invoker).background_loop(transport)
        return in_threads if background_loop is None else partial(LoopExecutor, background_loop)
    except NoAnswerError:  # it is closed, and each call will raise that
        return in_threads


def _can_run_in_loop(transport: Any) -> bool:
    """Check whether there is a transport for event loops that sends as this one does."""
    while hasattr(transport, "wrap_async"):
        transport = transport.transport
    if not hasattr(transport, "copy_as"):
        return False
    from lambdachain._transports.http.transport import HttpTransport

    return type(transport) is HttpTransport  # the loop would bypass what a subclass overrides


def max_connections_for(transport: object) -> int:
    """Return the connections that a transport keeps: calls beyond that would open a new connection each."""
    kept: int = getattr(transport, "max_connections", _NO_LIMIT)
    return kept


def _deadline(timeout: float | None) -> float | None:
    """Return the earlier end: of the map's timeout, or of the invocation it is made in."""
    own = None if timeout is None else clock.monotonic() + timeout
    within = current_invocation()
    return earlier_deadline(own, within.deadline if within else None)


def _decode_receipt(_call: PreparedCall, response: CallResponse) -> Receipt:
    return to_receipt(response)


_OPERATIONS: Final[dict[InvocationType, Operation]] = {
    InvocationType.REQUEST_RESPONSE: "call",
    InvocationType.EVENT: "fire",
}
_DECODERS: Final[dict[InvocationType, Callable[[PreparedCall, CallResponse], Any]]] = {
    InvocationType.REQUEST_RESPONSE: decode_response,
    InvocationType.EVENT: _decode_receipt,
}
