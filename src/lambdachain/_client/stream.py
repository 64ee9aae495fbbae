"""``stream``: an answer piece by piece, as the function sends it."""

from __future__ import annotations

import codecs
import os
from collections.abc import Generator
from dataclasses import replace
from typing import Any, Final

from lambdachain._calling.attempts import pause, send_with_retries
from lambdachain._calling.classify import failed_answer, no_answer
from lambdachain._calling.options import CallOptions
from lambdachain._calling.prepared_call import PreparedCall
from lambdachain._calling.response import Answer
from lambdachain._calling.target import Target
from lambdachain._core import clock
from lambdachain._core.errors import CallError, InvalidRequestError, ResponseError
from lambdachain._core.invocation import Invocation, InvocationType, NoAnswerError, Outcome, Progress, Transport
from lambdachain._core.process_copies import check_process
from lambdachain._transports.socket_options import MAX_STREAM_BYTES, too_long
from lambdachain._transports.streaming import AsyncResponseStream, ResponseStream, StreamEnd, open_stream

from .invoker import Invoker

# Stands for the payload of an answer that is yet to come: of a call, an empty answer is a broken one.
_TO_COME: Final = b"..."
NOT_TEXT: Final = "the answer is not text in UTF-8"


def streamed(caller: Invoker, callee: Target, payload: object, options: CallOptions) -> Generator[bytes, None, None]:
    """Run a function and give its answer piece by piece; see ``LambdaClient.stream``.

    Raises:
        InvalidRequestError: An option is none of a stream.
    """
    check_options(options, callee.address)
    return _streamed(caller, callee, payload, options)


def check_options(options: CallOptions, function: str) -> None:
    """Refuse what a stream does not have.

    Raises:
        InvalidRequestError: There is such an option.
    """
    if options.get("durable_name") is not None:
        raise InvalidRequestError("durable_name: Lambda has no durable execution with a stream", function=function)


def _streamed(caller: Invoker, callee: Target, payload: object, options: CallOptions) -> Generator[bytes, None, None]:
    plan = in_band(caller.planned(callee, payload, InvocationType.REQUEST_RESPONSE, options))
    opening = Opening(caller.transport_for(callee))
    try:
        answer = send_with_retries(opening, plan, caller.hooks)
        story = Story(plan, answer, clock.monotonic())
        piece = opening.first
        while isinstance(piece, bytes):
            story.note(piece)
            if piece:
                yield piece
            try:
                piece = opening.next()
            except NoAnswerError as exc:
                raise story.broken(exc) from exc.__cause__
        story.end(piece)
    finally:
        opening.let_go()


def in_band(plan: PreparedCall) -> PreparedCall:
    """Have the function answer in the stream itself: nobody reads a reference to S3 there."""
    if plan.told is None or plan.callee.contract.offload is None:
        return plan
    return plan._replace(told=plan.told._replace(offload=False))


class Opening:
    """A transport, as the attempts of one stream see it: an attempt is over once the first piece is there.

    So what fails before it has sent anything is retried as a call is; afterwards nothing is.
    """

    first: bytes | StreamEnd

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._opened: ResponseStream | None = None
        self._process = os.getpid()

    def send(self, invocation: Invocation, /, *, timeout: float | None) -> Outcome:
        """Send once and wait for the first piece; see ``Transport.send``."""
        self.let_go()  # of an attempt before, whose first piece was its failure
        stream = self._opened = open_stream(self._transport, invocation, timeout)
        if is_refused(stream.outcome):
            self.let_go()
            return stream.outcome
        try:
            self.first = stream.read()
        except BaseException:
            self.let_go()
            raise
        return outcome_at(stream.outcome, self.first)

    def pause(self, seconds: float) -> None:
        """Wait between two attempts, as the transport does."""
        pause(self._transport, seconds)

    def next(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end.

        Raises:
            ContractError: This process is a fork of the one that reads the stream.
            NoAnswerError: It does not come.
        """
        check_process(self._process, "stream")
        assert self._opened is not None  # noqa: S101 - for type checkers
        return self._opened.read()

    def let_go(self) -> None:
        """Close what is open."""
        close_stream(self._opened, self._process)

    def close(self) -> None:
        """No-op: the transport is not this one's."""


def close_stream(stream: ResponseStream | AsyncResponseStream | None, process: int) -> None:
    """Close a stream that *process* has opened; in a fork of it, leave the connection alone: the parent reads on."""
    if process != os.getpid():
        _kept_for_ever.append(stream)  # what collects it would close it, or have the parent's loop watch it no more
    elif stream is not None:
        stream.close()


_kept_for_ever: Final[list[object]] = []


def is_refused(outcome: Outcome) -> bool:
    """Check whether there is nothing to read: the service, or the function in an answer of one piece, has failed.

    Nor is there in an answer that is not Lambda's.
    """
    return outcome.status >= 300 or outcome.function_error is not None or not outcome.from_lambda


def outcome_at(outcome: Outcome, piece: bytes | StreamEnd) -> Outcome:
    """Return what a stream amounts to as a call, as far as it has come."""
    if isinstance(piece, StreamEnd) and piece.error_code is not None:
        return replace(outcome, function_error=piece.error_code, payload=_report(piece), log_result=piece.log_result)
    return replace(outcome, payload=_TO_COME)


class Story:
    """How far a stream has come, for what is to be said of it if it fails."""

    def __init__(self, plan: PreparedCall, answer: Answer, now: float) -> None:
        self._plan = plan
        self._answer = answer
        self._began = now - answer.elapsed
        self._received = 0

    def note(self, piece: bytes) -> None:
        """Record a piece.

        Raises:
            ResponseError: There are more of them than Lambda streams.
        """
        if self._received + len(piece) > MAX_STREAM_BYTES:
            failure = NoAnswerError(too_long(MAX_STREAM_BYTES), progress=Progress.ANSWER_BEGUN)
            failure.request_id = self._answer.outcome.request_id
            raise self.broken(failure)
        self._received += len(piece)

    def broken(self, exc: NoAnswerError) -> CallError:
        """Report that the rest will not come."""
        return self._told(no_answer(self._plan.invocation, exc, self._plan.expected))

    def end(self, end: StreamEnd) -> None:
        """Record the end.

        Raises:
            CallError: The function has failed.
        """
        outcome = outcome_at(self._answer.outcome, end)
        error = failed_answer(self._plan.invocation, outcome, self._plan.expected)
        if error is not None:
            raise self._told(error)

    def _told(self, error: CallError) -> CallError:
        *before, last = self._answer.attempts
        error.attempts = (*before, last._replace(error=type(error).__name__))
        error.elapsed = round(clock.monotonic() - self._began, 6)
        error.received_bytes = self._received
        return error


def _report(end: StreamEnd) -> bytes:
    """Write what is said of a failure as the answer of a failed call has it."""
    import json

    details = end.error_details or ""
    try:
        said: Any = json.loads(details)
        if isinstance(said, dict):
            return json.dumps({"errorType": end.error_code, **said}).encode()
    except (ValueError, RecursionError):
        pass
    return json.dumps({"errorType": end.error_code, "errorMessage": details}).encode()


def texts(pieces: Generator[bytes, None, None], function: str) -> Generator[str, None, None]:
    """Decode pieces as UTF-8, whose characters may be cut anywhere.

    Raises:
        ResponseError: They are none.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            if text:
                yield text
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        failure = ResponseError(NOT_TEXT, function=function)
    else:
        return
    finally:
        pieces.close()
    raise failure
