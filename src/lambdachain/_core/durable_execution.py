"""What a durable execution keeps of its caller: the metadata of a ClientContext, recorded as a step.

Lambda invokes a durable function again for each part of an execution. It records the event, and with it an envelope;
a ClientContext comes with one invocation. Imported for durable functions only; the SDK's objects are read by their
public attributes, so that it need not be imported.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from .fork_hooks import lock_for
from .metadata import TRACE_NAMES, Metadata, read_metadata, read_trace
from .type_guards import is_mapping

STEP_NAME: Final = "lambdachain.caller"
# The SDK numbers the operations of a context: this one is of a context of its own, so that the numbers of the
# function's operations stay as they are, also in executions that began before there was a record.
_CONTEXT_ID: Final = "lambdachain.caller"

# Branches may enter at the same time, and one execution has one record.
_lock = lock_for(sys.modules[__name__])


def read_recorded(context: Any, custom: Mapping[str, Any]) -> Metadata | None:
    """Return the metadata of the caller that started an execution; ``None`` if it sent none.

    Recorded when an execution first asks for them, before a replay: one that began without a record stays without.

    Args:
        context: The SDK's context of a durable function, or of a child.
        custom: The caller's texts in the ClientContext of this invocation.
    """
    sent = {name: text for name, text in custom.items() if _is_metadata(name) and isinstance(text, str)}
    operations: Any = getattr(getattr(context, "state", None), "operations", None)
    if operations is None or getattr(context, "from_lambda_context", None) is None:
        return None  # a stand-in of a test

    def get_sent(_: object) -> dict[str, str]:
        return sent

    with _lock:
        if not _is_recorded(context.state) and (not sent or context.is_replaying()):
            return None
        recorded = _get_recording_context(context).step(get_sent, STEP_NAME)
    if not is_mapping(recorded):
        return None
    return read_metadata(recorded) or Metadata("", 0, trace=read_trace(recorded))


def find_start(context: Any) -> float | None:
    """Return when the execution began, in seconds since the epoch; ``None`` if it is not known."""
    find = getattr(getattr(context, "state", None), "get_execution_operation", None)
    started = getattr(find(), "start_timestamp", None) if callable(find) else None
    with suppress(ValueError, OverflowError):
        return started.timestamp() if isinstance(started, datetime) else None
    return None


def _is_metadata(name: object) -> bool:
    return isinstance(name, str) and (name.startswith("lc-") or name in TRACE_NAMES)


def _is_recorded(state: Any) -> bool:
    return any(operation.name == STEP_NAME for operation in state.operations.values())


def _get_recording_context(context: Any) -> Any:
    """Return a context below the execution itself: the operations of a branch are not kept when it has ended."""
    root: Any = context.from_lambda_context(context.state, context.lambda_context)
    # A virtual context is not an operation: it only numbers those inside it.
    return root.create_child_context(_CONTEXT_ID, is_virtual=True)
