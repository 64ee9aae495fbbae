"""The options of a call, checked before anything is sent."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypedDict

from ._errors import ContractError, DeadlineExceededError, InvalidRequestError, RequestTooLargeError
from ._invocation import MAX_CLIENT_CONTEXT_BYTES, InvocationType
from ._schema import is_mapping

_TENANT_ID: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
_DURABLE_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class CallOptions(TypedDict, total=False):
    """What a single call may say about itself; bound functions and clients take the same.

    ``timeout``: seconds, or a ``timedelta``, to wait for the answer.
    ``qualifier``: a version or alias, in place of the contract's.
    ``tenant_id``: the tenant, for a function with tenant isolation.
    ``durable_name``: Lambda's own deduplication, for durable functions: one name runs once.
    ``client_context``: texts for the callee's ``context.client_context.custom``; Lambda delivers it for a call only.
    ``log_tail``: ask for the last 4 KB of the function's log; with a call only.
    """

    timeout: float | timedelta | None
    qualifier: str | None
    tenant_id: str | None
    durable_name: str | None
    client_context: Mapping[str, str] | None
    log_tail: bool


def check_names(options: Mapping[str, Any]) -> None:
    """Refuse an option that does not exist: at run time a misspelt one would be lost in silence."""
    unknown = sorted(options.keys() - CallOptions.__annotations__.keys())
    if unknown:
        raise ContractError(f"there is no option {unknown[0]!r}; options are {', '.join(CallOptions.__annotations__)}")


def seconds(timeout: float | timedelta | None, function: str) -> float | None:
    """Give a timeout in seconds; without time there is nothing to send."""
    if timeout is None:
        return None
    value: Any = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InvalidRequestError("timeout must be seconds or a timedelta", function=function)
    if value <= 0:
        raise DeadlineExceededError(f"no time left to send it: the timeout is {value:g} s", function=function)
    return float(value)


def encode_client_context(custom: Mapping[str, str] | None, kind: InvocationType, function: str) -> str | None:
    """Encode the caller's texts as Lambda's ClientContext: JSON in base64.

    Raises:
        RequestTooLargeError: It is longer than the 3,583 bytes that Lambda takes.
        InvalidRequestError: It is not made of text, or goes with an event, for which Lambda drops it.
    """
    if custom is None or kind is InvocationType.DRY_RUN:
        return None
    if kind is InvocationType.EVENT:
        raise InvalidRequestError(
            "Lambda delivers client_context to a call, not to a fire: put it into the payload", function=function
        )
    if not _maps_text(custom):
        raise InvalidRequestError("client_context maps str to str, for callees in any language", function=function)
    encoded = base64.b64encode(json.dumps({"custom": dict(custom)}, separators=(",", ":")).encode()).decode()
    if len(encoded) > MAX_CLIENT_CONTEXT_BYTES:
        raise RequestTooLargeError(
            f"client_context is {len(encoded):,} bytes in base64; Lambda takes at most {MAX_CLIENT_CONTEXT_BYTES:,}",
            function=function,
        )
    return encoded


def wants_log_tail(wanted: bool, kind: InvocationType, function: str) -> bool:  # noqa: FBT001 - an option passed on
    """Tell whether to ask for the log; an event has none to give."""
    if wanted and kind is InvocationType.EVENT:
        raise InvalidRequestError("log_tail: Lambda gives the log with a call, not with a fire", function=function)
    return wanted and kind is InvocationType.REQUEST_RESPONSE


def checked_text(name: str, text: str | None, function: str) -> str | None:
    """Refuse a tenant id or durable name that Lambda would refuse."""
    pattern = {"tenant_id": _TENANT_ID, "durable_name": _DURABLE_NAME}[name]
    given: Any = text
    if given is not None and not (isinstance(given, str) and pattern.fullmatch(given)):
        raise InvalidRequestError(f"{name} must match {pattern.pattern}", function=function)
    return text


def _maps_text(custom: Any) -> bool:
    return is_mapping(custom) and all(isinstance(text, str) for item in custom.items() for text in item)
