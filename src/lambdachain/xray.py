"""AWS X-Ray: a subsegment for each call, and its callee beneath it in the trace.

``pip install "lambdachain[xray]"`` installs AWS's X-Ray SDK, whose recorder this uses.

>>> import lambdachain
>>> from lambdachain.xray import XRayInterceptor
>>> remove = lambdachain.use(XRayInterceptor())
>>> remove()
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from lambdachain._core.extras import explain_missing

try:
    from aws_xray_sdk.core import xray_recorder
except ImportError as exc:
    raise ImportError(explain_missing("lambdachain.xray", "aws-xray-sdk", "xray")) from exc

from aws_xray_sdk.core.models.subsegment import Subsegment
from aws_xray_sdk.ext import util

from lambdachain import CallError, Interceptor, NotInvokedError, OutgoingCall, RemoteError, ThrottledError
from lambdachain._calling.interceptors import get_api_operation
from lambdachain._core.arn import get_function_name
from lambdachain._core.sent_trace import send_trace_header

__all__ = ["XRayInterceptor"]

# Untyped, in the SDK and in its stubs.
_util: Any = util
_HEADER: Final = "X-Amzn-Trace-Id"


class XRayInterceptor(Interceptor):
    """Records a subsegment named ``Lambda`` for each call, as the X-Ray SDK does for boto3.

    The trace header that Lambda has given this function goes out with the subsegment as the parent, and is otherwise
    unchanged: its lineage, on which Lambda's loop detection depends, is kept. A declared error is an answer of the
    callee, not a fault; throttles and other refusals are errors, the rest are faults. Payloads and messages are not
    recorded. On the callee's side, Lambda makes the segment itself.

    Args:
        recorder: A recorder of ``aws_xray_sdk``, by default the global one.
    """

    def __init__(self, recorder: Any = xray_recorder) -> None:
        self._recorder = recorder

    @contextmanager
    def calling(self, call: OutgoingCall, /) -> Generator[None]:
        """Record a call."""
        parent = self._recorder.get_trace_entity()
        if not _is_traced(parent):
            yield
            return
        segment = parent.parent_segment if isinstance(parent, Subsegment) else parent
        # Not begin_subsegment(): it keeps the current subsegment per thread, where calls of one event loop, open
        # streams and throttled payloads of a map would end each other's.
        subsegment: Any = Subsegment("Lambda", "aws", segment)
        parent.add_subsegment(subsegment)
        headers: dict[str, str] = {}
        _util.inject_trace_header(headers, subsegment)
        try:
            with send_trace_header(headers[_HEADER]):
                yield
        except BaseException as exc:  # also one that is cancelled
            _record_error(subsegment, exc)
            raise
        finally:
            _record_call(subsegment, call)
            subsegment.close()
            self._send(segment)

    def _send(self, segment: Any) -> None:
        """Send what is complete, as the recorder does at the end of a subsegment of its own."""
        if segment.ready_to_send():
            self._send_entity(segment)
        elif self._recorder.streaming.is_eligible(segment):
            self._recorder.streaming.stream(segment, self._send_entity)

    def _send_entity(self, entity: Any) -> None:
        if entity.sampled:
            self._recorder.emitter.send_entity(entity)


def _is_traced(parent: Any) -> bool:
    """Check whether calls are recorded: there is a segment, it has not ended, and the trace is sampled.

    Without a segment, the SDK has done what ``AWS_XRAY_CONTEXT_MISSING`` says; without sampling, Lambda's own header
    says so.
    """
    return parent is not None and parent.sampled and parent.in_progress and not getattr(parent, "initializing", False)


def _record_call(subsegment: Any, call: OutgoingCall) -> None:
    last = call.attempts[-1] if call.attempts else None
    recorded = {
        "operation": get_api_operation(call),
        "function_name": get_function_name(call.function),
        "request_id": last.request_id if last is not None else None,
        "retries": len(call.attempts) - 1 if call.attempts else None,
    }
    subsegment.set_aws({name: value for name, value in recorded.items() if value is not None})
    if last is not None and last.status is not None:
        subsegment.put_http_meta("status", last.status)


def _record_error(subsegment: Any, error: BaseException) -> None:
    """Mark a subsegment; what its status says is overridden, because a function that fails has status 200."""
    if isinstance(error, RemoteError):
        subsegment.put_annotation("lambdachain_declared_error", type(error).__name__)
        return
    subsegment.put_annotation("lambdachain_error", type(error).__name__)
    if isinstance(error, CallError):
        subsegment.put_annotation("lambdachain_execution", error.execution.name)
    if isinstance(error, ThrottledError):
        subsegment.add_throttle_flag()
    if isinstance(error, NotInvokedError):
        subsegment.add_error_flag()
    else:
        subsegment.add_fault_flag()
