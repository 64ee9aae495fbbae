"""Event handlers of a client: they add the metadata of a call, and report when a request is about to be sent."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

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

    @contextmanager
    def sending(self) -> Generator[None]:
        """Make this the request that the hooks see."""
        # A context variable: between invoke() and the hooks there is only botocore's code.
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


_current: ContextVar[CurrentRequest | None] = ContextVar("lambdachain_compat_request", default=None)


def register_request_hooks(client: Any) -> None:
    """Have a client add the metadata of a call, and report when a request is about to be sent.

    The handlers run after stubs have responded and mocks have compared the parameters, which are the caller's.
    """
    for operation in OPERATIONS:
        events, name = client.meta.events, f"lambdachain-compat-{operation}"
        events.register(f"before-call.lambda.{operation}", _prepare_request, unique_id=f"{name}-prepare")
        events.register_first(f"request-created.lambda.{operation}", _mark_reached, unique_id=f"{name}-reached")


def _mark_reached(**_: Any) -> None:
    request = _current.get()
    if request is not None:
        request.reached = True


def _prepare_request(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
    request = _current.get()
    if request is None:
        return
    if request.timeout is not None:
        configured = context["client_config"].read_timeout
        context["read_timeout"] = request.timeout if configured is None else min(configured, request.timeout)
    if request.client_context is not None:
        headers = params["headers"]
        headers[_CLIENT_CONTEXT] = merge_client_contexts(headers.get(_CLIENT_CONTEXT), request.client_context)


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
