"""What one attempt adds to botocore's request, and an event handler that reports when it is about to be sent."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, Final

from lambdachain._core.context_values import set_value
from lambdachain._core.invocation import MAX_CLIENT_CONTEXT_BYTES
from lambdachain._core.metadata import merge_custom
from lambdachain._core.type_guards import is_mapping

from ._settings import OPERATIONS

_CLIENT_CONTEXT: Final = "X-Amz-Client-Context"


class CurrentRequest:
    """What the hooks of a client need to know about the attempt in progress.

    Attributes:
        reached: Whether botocore was about to sign and send the request.
    """

    def __init__(self, client_context: str | None, timeout: float | None) -> None:
        self.client_context = client_context
        self.timeout = timeout
        self.reached = False

    def sending(self) -> AbstractContextManager[None]:
        """Make this the request that the hooks see."""
        # A context variable: between invoke() and the hooks there is only botocore's code.
        return set_value(_current, self)

    def add_to(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of botocore's request with the metadata and the timeout of this attempt."""
        context, headers = dict(request["context"]), request["headers"].copy()
        if self.timeout is not None:
            configured = context["client_config"].read_timeout
            context["read_timeout"] = self.timeout if configured is None else min(configured, self.timeout)
        if self.client_context is not None:
            headers[_CLIENT_CONTEXT] = merge_client_contexts(headers.get(_CLIENT_CONTEXT), self.client_context)
        return {**request, "context": context, "headers": headers}


_current: ContextVar[CurrentRequest | None] = ContextVar("lambdachain_compat_request", default=None)


def register_request_hooks(client: Any) -> None:
    """Have a client report when a request is about to be sent: after the point where stubs and mocks respond."""
    for operation in OPERATIONS:
        event, name = f"request-created.lambda.{operation}", f"lambdachain-compat-{operation}-reached"
        client.meta.events.register_first(event, _mark_reached, unique_id=name)


def _mark_reached(**_: Any) -> None:
    request = _current.get()
    if request is not None:
        request.reached = True


def merge_client_contexts(theirs: str | None, ours: str) -> str:
    """Merge our metadata into the caller's own ClientContext; where that is not possible, theirs stays as it is."""
    if not theirs:
        return ours
    try:
        context: Any = json.loads(b64decode(theirs))
    except (ValueError, RecursionError):
        return theirs
    custom: Any = (context.get("custom") or {}) if is_mapping(context) else None
    if not is_mapping(custom):
        return theirs
    texts = json.loads(b64decode(ours))["custom"]
    merged = {**context, "custom": dict(merge_custom(texts, custom))}
    encoded = b64encode(json.dumps(merged, separators=(",", ":")).encode()).decode()
    return encoded if len(encoded) <= MAX_CLIENT_CONTEXT_BYTES else theirs
