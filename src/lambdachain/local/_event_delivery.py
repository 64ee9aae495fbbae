"""Asynchronous invocation: runs due events from the queue, retries or discards them, notifies destinations."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final, Self

from lambdachain._core.arn import parse_target
from lambdachain._core.invocation import InvocationType
from lambdachain._lambda_api import responses
from lambdachain._lambda_api.delivery import Delivery, InvocationResult
from lambdachain._lambda_api.events import (
    Condition,
    EventState,
    RetryRules,
    after_failure,
    after_throttle,
    before_delivery,
    new_event_state,
)
from lambdachain._lambda_api.records import InvocationRecord, LastResponse
from lambdachain._lambda_api.responses import ApiError

from ._event_clock import EventClock
from ._event_config import service_from_arn
from ._event_destinations import DestinationSender
from ._event_queue import EventQueue, QueuedEvent, QueueError
from ._function_config import LocalFunction
from ._function_registry import FunctionRegistry
from ._invocations import LocalInvocation, get_error_type

# Lambda scales events up to the account's concurrency; on one machine each would start a process.
DEFAULT_EVENT_CONCURRENCY: Final = 10
# Seconds between attempts to write to a queue that is not writable, as on a full disk.
_PAUSE: Final = 0.5

_LOGGER: Final = logging.getLogger("lambdachain.local")


class EventDelivery:
    """Delivers the events of a queue inside ``async with``; events in flight at its exit stay in the queue."""

    def __init__(
        self,
        queue: EventQueue,
        registry: FunctionRegistry,
        clock: EventClock,
        targets: DestinationSender,
        report: Callable[[LocalInvocation], None],
        *,
        concurrency: int,
    ) -> None:
        self._queue = queue
        self._registry = registry
        self._clock = clock
        self._targets = targets
        self._report = report
        self._concurrency = concurrency
        self._outage = _Outage()
        self._running: dict[asyncio.Task[None], str] = {}
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._count = 0

    async def __aenter__(self) -> Self:
        for name in self._queue.unknown_functions(self._registry.qualifiers):
            _LOGGER.warning("events for %s stay in the queue: this endpoint has no such function", name)
        self._dispatcher = asyncio.create_task(self._dispatch())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = [*self._running, *([self._dispatcher] if self._dispatcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def fire(self, delivery: Delivery, caller: str | None) -> None:
        """Queue an event; once this has returned, the event will be delivered.

        Raises:
            ApiError: It cannot be written, as on a full disk.
        """
        try:
            self._put(delivery, caller)
        except QueueError as exc:
            self._outage.start(exc)
            raise responses.event_not_queued() from None
        self._outage.end()
        self._changed.set()

    async def advance(self, seconds: float | None) -> int:
        """Advance the clock by *seconds*, or until no event is left; return the deliveries since the last call."""
        until = math.inf if seconds is None else self._clock.now() + seconds
        await self._settle()
        while (due := self._queue.next_due(self._registry.qualifiers)) is not None and due <= until:
            # From one due time to the next, so that retries run in the same order as in real time.
            self._clock.move_to(due)
            await self._settle()
        if seconds is not None:
            self._clock.move_to(until)
        count, self._count = self._count, 0
        return count

    def _put(self, delivery: Delivery, caller: str | None) -> None:
        name = parse_target(delivery.invoked_arn).name
        self._queue.put(name, delivery, new_event_state(self._clock.now()), caller)

    async def _dispatch(self) -> None:
        while True:
            # Cleared before the queue is read: an event that is put in meanwhile sets it again.
            self._changed.clear()
            try:
                self._start_due()
                due = None if self._clock.is_virtual else self._queue.next_due(self._available_functions())
                pause = None if due is None else max(0.0, due - self._clock.now())
            except QueueError as exc:
                self._outage.start(exc)
                pause = _PAUSE
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)

    async def _settle(self) -> None:
        """Wait until no delivery is running and no event is due."""
        self._start_due()
        while self._running:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            self._start_due()

    def _start_due(self) -> None:
        while len(self._running) < self._concurrency and (
            event := self._queue.take(self._available_functions(), self._clock.now())
        ):
            self._outage.end()
            task = asyncio.create_task(self._deliver(event))
            self._running[task] = event.function
            task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._changed.set()
        if not task.cancelled() and (failure := task.exception()):
            _LOGGER.error("an event could not be delivered; it stays in the queue", exc_info=failure)

    def _available_functions(self) -> list[str]:
        """Return the names of the functions that can take one more event."""
        busy = Counter(self._running.values())
        return [
            name for name in self._registry.qualifiers if busy[name] < _max_deliveries(self._registry.function(name))
        ]

    async def _deliver(self, event: QueuedEvent) -> None:
        function = self._registry.function(event.function)
        now, rules = self._clock.now(), RetryRules(function.events.max_retries, function.events.max_age)
        condition = before_delivery(event.state, rules, now=now, reserved_concurrency=function.reserved_concurrency)
        if condition is not None:
            await self._finish(event, condition, None)
            return
        self._count += 1
        try:
            accepted = self._registry.accept(event.delivery)
            ending = await accepted.run()
        except ApiError as exc:
            self._report(_invocation_from_error(event, exc))
            await self._handle_api_error(event, exc, rules)
            return
        except OSError as exc:
            # As a throttle: no code has run, so it is not a retry of the function.
            _LOGGER.warning("%s: cannot start a process: %s", event.function, exc)
            await self._apply(event, after_throttle(event.state, rules, now=self._clock.now()), None)
            return
        self._report(_invocation_from_delivery(event, accepted.version, ending))
        response = LastResponse(200, ending.body, accepted.version, failed=ending.failed)
        next_state = after_failure(event.state, rules, now=self._clock.now()) if ending.failed else Condition.SUCCESS
        await self._apply(event, next_state, response)

    async def _handle_api_error(self, event: QueuedEvent, error: ApiError, rules: RetryRules) -> None:
        response = LastResponse(error.response.status, error.response.body)
        if error.response.status == 429:
            await self._apply(event, after_throttle(event.state, rules, now=self._clock.now()), None)
        else:
            await self._finish(event, Condition.RETRIES_EXHAUSTED, response, runs=event.state.runs)

    async def _apply(
        self, event: QueuedEvent, next_state: EventState | Condition, response: LastResponse | None
    ) -> None:
        if isinstance(next_state, EventState):
            await self._retry_until_written(lambda: self._queue.put_back(event, next_state))
        else:
            await self._finish(event, next_state, response)

    async def _finish(
        self, event: QueuedEvent, condition: Condition, response: LastResponse | None, *, runs: int | None = None
    ) -> None:
        """Notify the event's destinations, and remove it from the queue."""
        ran = event.state.runs + (response is not None) if runs is None else runs
        record = InvocationRecord(event.delivery, condition, ran, response, time.time())
        config = self._registry.function(event.function).events
        destination = config.on_success if record.succeeded else config.on_failure
        if not record.succeeded:
            _LOGGER.warning("%s: event %s discarded: %s", event.function, event.delivery.request_id, condition)
            if config.dead_letter is not None:
                await self._targets.send_dead_letter(config.dead_letter, record)
        # Sent before the event is removed: if the process ends in between, the event is delivered again. Records for
        # functions are events themselves, and are queued in the same transaction as the removal.
        if destination is not None and service_from_arn(destination) != "lambda":
            await self._targets.send_record(destination, record)
        followers = (
            [_follow_up_event(destination, record)]
            if destination is not None and service_from_arn(destination) == "lambda"
            else []
        )

        def end() -> None:
            with self._queue.completing(event):
                for follower in followers:
                    self._put(follower, event.function)

        await self._retry_until_written(end)

    async def _retry_until_written(self, write: Callable[[], None]) -> None:
        """Write the outcome of an event as soon as the queue is writable; the event is not delivered again before."""
        while True:
            try:
                write()
            except QueueError as exc:
                self._outage.start(exc)
                await asyncio.sleep(_PAUSE)
            else:
                self._outage.end()
                return


class _Outage:
    """A period in which the queue cannot be written: logged once at its start and once at its end."""

    def __init__(self) -> None:
        self._is_on = False

    def start(self, error: QueueError) -> None:
        """Log the error, if it is the first."""
        if not self._is_on:
            _LOGGER.error(
                "%s; until it can be written again, new events are rejected and waiting events stay in the queue", error
            )
        self._is_on = True

    def end(self) -> None:
        """Log that the queue can be written again, if it could not be before."""
        if self._is_on:
            _LOGGER.warning("the event queue can be written again: waiting events are being delivered")
        self._is_on = False


def _max_deliveries(function: LocalFunction) -> int:
    """Return how many events of a function are delivered at a time; at least one, so that a concurrency of 0 discards
    them, as on AWS.
    """
    limits = (DEFAULT_EVENT_CONCURRENCY, function.reserved_concurrency, function.max_sandboxes)
    return max(1, min(limit for limit in limits if limit is not None))


def _follow_up_event(arn: str, record: InvocationRecord) -> Delivery:
    payload = json.dumps(record.destination()).encode()
    return replace(record.delivery, request_id=str(uuid.uuid4()), invoked_arn=arn, payload=payload, tenant_id=None)


def _invocation_from_delivery(
    event: QueuedEvent, version: str | None, ending: InvocationResult | None
) -> LocalInvocation:
    return LocalInvocation(
        function=event.function,
        version=version,
        request_id=event.delivery.request_id,
        invocation_type=InvocationType.EVENT,
        status=200,
        error=get_error_type(ending) if ending else None,
        duration=ending.duration if ending else 0.0,
        init=ending.init if ending else None,
        caller=event.caller,
        attempt=event.state.runs + 1,
    )


def _invocation_from_error(event: QueuedEvent, error: ApiError) -> LocalInvocation:
    return replace(_invocation_from_delivery(event, None, None), status=error.response.status, error=str(error))
