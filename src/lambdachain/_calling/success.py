"""What counts as a success: all that a call needs which does not fail."""

from __future__ import annotations

import base64
from typing import Final

from lambdachain._core.invocation import InvocationType, Outcome

_STATUS: Final = {
    InvocationType.REQUEST_RESPONSE: 200,
    InvocationType.EVENT: 202,
    InvocationType.DRY_RUN: 204,
}

_NOT_FROM_LAMBDA: Final = (
    "the response has no header of Lambda's: it comes from something on the way, such as a proxy or a captive portal; "
    "check the endpoint and the network"
)
_UNKNOWN_LENGTH: Final = (
    "the response has neither Content-Length nor chunked encoding, so it may be cut short: something between here and "
    "Lambda removes them"
)


def is_success(kind: InvocationType, outcome: Outcome) -> bool:
    """Check whether an outcome is a success; its payload may still not fit the contract."""
    return outcome.status < 300 and outcome.function_error is None and find_flaw(kind, outcome) is None


def find_flaw(kind: InvocationType, outcome: Outcome) -> str | None:
    """Describe why a response that reports no error cannot be trusted; ``None`` if it can."""
    expected = _STATUS[kind]
    if outcome.status != expected:
        return f"status {outcome.status} where Lambda responds to {kind} with {expected}"
    if not outcome.from_lambda:
        return _NOT_FROM_LAMBDA
    if kind is not InvocationType.REQUEST_RESPONSE:
        return None
    if outcome.executed_version is None:
        return "the response has no X-Amz-Executed-Version: it was cut short, or does not come from Lambda"
    # Even for a function that returns nothing, Lambda sends four bytes: null.
    if not outcome.payload:
        return "the response is empty, where Lambda sends at least null: it was cut short"
    return None if outcome.complete else _UNKNOWN_LENGTH


def decode_log_tail(outcome: Outcome) -> str | None:
    """Decode the end of the function's log, if the response has it."""
    if outcome.log_result is None:
        return None
    try:
        return base64.b64decode(outcome.log_result).decode(errors="replace")
    except (ValueError, TypeError):  # stubs may have a log that is not base64
        return None
