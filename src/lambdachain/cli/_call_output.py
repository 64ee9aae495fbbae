"""The outcome of a call, as one line for people and as a JSON object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lambdachain._core.errors import Attempt, CallError
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._core.results import InvokeResult

_FUNCTION_ERROR_FIELDS: Final = ("error_type", "error_message", "stack_trace", "log_tail")


def summarize_result(result: InvokeResult[Any]) -> str:
    """Summarize the metadata of a response in one line.

    >>> from lambdachain import InvokeResult
    >>> summarize_result(InvokeResult(7, "8f5e", "3", None, (), 0.0421))
    'version 3, 42 ms, 0 attempts, request 8f5e'
    """
    parts = [
        f"version {result.executed_version}",
        format_duration(result.duration),
        summarize_attempts(result.attempts),
    ]
    return ", ".join([*parts, f"request {result.request_id}"] if result.request_id else parts)


def summarize_attempts(attempts: Sequence[Attempt]) -> str:
    """Count the attempts, and name the errors of those that failed.

    >>> from lambdachain import Attempt
    >>> summarize_attempts([Attempt("ThrottledError", 429, None, 0.1), Attempt(None, 200, "8f5e", 0.1)])
    '2 attempts (retried after ThrottledError)'
    """
    failed = [attempt.error for attempt in attempts if attempt.error]
    reason = f" (retried after {', '.join(failed)})" if failed else ""
    return f"{len(attempts)} attempt{'' if len(attempts) == 1 else 's'}{reason}"


def format_duration(seconds: float) -> str:
    """Format a duration: milliseconds up to 10 seconds.

    >>> format_duration(0.0421), format_duration(12.3)
    ('42 ms', '12.3 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def result_to_dict(result: InvokeResult[Any], value: Any) -> dict[str, Any]:
    """Convert a result to a JSON object; *value* is the decoded response."""
    metadata = {name: getattr(result, name) for name in ("executed_version", "request_id", "duration", "log_tail")}
    return {"value": value, **metadata, "attempts": _attempts_to_dicts(result.attempts)}


def receipt_to_dict(receipt: Receipt) -> dict[str, Any]:
    """Convert a receipt to a JSON object."""
    return {"request_id": receipt.request_id, "attempts": _attempts_to_dicts(receipt.attempts)}


def permission_to_dict(permission: Permission) -> dict[str, Any]:
    """Convert a permission to a JSON object."""
    return {**asdict(permission), "reason": str(permission.reason)}


def error_to_dict(error: CallError) -> dict[str, Any]:
    """Convert a failed call to a JSON object, with the callee's own error and the fields of a declared error."""
    fields: dict[str, Any] = {
        "error": type(error).__name__,
        # Without the function and request id that str() adds: they have keys of their own.
        "message": _get_message(error) or str(error),
        "execution": str(error.execution),
        "retryable": error.retryable,
        "function": error.function,
        "request_id": error.request_id,
        "elapsed": error.elapsed,
        "attempts": _attempts_to_dicts(error.attempts),
    }
    return {**fields, **_error_details(error)}


def _get_message(error: CallError) -> str:
    message: object = error.args[0] if error.args else ""
    return message if isinstance(message, str) else ""  # the args of a declared error are its fields


def _error_details(error: CallError) -> Mapping[str, Any]:
    from lambdachain._contracts.remote_error import RemoteError
    from lambdachain._core.errors import FunctionError

    details: dict[str, Any] = {}
    if isinstance(error, FunctionError):
        details |= {name: getattr(error, name) for name in _FUNCTION_ERROR_FIELDS}
    if isinstance(error, RemoteError):
        # str() of a declared error is the JSON of its fields, as it traveled in the function's response
        details["fields"] = json.loads(str(error))
    if problems := getattr(error, "errors", ()):
        details["errors"] = list(problems)
    return details


def _attempts_to_dicts(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [attempt._asdict() for attempt in attempts]
