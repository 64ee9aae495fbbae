"""What a success is: all that a call which goes well needs to know of answers."""

from __future__ import annotations

import base64
from typing import Final

from lambdachain._core.invocation import InvocationType, Outcome

_STATUS: Final = {
    InvocationType.REQUEST_RESPONSE: 200,
    InvocationType.EVENT: 202,
    InvocationType.DRY_RUN: 204,
}

_STRANGE: Final = (
    "the answer has no header of Lambda's: it comes from something on the way, such as a proxy or a captive portal; "
    "check the endpoint and the network"
)
_ENDLESS: Final = (
    "the answer has neither Content-Length nor chunked encoding, so it may be cut short: something between here and "
    "Lambda removes them"
)


def is_success(kind: InvocationType, outcome: Outcome) -> bool:
    """Check whether an answer is a success; its payload may still not fit the contract."""
    return outcome.status < 300 and outcome.function_error is None and flaw_of(kind, outcome) is None


def flaw_of(kind: InvocationType, outcome: Outcome) -> str | None:
    """Describe what is wrong with an answer that reports no error."""
    expected = _STATUS[kind]
    if outcome.status != expected:
        return f"status {outcome.status} where Lambda answers {kind} with {expected}"
    if not outcome.from_lambda:
        return _STRANGE
    if kind is not InvocationType.REQUEST_RESPONSE:
        return None
    if outcome.executed_version is None:
        return "the answer has no X-Amz-Executed-Version: it was cut short, or does not come from Lambda"
    if not outcome.payload:
        return "the answer is empty, where Lambda sends at least null: it was cut short"
    return None if outcome.complete else _ENDLESS


def log_tail(outcome: Outcome) -> str | None:
    """Decode the end of the function's log, if the answer has it."""
    if outcome.log_result is None:
        return None
    try:
        return base64.b64decode(outcome.log_result).decode(errors="replace")
    except (ValueError, TypeError):  # as stubs may have it
        return None
