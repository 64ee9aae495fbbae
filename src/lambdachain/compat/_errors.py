"""Exceptions that are botocore's and lambdachain's at once, so that old and new ``except`` clauses work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from botocore import exceptions

from lambdachain._core.errors import (
    CallError,
    CallTimeoutError,
    ConnectionLostError,
    DeadlineExceededError,
    NotInvokedError,
    RecursiveInvocationError,
    ResponseError,
)
from lambdachain._core.type_guards import is_mapping
from lambdachain._transports.boto.errors import may_quote

_PLAIN: Final = (str, int, float, bool, type(None))


def to_boto_error(
    error: CallError, raised: Exception | None, client: Any, operation: str, *, retries: int = 0
) -> Exception:
    """Return the exception to raise for *error*: of the class that boto3 raises, and of the error's own class.

    Args:
        error: The error of the call.
        raised: What botocore raised for it; ``None`` if it was not botocore that found it.
        client: The client, for its exceptions and its endpoint.
        operation: boto3's name of the operation.
        retries: How many attempts were made after the first.
    """
    if not _is_expected(raised, error):
        raised = None
    if raised is None:
        theirs = _find_counterpart(error, client, operation)
        theirs.__cause__ = error.__cause__
    else:
        theirs = _count_retries(raised, error, retries)
    args, members = theirs.args, {**vars(error), **vars(theirs)}
    # Not boto3's text where that may quote a password, or what a provider of credentials has printed.
    if isinstance(raised, exceptions.BotoCoreError) and may_quote(raised):
        args, members["kwargs"] = error.args, {}
    made = _rebuild(type(theirs), type(error), args, members)
    made.__cause__, made.__suppress_context__ = theirs.__cause__, True
    return made.with_traceback(theirs.__traceback__)


def _is_expected(raised: Exception | None, error: CallError) -> bool:
    """Check whether *raised* is what users of boto3 expect: botocore's exception, and for a timeout, that of one."""
    # The deadline ends a request by closing its connection, and botocore sees no more than that.
    if isinstance(error, CallTimeoutError):
        return isinstance(raised, exceptions.ReadTimeoutError | exceptions.ClientError)
    return isinstance(raised, exceptions.BotoCoreError | exceptions.ClientError)


def _count_retries(raised: Exception, error: CallError, retries: int) -> Exception:
    """Return botocore's error with the number of retries, as it is after botocore's own."""
    response: Any = getattr(raised, "response", None)
    metadata: Any = response.get("ResponseMetadata") if is_mapping(response) else None
    if not isinstance(raised, exceptions.ClientError) or not is_mapping(metadata):
        return raised
    counts: Any = metadata
    if "HTTPHeaders" not in counts:
        return raised  # a stub's
    counts["RetryAttempts"] = retries
    if not (retries and error.retryable):
        return raised
    counts["MaxAttemptsReached"] = True
    kind: Any = type(raised)
    counted: Exception = kind(response, raised.operation_name)
    counted.__cause__ = raised.__cause__
    return counted.with_traceback(raised.__traceback__)


def _find_counterpart(error: CallError, client: Any, operation: str) -> Exception:
    """Return the exception with which boto3 reports what lambdachain found itself."""
    message, endpoint = str(error.args[0]), client.meta.endpoint_url
    match error:
        case RecursiveInvocationError():
            code = "RecursiveInvocationException"
            response: Any = {
                "Error": {"Code": code, "Message": message},
                "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0},
            }
            return client.exceptions.from_code(code)(response, operation)  # type: ignore[no-any-return]
        case CallTimeoutError():
            return exceptions.ReadTimeoutError(endpoint_url=endpoint)
        case ConnectionLostError():
            return exceptions.ConnectionClosedError(endpoint_url=endpoint)
        case DeadlineExceededError():
            theirs: Exception = exceptions.ConnectTimeoutError(endpoint_url=endpoint)
        case ResponseError():
            theirs = exceptions.ResponseStreamingError(error=message)
        case NotInvokedError():
            theirs = exceptions.EndpointConnectionError(endpoint_url=endpoint)
        case _:
            theirs = exceptions.HTTPClientError(error=message)
    theirs.args = (message,)
    return theirs


@lru_cache(maxsize=256)
def combine_classes(theirs: Any, ours: Any) -> type[Any]:
    """Return a class that is both; its name, its text and its attributes are botocore's."""
    names = {"__module__": theirs.__module__, "__qualname__": theirs.__qualname__, "__doc__": theirs.__doc__}
    own = {"__str__": theirs.__str__, "__repr__": theirs.__repr__, "__reduce__": _reduce}
    return type(theirs.__name__, (theirs, ours), {**names, **own})


def _reduce(error: Any) -> tuple[Any, ...]:
    theirs, ours = type(error).__bases__
    # The classes of client.exceptions are created at run time, and cannot be pickled: their base can.
    base = next(kind for kind in theirs.__mro__ if _is_importable(kind))
    state: dict[str, Any] = _to_plain({name: error.__dict__[name] for name in error.__dict__ if name != "request"})
    return _rebuild, (base, ours, error.args, state)


def _rebuild(
    theirs: type[Exception], ours: type[CallError], args: tuple[Any, ...], state: Mapping[str, Any]
) -> Exception:
    classes: tuple[Any, Any] = theirs, ours
    kind: Any = combine_classes(*classes)
    made = kind.__new__(kind)
    made.args = args
    made.__dict__.update(state)
    created: Exception = made
    return created


def _is_importable(kind: type[object]) -> bool:
    return getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind


def _to_plain(value: Any) -> Any:
    """Return a value that pickles: botocore keeps the exceptions of urllib3, and they keep their connections."""
    if is_mapping(value):
        return {name: _to_plain(member) for name, member in value.items()}
    if isinstance(value, _PLAIN) or type(value).__module__.startswith("lambdachain"):
        return value
    return value if isinstance(value, tuple | list) else str(value)  # pyright: ignore[reportUnknownVariableType]
