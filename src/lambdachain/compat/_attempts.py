"""The attempts of one call, as a transport that keeps what boto3 returned or raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from lambdachain._core.errors import CallError, FunctionError
from lambdachain._core.invocation import Invocation, InvocationType, Outcome
from lambdachain._core.type_guards import is_mapping

ACCEPTED: Final = 202
_STATUS: Final = {InvocationType.REQUEST_RESPONSE: 200, InvocationType.EVENT: ACCEPTED, InvocationType.DRY_RUN: 204}


class FinalError(Exception):
    """Ends a call that cannot be sent again: a test's stub or mock has failed it, or its payload was a pipe."""

    def __init__(self, error: CallError) -> None:
        super().__init__(str(error))
        self.error = error


class Attempts:
    """The attempts of one call, as a transport; keeps what boto3 returned or raised.

    Attributes:
        response: What boto3 returned for the last attempt.
        reached: Whether the last attempt was about to be sent, and no mock had responded before.
        may_repeat: Whether the last attempt was a request, and can be sent again.
        count: How many attempts there were.
    """

    def __init__(self) -> None:
        self.response: Any = None
        self.reached = self.may_repeat = False
        self.count = 0
        self._raised: Any = None
        self._causes: list[tuple[CallError, Any]] = []

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send the call once; see ``Transport.send``."""
        raise NotImplementedError

    def close(self) -> None:
        """No-op: the connections are the client's."""

    def observe(self, _invocation: Invocation, proceed: Callable[[], Outcome]) -> Outcome:
        """Keep which of boto3's exceptions is behind the error of an attempt; a hook around each attempt.

        Raises:
            FinalError: The attempt failed, and cannot be repeated; botocore would not have retried it either.
        """
        self.count += 1
        try:
            return proceed()
        except CallError as error:
            self._causes.append((error, self._raised))
            if not self.may_repeat and not isinstance(error, FunctionError):
                raise FinalError(error) from None
            raise

    def count_retries(self, response: Any) -> None:
        """Write into boto3's response how often the call was sent again, as botocore's own retries do."""
        metadata: Any = response.get("ResponseMetadata") if self.reached and is_mapping(response) else None
        if isinstance(metadata, dict):
            metadata["RetryAttempts"] = self.count - 1

    def find_cause(self, error: CallError) -> Any:
        """Return what boto3 raised for an error; of one that has no time for a retry, for the failure before it."""
        for known, raised in self._causes:
            if known is error or known is error.__cause__:
                return raised
        return None


CURRENT_ATTEMPTS: Final[ContextVar[Any]] = ContextVar("lambdachain_compat_attempts", default=None)
"""The attempts of the call in progress. Between ``invoke()`` and its request there is only botocore's code."""


def accept(kind: InvocationType, outcome: Outcome) -> Outcome:
    """Make an outcome pass the checks of a call, because boto3 accepts any response; one cut short stays as it is."""
    if outcome.status == _STATUS[InvocationType.REQUEST_RESPONSE] and outcome.from_lambda and not outcome.complete:
        return outcome
    return replace(
        outcome,
        status=_STATUS[kind],
        payload=outcome.payload or b"null",
        executed_version=outcome.executed_version or "",
        complete=True,
        from_lambda=True,
    )


def get_kind(operation: str, parameters: Mapping[str, Any]) -> InvocationType:
    """Return how a call invokes its function."""
    if operation == "InvokeAsync":
        return InvocationType.EVENT
    try:
        return InvocationType(parameters.get("InvocationType") or "RequestResponse")
    except ValueError:  # Lambda rejects it
        return InvocationType.REQUEST_RESPONSE
