"""``stream``: a response in chunks, as the function sends them."""

from __future__ import annotations

import codecs
import os
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from lambdachain._calling.attempts import pause, send_with_retries
from lambdachain._calling.classify import error_for_no_answer, error_for_outcome
from lambdachain._calling.compiled_call import BoundTarget
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import CallResponse
from lambdachain._core import clock
from lambdachain._core.errors import CallError, InvalidRequestError, ResponseError
from lambdachain._core.fork_hooks import check_process
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress, Transport
from lambdachain._transports.invoke_response import MAX_STREAM_BYTES, oversized_message
from lambdachain._transports.streaming import AsyncResponseStream, ResponseStream, StreamEnd, open_stream

from .base_invoker import BaseInvoker, ProcessInterceptors
from .invoker import Invoker

if TYPE_CHECKING:
    from lambdachain._calling.interceptors import StartedCall

# In place of the payload that is still to come: the checks of a call take an empty payload for a response cut short.
_TO_COME: Final = b"..."
NOT_TEXT: Final = "the response is not text in UTF-8"


def stream_response(invoker: Invoker, bound: BoundTarget, payload: object, *, text: bool) -> Generator[Any, None, None]:
    """Run a function and yield its response in chunks; see ``LambdaClient.stream``.

    Raises:
        InvalidRequestError: A stream does not have one of the options.
    """
    # Not in the generator, which would raise only when the first chunk is requested.
    check_options(invoker, bound, payload)
    if not (invoker.interceptors or ProcessInterceptors.calling):
        return _start(invoker, bound, payload, text=text)
    from .intercepted_stream import intercept_stream

    return intercept_stream(invoker, bound, payload, partial(_start, invoker, bound, payload, text=text))


def check_options(invoker: BaseInvoker[Any, Any], bound: BoundTarget, payload: object) -> None:
    """Raise for options that a stream does not have; inside the interceptors, if there are any.

    Raises:
        InvalidRequestError: There is such an option.
    """
    if bound.options.get("durable_name") is None:
        return
    from .interception import enter

    with enter(invoker, "stream", bound, payload):
        raise InvalidRequestError(
            "durable_name: Lambda has no durable executions that stream", function=bound.target.address
        )


def _start(
    invoker: Invoker,
    bound: BoundTarget,
    payload: object,
    seen: StartedCall | None = None,
    *,
    text: bool,
) -> Generator[Any, None, None]:
    chunks = _stream(invoker, bound, payload, seen)
    return decode_chunks(chunks, bound.target.address) if text else chunks


def _stream(
    invoker: Invoker, bound: BoundTarget, payload: object, seen: StartedCall | None
) -> Generator[bytes, None, None]:
    call = to_stream_call(invoker.prepare(bound, payload, InvocationType.REQUEST_RESPONSE, seen))
    transport = StreamTransport(invoker.transport_for(bound.target))
    try:
        response = send_with_retries(transport, call, invoker.hooks)
        progress = StreamProgress(call, response, clock.monotonic())
        chunk = transport.first
        while isinstance(chunk, bytes):
            progress.record(chunk)
            if chunk:
                yield chunk
            try:
                chunk = transport.read()
            except NoAnswerError as exc:
                # Not retried: the consumer has seen the chunks before, and a second run may send others.
                raise progress.error_for_break(exc) from exc.__cause__
        progress.finish(chunk)
    finally:
        transport.release()


def to_stream_call(call: PreparedCall) -> PreparedCall:
    """Mark a call as a stream, whose function must not offload its response: nobody would read the reference to S3."""
    if call.metadata is None or call.compiled.target.contract.offload is None:
        return call._replace(is_stream=True)
    return call._replace(is_stream=True, metadata=call.metadata._replace(offload=False))


class StreamTransport:
    """A transport whose ``send`` returns with the first chunk of a stream.

    So the retries of a call apply until the function has sent something; afterwards, nothing is sent again.
    """

    first: bytes | StreamEnd

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._opened: ResponseStream | None = None
        self._process = os.getpid()

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send once and wait for the first chunk; see ``Transport.send``."""
        self.release()  # the stream of the attempt before, which failed with its first chunk
        stream = self._opened = open_stream(self._transport, invocation, timeout)
        if is_failure(stream.outcome):
            self.release()
            return stream.outcome
        try:
            self.first = stream.read()
        # Also for a KeyboardInterrupt: an open stream would keep its connection out of the pool.
        except BaseException:
            self.release()
            raise
        return outcome_so_far(stream.outcome, self.first)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts, as the transport does."""
        pause(self._transport, seconds)

    def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or the end.

        Raises:
            ContractError: This process is a fork of the one that reads the stream.
            NoAnswerError: The stream breaks off, or times out.
        """
        check_process(self._process, "stream")
        assert self._opened is not None  # noqa: S101 - for type checkers
        return self._opened.read()

    def release(self) -> None:
        """Close the stream, if one is open."""
        close_stream(self._opened, self._process)

    def close(self) -> None:
        """No-op: the transport belongs to the client."""


def close_stream(stream: ResponseStream | AsyncResponseStream | None, process: int) -> None:
    """Close a stream that *process* has opened; in a fork of it, do not touch the connection, which the parent uses."""
    if process != os.getpid():
        # Garbage collection would close the socket, or remove it from the epoll set that the parent's loop still uses.
        _never_closed.append(stream)
    elif stream is not None:
        stream.close()


_never_closed: Final[list[object]] = []


def is_failure(outcome: Outcome) -> bool:
    """Check whether there is no stream to read: the service failed, or the function, or Lambda did not respond."""
    # From 300 on: redirects are not followed, so there is no stream behind one either.
    return outcome.status >= 300 or outcome.function_error is not None or not outcome.from_lambda


def outcome_so_far(outcome: Outcome, chunk: bytes | StreamEnd) -> Outcome:
    """Return a stream as the outcome of a call, for the checks of calls; a stream that ended in an error has failed."""
    if isinstance(chunk, StreamEnd) and chunk.error_code is not None:
        return replace(
            outcome, function_error=chunk.error_code, payload=_to_error_payload(chunk), log_result=chunk.log_result
        )
    return replace(outcome, payload=_TO_COME)


class StreamProgress:
    """How much of a stream has been received, for the error if it fails."""

    def __init__(self, call: PreparedCall, response: CallResponse, now: float) -> None:
        self._call = call
        self._response = response
        self._began = now - response.elapsed
        self._received = 0

    def record(self, chunk: bytes) -> None:
        """Count the bytes of a chunk.

        Raises:
            ResponseError: There are more than Lambda streams.
        """
        if self._received + len(chunk) > MAX_STREAM_BYTES:
            failure = NoAnswerError(oversized_message(MAX_STREAM_BYTES), progress=Progress.ANSWER_BEGUN)
            failure.request_id = self._response.outcome.request_id
            raise self.error_for_break(failure)
        self._received += len(chunk)
        if self._call.recorder is not None:
            self._call.recorder.received_bytes = self._received

    def error_for_break(self, exc: NoAnswerError) -> CallError:
        """Return the error of a stream that broke off."""
        return self._with_progress(error_for_no_answer(self._call.invocation, exc, self._call.semantics))

    def finish(self, end: StreamEnd) -> None:
        """Check how the stream ended.

        Raises:
            CallError: The function failed.
        """
        outcome = outcome_so_far(self._response.outcome, end)
        error = error_for_outcome(self._call.invocation, outcome, self._call.semantics)
        if error is not None:
            raise self._with_progress(error)

    def _with_progress(self, error: CallError) -> CallError:
        # The attempt was recorded, and the call logged, as a success when its first chunk arrived.
        from lambdachain._calling.call_log import log_call

        *before, last = self._response.attempts
        error.attempts = (*before, last._replace(error=type(error).__name__))
        error.elapsed = round(clock.monotonic() - self._began, 6)
        error.received_bytes = self._received
        log_call(self._call, error.attempts, error.elapsed, error)
        return error


def _to_error_payload(end: StreamEnd) -> bytes:
    """Return the error at the end of a stream in the form of a failed call's payload."""
    import json

    details = end.error_details or ""
    try:
        report: Any = json.loads(details)
        if isinstance(report, dict):
            # The report's own errorType wins: it is the exception's class, where the code may be Lambda's.
            return json.dumps({"errorType": end.error_code, **report}).encode()
    except (ValueError, RecursionError):
        pass
    return json.dumps({"errorType": end.error_code, "errorMessage": details}).encode()


def decode_chunks(chunks: Generator[bytes, None, None], function: str) -> Generator[str, None, None]:
    """Decode chunks as UTF-8; a character may be split between two of them.

    Raises:
        ResponseError: They are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in chunks:
            text = decoder.decode(chunk)
            if text:
                yield text
        decoder.decode(b"", final=True)  # raises if the last character is incomplete
    except UnicodeDecodeError:
        failure = ResponseError(NOT_TEXT, function=function)
    else:
        return
    finally:
        # The stream has to be closed here: a generator that wraps another one does not close it.
        chunks.close()
    # After the block, because the context of an exception is kept: a UnicodeDecodeError holds the response's bytes.
    raise failure
