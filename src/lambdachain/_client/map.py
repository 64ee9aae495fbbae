"""``map`` and ``fire_map``: what a client hands to the parts that carry a map out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Sized
from functools import partial
from typing import Any, Final, NamedTuple, cast

from lambdachain._calling.options import CallOptions, seconds
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import Answer, value_of
from lambdachain._calling.target import UNSET, Target
from lambdachain._core import clock
from lambdachain._core.current_invocation import current_invocation, earlier
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
    check_options,
    check_payloads,
    settings_for,
    split,
)
from lambdachain._fan_out.scheduler import DeferredCall, MapScheduler
from lambdachain._transports.transport_override import answers_at_once

from .base_invoker import BaseInvoker, receipt_of
from .invoker import Invoker

# What has no connections to keep has no limit of its own.
_NO_LIMIT: Final = 1_000_000

# For so few payloads, asyncio need not be imported.
_FEW: Final = 16


class MapRequest(NamedTuple):
    """What a map is to do: the function, how it is invoked, the options of each call, and how to go about it."""

    caller: BaseInvoker[Any, Any]
    callee: Target
    kind: InvocationType
    options: CallOptions
    manner: MapSettings
    at_once: bool = False

    def over(self, transport: object) -> MapRequest:
        """Go about it as *transport* needs it."""
        return self._replace(at_once=True) if answers_at_once(transport) else self

    def scheduler(self, payloads: object, connections: int) -> MapScheduler:
        """Begin: the time runs from now."""
        return MapScheduler(
            concurrency_limit_for(self.caller.paces, self.callee.address),
            self.manner,
            most=connections,
            total=len(payloads) if isinstance(payloads, Sized) else None,
            deadline=_deadline(self.manner.timeout),
            read=_READERS[self.kind],
        )

    def prepare(self, payload: Any, left: float | None) -> PreparedCall | DeferredCall:
        """Make a payload ready, for a call that ends in *left* seconds with its map.

        Raises:
            CallError: It cannot be sent.
        """
        options = self.options
        if left is not None:
            if left <= 0:
                late = "no time left to send it: the time of the map is over"
                raise DeadlineExceededError(late, function=self.callee.address)
            own = seconds(self.caller.timeout_of(options), self.callee.address)
            options = options.copy()
            options["timeout"] = left if own is None else min(left, own)
        if self.at_once or self.callee.contract.offload is not None:
            return DeferredCall(
                partial(self.caller.planned, self.callee, payload, self.kind, options), _READERS[self.kind]
            )
        return self.caller.planned(self.callee, payload, self.kind, options)


def map_request(
    caller: BaseInvoker[Any, Any],
    target: object,
    kind: InvocationType,
    options: MapOptions,
    *,
    response: object = UNSET,
    return_exceptions: bool,
) -> MapRequest:
    """Check what a client's map is to do; see ``LambdaClient.map``.

    Raises:
        ContractError: An option cannot be.
        InvalidArnError: As ``LambdaClient.call``.
        DeadlineExceededError: The timeout leaves no time.
    """
    one, own = split(options)
    check_options(one)
    callee = caller.locate(target, one, response=response)
    whole = seconds(options.get("timeout"), callee.address)
    return MapRequest(caller, callee, kind, one, settings_for(own, whole, return_exceptions=return_exceptions))


def bound_map_request(
    caller: BaseInvoker[Any, Any],
    callee: Target,
    kind: InvocationType,
    options: CallOptions,
    own: MapMethodOptions,
    *,
    return_exceptions: bool,
) -> MapRequest:
    """Check what a bound function's map is to do; its options are each call's.

    Raises:
        ContractError: An option cannot be.
    """
    check_options(options)
    return MapRequest(caller, callee, kind, options, settings_for(own, None, return_exceptions=return_exceptions))


def mapped(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Any, None, None]:
    """Send each payload, and give what comes of it; nothing is sent before the first result is asked for.

    Raises:
        ContractError: *payloads* are none.
    """
    check_payloads(payloads)
    return _mapped(map_request, payloads)


def numbered(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Numbered, None, None]:
    """Behave as ``mapped``, and say which payload each result is of: who keeps them as they come has to know.

    Raises:
        ContractError: *payloads* are none.
    """
    return mapped(map_request._replace(manner=map_request.manner._replace(numbered=True)), payloads)


def _mapped(map_request: MapRequest, payloads: Iterable[Any]) -> Generator[Any, None, None]:
    transport = map_request.caller.transport_for(map_request.callee)
    scheduler = map_request.scheduler(payloads, connections_of(transport))
    source = iter(payloads)
    executor = _executor(map_request.caller, transport, payloads)
    yield from fan_out(scheduler, executor, source, map_request.over(transport).prepare, map_request.manner.on_progress)


def _executor(caller: BaseInvoker[Any, Any], transport: Transport, payloads: object) -> Executor:
    """Find who carries the calls out: a loop, over connections of ours; threads where it would not pay, or cannot be.

    Hooks are functions that block, and so are other transports; but a test's that keeps nobody waiting needs nobody.
    """
    if answers_at_once(transport):
        return InlineExecutor(transport, caller.hooks)
    few = isinstance(payloads, Sized) and len(payloads) <= _FEW
    if not hasattr(transport, "in_the_form_of") or caller.hooks or few or sys.platform == "win32":
        return ThreadExecutor(transport, caller.hooks)
    from lambdachain._transports.http.transport import HttpTransport

    if type(transport) is not HttpTransport:  # what somebody has made of it must not be passed by
        return ThreadExecutor(transport, caller.hooks)
    from lambdachain._fan_out.loop_executors import LoopExecutor

    try:
        return LoopExecutor(cast("Invoker", caller).loop_side(transport))
    except NoAnswerError:  # it is closed, which each call will say
        return ThreadExecutor(transport, caller.hooks)


def connections_of(transport: object) -> int:
    """Return how many connections a transport keeps: with more calls in flight, it would open one for each call."""
    kept: int = getattr(transport, "max_connections", _NO_LIMIT)
    return kept


def _deadline(timeout: float | None) -> float | None:
    """Return the earlier: the map's own end, or that of the invocation it is made in."""
    own = None if timeout is None else clock.monotonic() + timeout
    within = current_invocation()
    return earlier(own, within.deadline if within else None)


def _receipt(_plan: PreparedCall, answer: Answer) -> Receipt:
    return receipt_of(answer)


_READERS: Final[dict[InvocationType, Callable[[PreparedCall, Answer], Any]]] = {
    InvocationType.REQUEST_RESPONSE: value_of,
    InvocationType.EVENT: _receipt,
}
