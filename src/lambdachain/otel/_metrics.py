"""The metrics of calls and handlers.

Where OpenTelemetry's conventions have a metric, it is theirs (``rpc.client.call.duration``, ``faas.invoke_duration``);
the others follow gRPC's client metrics, per attempt and for retries (its proposals A66 and A96).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lambdachain import CallAttempt, ThrottledError

from ._attributes import get_error_type

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter

# Seconds; from a warm call in the same zone to the longest that a function may run.
_DURATIONS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300, 900)
_COUNTS: Final = (0, 1, 2, 3, 4, 5, 10)


class ClientMetrics:
    """What is measured of calls. Attributes never have more than a few different values each."""

    def __init__(self, meter: Meter) -> None:
        self._duration = meter.create_histogram(
            "rpc.client.call.duration",
            unit="s",
            description="Duration of a call, all attempts and pauses included",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._active = meter.create_up_down_counter(
            "lambdachain.client.active_calls",
            unit="{call}",
            description="Calls that have not ended; of a map, its concurrency",
        )
        self._started = meter.create_counter(
            "lambdachain.client.attempt.started", unit="{attempt}", description="Requests sent"
        )
        self._attempt_duration = meter.create_histogram(
            "lambdachain.client.attempt.duration",
            unit="s",
            description="Duration of one request",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._retries = meter.create_histogram(
            "lambdachain.client.call.retries",
            unit="{retry}",
            description="Retries of a call",
            explicit_bucket_boundaries_advisory=_COUNTS,
        )
        self._hedges = meter.create_histogram(
            "lambdachain.client.call.hedges",
            unit="{hedge}",
            description="Duplicates sent while a request was late",
            explicit_bucket_boundaries_advisory=_COUNTS,
        )
        self._retry_delay = meter.create_histogram(
            "lambdachain.client.call.retry_delay",
            unit="s",
            description="Pauses between the requests of a call",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._throttles = meter.create_counter(
            "lambdachain.client.throttles", unit="{throttle}", description="Requests that Lambda throttled"
        )

    def record_start(self, attributes: Mapping[str, Any]) -> None:
        """Record that a call starts."""
        self._active.add(1, attributes)

    def record_end(
        self,
        attributes: Mapping[str, Any],
        seconds: float,
        attempts: Sequence[CallAttempt],
        error: BaseException | None,
    ) -> None:
        """Record that a call has ended, and its attempts."""
        self._active.add(-1, attributes)
        self._duration.record(seconds, _add_error(attributes, error))
        for attempt in attempts:
            self._record_attempt(attributes, attempt)
        hedges = sum(attempt.hedge for attempt in attempts)
        # As in gRPC, a call without any is not counted: nearly all would be zero.
        if hedges:
            self._hedges.record(hedges, attributes)
        if len(attempts) - hedges > 1:
            self._retries.record(len(attempts) - hedges - 1, attributes)
            self._retry_delay.record(sum(one.wait for one in attempts if not one.hedge), attributes)

    def _record_attempt(self, attributes: Mapping[str, Any], attempt: CallAttempt) -> None:
        self._started.add(1, attributes)
        if attempt.duration is not None:
            self._attempt_duration.record(attempt.duration, _add_error(attributes, attempt.error))
        if isinstance(attempt.error, ThrottledError):
            self._throttles.add(1, {**attributes, "lambdachain.throttle.reason": attempt.error.reason or "unknown"})


class HandlerMetrics:
    """What is measured of handlers."""

    def __init__(self, meter: Meter) -> None:
        self._duration = meter.create_histogram(
            "faas.invoke_duration",
            unit="s",
            description="Duration of the handler",
            explicit_bucket_boundaries_advisory=_DURATIONS,
        )
        self._invocations = meter.create_counter(
            "faas.invocations", unit="{invocation}", description="Invocations that succeeded"
        )
        self._errors = meter.create_counter("faas.errors", unit="{error}", description="Invocations that failed")
        self._cold_starts = meter.create_counter(
            "faas.coldstarts", unit="{coldstart}", description="Invocations that were the first of their process"
        )

    def record(
        self, attributes: Mapping[str, Any], seconds: float, error: BaseException | None, *, cold_start: bool
    ) -> None:
        """Record one invocation."""
        self._duration.record(seconds, _add_error(attributes, error))
        if cold_start:
            self._cold_starts.add(1, attributes)
        if error is None:
            self._invocations.add(1, attributes)
        else:
            self._errors.add(1, _add_error(attributes, error))


def _add_error(attributes: Mapping[str, Any], error: BaseException | None) -> Mapping[str, Any]:
    return attributes if error is None else {**attributes, "error.type": get_error_type(error)}
