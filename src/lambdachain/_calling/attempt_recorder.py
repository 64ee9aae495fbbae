"""A record of the attempts of one call, for its interceptors; a call without interceptors has none."""

from typing import NamedTuple

from lambdachain._core import clock
from lambdachain._core.errors import CallError


class CallAttempt(NamedTuple):
    """One request that was sent for a call, as ``OutgoingCall.attempts`` lists it.

    Attributes:
        number: Its position, from 1; a map that is throttled sends a payload again, and counts on.
        started_at: When it was sent, in seconds since the epoch.
        wait: Seconds between the end of the attempt before it and this one: the pause of a retry, or the time that a
            map held a throttled payload back. For a hedge, the seconds since the last attempt was sent.
        duration: Seconds until its response (for a stream, its first chunk) or its failure; ``None`` if the call ended
            before: another attempt was faster, the call was cancelled, or a hook raised an exception of its own.
        error: What it failed with; ``None`` if it succeeded, or has no ``duration``.
        status: The HTTP status of the response; ``None`` without a response.
        request_id: Lambda's id of the request; ``None`` without a response.
        hedge: Whether it is a duplicate of an attempt that was still in flight; see ``RetryPolicy.hedge_after``.
    """

    number: int
    started_at: float
    wait: float
    duration: float | None = None
    error: CallError | None = None
    status: int | None = None
    request_id: str | None = None
    hedge: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it has a response that is not an error."""
        return self.duration is not None and self.error is None


class AttemptRecorder:
    """Records the attempts of one call. Times are arguments, in seconds of the monotonic clock, as in ``CallState``."""

    def __init__(self) -> None:
        self.attempts: list[CallAttempt] = []
        self.received_bytes = 0
        self._started: list[float] = []
        # When the wait before the next attempt began.
        self._idle_since: float | None = None

    def start(self, now: float, *, hedge: bool) -> int:
        """Record that an attempt is sent; return its number."""
        number = len(self.attempts) + 1
        waited = 0.0 if self._idle_since is None else max(0.0, now - self._idle_since)
        self.attempts.append(CallAttempt(number, clock.epoch(), round(waited, 6), hedge=hedge))
        self._started.append(now)
        self._idle_since = now
        return number

    def end(self, number: int, now: float, error: CallError | None, status: int | None, request_id: str | None) -> None:
        """Record how an attempt ended."""
        duration = round(now - self._started[number - 1], 6)
        self.attempts[number - 1] = self.attempts[number - 1]._replace(
            duration=duration, error=error, status=status, request_id=request_id
        )
        self._idle_since = now

    def record_unusable_response(self, error: CallError) -> None:
        """Record the error of a call whose last attempt has a response: it does not fit, or its stream broke off."""
        for number in range(len(self.attempts) - 1, -1, -1):
            if self.attempts[number].succeeded:
                self.attempts[number] = self.attempts[number]._replace(error=error)
                return
            if self.attempts[number].duration is not None:
                return


CallAttempt.__module__ = "lambdachain"
