"""What a call gave, as a line for people and as an object for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lambdachain._core.errors import Attempt, CallError
    from lambdachain._core.receipts import Permission, Receipt
    from lambdachain._core.results import InvokeResult

_OF_FUNCTIONS: Final = ("error_type", "error_message", "stack_trace", "log_tail")


def facts(result: InvokeResult[Any]) -> str:
    """Report in a line what Lambda told about an answer.

    >>> from lambdachain import InvokeResult
    >>> facts(InvokeResult(7, "8f5e", "3", None, (), 0.0421))
    'version 3, 42 ms, 0 attempts, request 8f5e'
    """
    parts = [f"version {result.executed_version}", duration(result.duration), attempts(result.attempts)]
    return ", ".join([*parts, f"request {result.request_id}"] if result.request_id else parts)


def attempts(made: Sequence[Attempt]) -> str:
    """Count attempts, and say why there was more than one.

    >>> from lambdachain import Attempt
    >>> attempts([Attempt("ThrottledError", 429, None, 0.1), Attempt(None, 200, "8f5e", 0.1)])
    '2 attempts (ThrottledError before)'
    """
    failed = [attempt.error for attempt in made if attempt.error]
    why = f" ({', '.join(failed)} before)" if failed else ""
    return f"{len(made)} attempt{'' if len(made) == 1 else 's'}{why}"


def duration(seconds: float) -> str:
    """Write a duration.

    >>> duration(0.0421), duration(12.3)
    ('42 ms', '12.3 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def result_object(result: InvokeResult[Any], value: Any) -> dict[str, Any]:
    """Return an answer as an object; *value* is what its JSON says."""
    facts = {name: getattr(result, name) for name in ("executed_version", "request_id", "duration", "log_tail")}
    return {"value": value, **facts, "attempts": _attempts(result.attempts)}


def receipt_object(receipt: Receipt) -> dict[str, Any]:
    """Return a receipt as an object."""
    return {"request_id": receipt.request_id, "attempts": _attempts(receipt.attempts)}


def permission_object(permission: Permission) -> dict[str, Any]:
    """Return a permission as an object."""
    return {**asdict(permission), "reason": str(permission.reason)}


def failure_object(error: CallError) -> dict[str, Any]:
    """Return a failure as an object; what a callee said of itself, and the fields of a declared error, are in it."""
    facts: dict[str, Any] = {
        "error": type(error).__name__,
        "message": str(error.args[0]) if error.args and error.args[0] else str(error),
        "execution": str(error.execution),
        "retryable": error.retryable,
        "function": error.function,
        "request_id": error.request_id,
        "elapsed": error.elapsed,
        "attempts": _attempts(error.attempts),
    }
    return {**facts, **_particulars(error)}


def _particulars(error: CallError) -> Mapping[str, Any]:
    from lambdachain._contracts.remote_error import RemoteError
    from lambdachain._core.errors import FunctionError

    found: dict[str, Any] = {}
    if isinstance(error, FunctionError):
        found |= {name: getattr(error, name) for name in _OF_FUNCTIONS}
    if isinstance(error, RemoteError):
        found["fields"] = json.loads(str(error))
    if details := getattr(error, "errors", ()):
        found["errors"] = list(details)
    return found


def _attempts(made: Sequence[Attempt]) -> list[dict[str, Any]]:
    return [attempt._asdict() for attempt in made]
