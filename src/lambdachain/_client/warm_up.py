"""``warm_up()``: what a first call has to do once is done before it; nothing is invoked, and nothing is raised.

A target is bound and compiled by the same functions, into the same caches, as in a call, and a call of it is rehearsed:
prepared, and a made-up response to it checked, without a transport. So no hook, interceptor or log record has it. The
transport then finds credentials and opens a connection for each region, in a thread: name resolution and TLS hold up
the init phase for no more than ``WARM_UP_TIMEOUT``.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lambdachain._calling.attempts import DEBUG, CallState, is_logging
from lambdachain._calling.success import is_success
from lambdachain._core import clock
from lambdachain._core.arn import FunctionArn, parse_target
from lambdachain._core.fork_hooks import register_restore_hook
from lambdachain._core.invocation import InvocationType, JsonText, Outcome
from lambdachain._json.codec import allocate_string_cache
from lambdachain._transports.transport_override import WARM_UP

from .base_invoker import get_bound_target

if TYPE_CHECKING:
    from lambdachain._calling.compiled_call import BoundTarget

    from .base_invoker import BaseInvoker
    from .invoker import Invoker

    AnyInvoker = BaseInvoker[Any, Any]
    Reconnect = Callable[[Any, Iterable[str | None]], object]

WARM_UP_TIMEOUT: Final = 2.0
"""Seconds for all connections of one ``warm_up()``: an init phase has 10."""


DEFAULT_REGION: Final = "default"
"""What log records name in place of a region of functions whose address names none."""


def warm_up(invoker: Invoker, targets: tuple[object, ...]) -> None:
    """Compile *targets*, and open a connection for each of their regions; without targets, for the default region."""
    regions = compile_targets(invoker, targets)
    remember(invoker, regions, _connect_all)
    _connect_all(invoker, regions)


def compile_targets(invoker: AnyInvoker, targets: tuple[object, ...]) -> set[str | None]:
    """Bind and compile *targets* as a call does; return the regions of those that can be called."""
    if not targets:
        return {None}
    regions = set[str | None]()
    for target in targets:
        began = time.monotonic()
        try:
            regions.add(_compile_target(invoker, target))
        except Exception as exc:  # noqa: BLE001 - logged: the call that uses the target raises it
            log(_describe_target(target), exc, began)
    return regions


def _compile_target(invoker: AnyInvoker, target: object) -> str | None:
    bound = get_bound_target(target) or invoker.bind_target(target, {})
    compiled = bound.compile(InvocationType.REQUEST_RESPONSE)
    compiled.request_codec.build()
    compiled.response_codec.build()
    _rehearse_call(invoker, bound)
    address = parse_target(bound.target.function)
    return address.region if isinstance(address, FunctionArn) else None


def _rehearse_call(invoker: AnyInvoker, bound: BoundTarget) -> None:
    """Prepare a call and check a response, neither of which is sent: code that has run once runs faster."""
    allocate_string_cache()
    if bound.target.contract.offload is not None:
        return  # a payload of any size may go to S3
    call = invoker.prepare(bound, JsonText(b"null"), InvocationType.REQUEST_RESPONSE)
    now = clock.monotonic()
    CallState(call, now).start_attempt(now)
    is_success(call.compiled.kind, Outcome(200, b"null", executed_version="1"))


def _connect_all(invoker: Invoker, regions: Iterable[str | None]) -> None:
    """Open the connections of all regions at the same time; one that takes too long is left to its thread."""
    deadline = time.monotonic() + WARM_UP_TIMEOUT
    threads = [_start_thread(partial(_connect, invoker, region, deadline), region) for region in regions]
    for thread in threads:
        if thread is not None:
            thread.join(max(deadline - time.monotonic(), 0.0))


def _start_thread(work: Callable[[], None], region: str | None) -> threading.Thread | None:
    # In a copy of the context: a transport of tests may be in it.
    thread = threading.Thread(target=copy_context().run, args=(work,), name="lambdachain-warm-up", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:  # the system allows no more threads, or the interpreter is shutting down
        log(region or DEFAULT_REGION, exc, time.monotonic())
        return None
    return thread


def _connect(invoker: Invoker, region: str | None, deadline: float) -> None:
    began, error = time.monotonic(), None
    try:
        connect: Any = getattr(invoker.get_transport(WARM_UP), "warm_up", None)
        if connect is not None:
            connect(region, timeout=max(deadline - began, 0.0))
    except Exception as exc:  # noqa: BLE001 - logged: the first call raises it, unless it has passed by then
        error = exc
    log(region or DEFAULT_REGION, error, began)


# What to connect again after a restore, for as long as the client exists. A second warm_up() adds its regions.
_warmed: Final[weakref.WeakKeyDictionary[AnyInvoker, tuple[Reconnect, set[str | None]]]] = weakref.WeakKeyDictionary()


def remember(invoker: AnyInvoker, regions: set[str | None], reconnect: Reconnect) -> None:
    """Have *reconnect* called with the client's regions in each sandbox that SnapStart restores."""
    known = _warmed.get(invoker)
    _warmed[invoker] = reconnect, regions if known is None else known[1] | regions


def _reconnect_all() -> None:
    for invoker, (reconnect, regions) in list(_warmed.items()):
        reconnect(invoker, regions)


register_restore_hook(_reconnect_all)


def log(what: str, error: BaseException | None, began: float) -> None:
    """Log the end of a part of a warm-up that *began* then by the monotonic clock."""
    if is_logging(DEBUG):
        from lambdachain._calling.call_log import log_warm_up

        log_warm_up(what, error, time.monotonic() - began)


def _describe_target(target: object) -> str:
    function: Any = target if isinstance(target, str) else getattr(getattr(target, "contract", None), "function", None)
    return function if isinstance(function, str) else type(target).__name__
