"""``queue()``: a function of one request becomes a handler of SQS batches."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from traceback import extract_tb
from typing import Any, Final, Generic

import lambdachain
from lambdachain._client.base_invoker import find_interceptors
from lambdachain._contracts.contract import Contract, Req, Resp
from lambdachain._core.current_invocation import CurrentInvocation, invocation_scope
from lambdachain._core.errors import CallError, ContractError, RequestRejectedError, describe_details
from lambdachain._core.escaping import printable
from lambdachain._handler.handler import RemoteHandler
from lambdachain._handler.signature import HandlerSignature, check_against_contract, read_signature
from lambdachain._transports.transport_override import StubError

from ._batch import (
    WRAPPERS,
    BatchResponse,
    QueueRecord,
    UnreadableBodyError,
    Wrapper,
    find_wrapper,
    parse_batch,
    to_event,
)

_LOGGER: Final = logging.getLogger("lambdachain.sqs")


class _RecordHandler(RemoteHandler[Req, Resp]):
    """Handles the records of a batch, one by one."""

    handles_messages = True


class QueueHandler(Generic[Req]):
    """A Lambda handler of SQS batches; ``queue`` makes it."""

    def __init__(
        self,
        function: Callable[..., Any],
        contract: Contract[Req, Any],
        signature: HandlerSignature,
        *,
        wrapped_by: Wrapper | None,
        time_per_record: float,
        interceptors: Sequence[lambdachain.Interceptor] = (),
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._contract = contract
        self._is_async = signature.is_async
        self._wrapped_by: Wrapper | None = wrapped_by
        self._time_per_record = time_per_record
        # One record is one event of a handler that remote() could have made: whatever stands around such a handler
        # stands around a record, too.
        self._handler = _RecordHandler[Req, None](
            _drop_result(function, signature), _to_record_contract(contract), signature, interceptors
        )

    @property
    def contract(self) -> Contract[Req, Any]:
        """The contract of the messages."""
        return self._contract

    def __call__(self, event: Any, context: Any = None) -> BatchResponse:
        """Handle a batch as Lambda passes it; return the records that failed, for SQS to deliver them again.

        Raises:
            RequestRejectedError: The event is not an SQS batch.
            ContractError: The function is ``async``, and an event loop is running in this thread.
        """
        if self._is_async:
            _check_no_running_loop()
        failed: list[QueueRecord] = []
        failed_groups: set[str] = set()
        with invocation_scope(context) as invocation:
            for record in parse_batch(event):
                group = record.ordered_group
                if group in failed_groups or not self._handle(record, context, invocation):
                    failed.append(record)
                    # A later message of the group must not overtake this one.
                    if group is not None:
                        failed_groups.add(group)
        return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in failed]}

    def local(self, request: Req, context: Any = None) -> None:
        """Run the function in this process for one request: no queue, no JSON, and its exceptions are raised."""
        self._handler.local(request, context)

    # Pickled by name, as functions are.
    def __reduce__(self) -> str:
        return self.function.__qualname__

    def __repr__(self) -> str:
        return f"QueueHandler({self.function.__qualname__}, {self._contract!r})"

    def _handle(self, record: QueueRecord, context: Any, invocation: CurrentInvocation) -> bool:
        """Handle a record if there is time for it; return whether it succeeded."""
        left = invocation.remaining_time()
        if left is not None and left <= self._time_per_record:
            _log(logging.WARNING, record, f"was not started, with {left:.3f} s left")
            return False
        try:
            self._handler(to_event(record, self._wrapped_by, envelope=self._contract.envelope), context)
        except StubError:
            raise  # a test's own failure, which must not look like one of the record
        except UnreadableBodyError as exc:
            _log(logging.ERROR, record, str(exc))
        except RequestRejectedError as exc:
            _log(logging.ERROR, record, self._describe_rejection(exc, record))
        except Exception as exc:  # noqa: BLE001 - a failure of one record must not fail the others
            _log(logging.ERROR, record, f"failed: {_describe_failure(exc)}")
        else:
            return True
        return False

    def _describe_rejection(self, error: RequestRejectedError, record: QueueRecord) -> str:
        if error.function:  # of a function that this one has called
            return f"failed: {_describe_failure(error)}"
        found = find_wrapper(record.body) if self._wrapped_by is None else None
        remedy = f"; it looks wrapped: queue(contract, wrapped_by={found!r})" if found else ""
        return f"does not fit the contract: {describe_details(error.errors)}{remedy}"


class QueueDecorator(Generic[Req]):
    """The decorator that ``queue`` returns."""

    def __init__(
        self,
        contract: Contract[Req, Any],
        wrapped_by: Wrapper | None,
        time_per_record: float,
        interceptors: Sequence[lambdachain.Interceptor],
    ) -> None:
        self._interceptors = interceptors
        self._contract = contract
        self._wrapped_by: Wrapper | None = wrapped_by
        self._time_per_record = time_per_record

    def __call__(self, function: Callable[[Req], object] | Callable[[Req, Any], object], /) -> QueueHandler[Req]:
        """Make a handler of *function*, whose annotation must fit the contract's request."""
        signature = read_signature(function, inspect.currentframe())
        # What it returns is dropped, so every annotation of it fits.
        check_against_contract(replace(signature, response=type(None)), _to_record_contract(self._contract))
        return QueueHandler(
            function,
            self._contract,
            signature,
            wrapped_by=self._wrapped_by,
            time_per_record=self._time_per_record,
            interceptors=self._interceptors,
        )


def queue(
    contract: Contract[Req, Any],
    /,
    *,
    wrapped_by: Wrapper | None = None,
    time_per_record: float | timedelta = 0.0,
    interceptors: Sequence[lambdachain.Interceptor] = (),
) -> QueueDecorator[Req]:
    """Make a function the handler of an SQS queue whose messages are requests of a contract.

    The function takes the request and, optionally, the context; it may be a coroutine function, and what it returns is
    ignored. Each record is an invocation of its own: ``current_invocation()`` has the key and the correlation id of its
    sender. A record fails if its body does not fit the contract, if the function raises an exception, or if no time is
    left to start it; the others are not affected, except for later ones of the same message group of a FIFO queue.
    Failures are logged without any part of the message, and reported: the event source mapping needs
    ``FunctionResponseTypes: [ReportBatchItemFailures]``.

    >>> from lambdachain import Contract
    >>> from lambdachain.testing import sqs_event
    >>> from pydantic import BaseModel
    >>> class Order(BaseModel):
    ...     cents: int
    >>> place_order = Contract("orders-place", request=Order, response=None)
    >>> @queue(place_order)
    ... def handler(order: Order) -> None:
    ...     print(f"an order of {order.cents} cents")
    >>> handler(sqs_event(place_order, Order(cents=5)))
    an order of 5 cents
    {'batchItemFailures': []}

    Args:
        contract: What the messages are; its response does not count.
        wrapped_by: ``"sns"`` if the messages come from a topic without raw delivery, ``"eventbridge"`` if an event
            bus sends them: then the request is in ``Message``, or in ``detail``. Nothing is unwrapped otherwise.
        time_per_record: Seconds, or a ``timedelta``, that a record may take: none is started with less time left, so
            that the function is not stopped in the middle of one, which would fail the whole batch.
        interceptors: Context managers around each record, the first one outermost; see ``Interceptor``.

    Raises:
        ContractError: The function does not take ``(request)`` or ``(request, context)``, or contradicts the contract.
    """
    if not isinstance(contract, Contract):  # pyright: ignore[reportUnnecessaryIsInstance] - @queue without arguments
        raise ContractError("queue needs a Contract: @queue(contract)")
    if wrapped_by is not None and wrapped_by not in WRAPPERS:
        raise ContractError(f"wrapped_by must be 'sns', 'eventbridge' or None, not {wrapped_by!r}")
    handling = () if interceptors == () else find_interceptors(interceptors, "handling")
    return QueueDecorator(contract, wrapped_by, _to_seconds(time_per_record), handling)


def _to_seconds(time_per_record: Any) -> float:
    seconds = time_per_record.total_seconds() if isinstance(time_per_record, timedelta) else time_per_record
    if not isinstance(seconds, int | float) or not seconds >= 0:  # also for NaN
        raise ContractError(f"time_per_record must be 0 or more seconds, or a timedelta, not {time_per_record!r}")
    return float(seconds)


def _to_record_contract(contract: Contract[Req, Any]) -> Contract[Req, None]:
    """Return the contract of the handler of one record: nothing is returned, and metadata is in an envelope."""
    return Contract(
        contract.function,
        request=contract.request,
        response=None,
        errors=contract.errors,
        idempotent=contract.idempotent,
        qualifier=contract.qualifier,
        envelope=True,
        offload=contract.offload,
    )


def _drop_result(function: Callable[..., Any], signature: HandlerSignature) -> Callable[..., Any]:
    """Return *function* with its result dropped: a queue has nobody to return it to."""
    if signature.is_async:

        @functools.wraps(function)
        async def handle_async(*arguments: Any) -> None:
            await function(*arguments)

        return handle_async

    @functools.wraps(function)
    def handle(*arguments: Any) -> None:
        function(*arguments)

    return handle


def _check_no_running_loop() -> None:
    import asyncio  # a cold start of a plain function does not load it

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ContractError("an async handler cannot be run inside an event loop: await handler.function(request) instead")


def _describe_failure(exc: Exception) -> str:
    """Return the class of an exception and where it was raised; its text may quote the message."""
    frames = extract_tb(exc.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    callee = f" of {exc.function} ({exc.execution})" if isinstance(exc, CallError) and exc.function else ""
    return f"{type(exc).__name__}{callee}{place}"


def _log(level: int, record: QueueRecord, what: str) -> None:
    _LOGGER.log(
        level,
        "queue %s: record %s (receive %s) %s",
        printable(record.queue_name),
        printable(record.message_id),
        printable(str(record.receive_count)),
        printable(what, 1000),
    )
