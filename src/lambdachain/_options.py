"""The options of a call, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypedDict

from ._errors import ContractError, DeadlineExceededError, InvalidRequestError
from ._invocation import InvocationType
from ._json.core_schema import is_mapping
from ._metadata import LONGEST_TIMEOUT, MAX_ID_CHARACTERS, is_plain_text
from ._retry import RetryPolicy

_TENANT_ID: Final = r"[a-zA-Z0-9._:/=+\-@ ]{1,256}"
_DURABLE_NAME: Final = r"[a-zA-Z0-9_-]{1,64}"


class CallOptions(TypedDict, total=False):
    """What a single call may say about itself; bound functions and clients take the same.

    ``timeout``: seconds, or a ``timedelta``, for the whole call, every attempt included.
    ``retry``: a ``RetryPolicy``, in place of the client's.
    ``idempotency_key``: what the callee can tell repetitions by; unlocks retrying what may have run.
    ``qualifier``: a version or alias, in place of the contract's.
    ``tenant_id``: the tenant, for a function with tenant isolation.
    ``durable_name``: Lambda's own deduplication, for durable functions: one name runs once.
    ``client_context``: texts for the callee's ``context.client_context.custom``; Lambda delivers it for a call only.
    ``log_tail``: ask for the last 4 KB of the function's log; with a call only.
    """

    timeout: float | timedelta | None
    retry: RetryPolicy | None
    idempotency_key: str | None
    qualifier: str | None
    tenant_id: str | None
    durable_name: str | None
    client_context: Mapping[str, str] | None
    log_tail: bool


def check_names(options: Mapping[str, Any]) -> None:
    """Refuse an option that does not exist: at run time a misspelt one would be lost in silence."""
    if not options.keys() <= CallOptions.__optional_keys__:
        unknown = min(options.keys() - CallOptions.__optional_keys__)
        raise ContractError(f"there is no option {unknown!r}; options are {', '.join(CallOptions.__annotations__)}")


def seconds(timeout: float | timedelta | None, function: str) -> float | None:
    """Give a timeout in seconds; without time there is nothing to send."""
    if timeout is None:
        return None
    value: Any = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InvalidRequestError("timeout must be seconds or a timedelta", function=function)
    if value <= 0:
        raise DeadlineExceededError(f"no time left to send it: the timeout is {value:g} s", function=function)
    return min(float(value), LONGEST_TIMEOUT)


def checked_context(custom: Mapping[str, str] | None, kind: InvocationType, function: str) -> Mapping[str, str]:
    """Refuse texts for the ClientContext that are none, or go with an event, for which Lambda drops them."""
    if custom is None or kind is InvocationType.DRY_RUN:
        return {}
    if kind is InvocationType.EVENT:
        raise InvalidRequestError(
            "Lambda delivers client_context to a call, not to a fire: put it into the payload", function=function
        )
    if not _maps_text(custom):
        raise InvalidRequestError("client_context maps str to str, for callees in any language", function=function)
    return custom


def checked_key(key: str | None, kind: InvocationType, envelope: bool, function: str) -> str | None:  # noqa: FBT001
    """Refuse an idempotency key that is none, or cannot reach the callee: it would unlock retries for nothing."""
    if key is None or kind is InvocationType.DRY_RUN:
        return None
    if not key or not is_plain_text(key):
        raise InvalidRequestError(
            f"idempotency_key must be 1 to {MAX_ID_CHARACTERS} characters of text, without control characters",
            function=function,
        )
    if kind is InvocationType.EVENT and not envelope:
        raise InvalidRequestError(
            "an event has no ClientContext to carry idempotency_key: declare Contract(..., envelope=True), "
            "or put it into the payload",
            function=function,
        )
    return key


def wants_log_tail(wanted: bool, kind: InvocationType, function: str) -> bool:  # noqa: FBT001 - an option passed on
    """Tell whether to ask for the log; an event has none to give."""
    if wanted and kind is InvocationType.EVENT:
        raise InvalidRequestError("log_tail: Lambda gives the log with a call, not with a fire", function=function)
    return wanted and kind is InvocationType.REQUEST_RESPONSE


def checked_text(name: str, text: str | None, function: str) -> str | None:
    """Refuse a tenant id or durable name that Lambda would refuse."""
    if text is None:
        return None
    pattern = {"tenant_id": _TENANT_ID, "durable_name": _DURABLE_NAME}[name]
    given: Any = text
    if not (isinstance(given, str) and re.fullmatch(pattern, given)):
        raise InvalidRequestError(f"{name} must match {pattern}", function=function)
    return text


def _maps_text(custom: Any) -> bool:
    return is_mapping(custom) and all(isinstance(text, str) for item in custom.items() for text in item)
