"""An answer of ``InvokeWithResponseStream`` over boto3, handed on as it comes in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from lambdachain._invocation import Invocation, NoAnswerError, Outcome, Progress, Trouble
from lambdachain._loopback import host_of
from lambdachain._stand_in import guard
from lambdachain._streaming import StreamEnd, WholeAnswer, end_of

from .errors import READ_ERRORS, translated
from .exchange import Exchange, response_of
from .shapes import answered


def open_stream(client: Any, invocation: Invocation, timeout: float | None) -> BotoStream | WholeAnswer:
    """Send *invocation* once and give the answer as it comes; see ``StreamingTransport.open_stream``."""
    watched = Exchange(invocation.function, timeout)
    try:
        with watched.sending():
            response = response_of(client, "invoke_with_response_stream", invocation)
    except NoAnswerError as exc:
        watched.finish()
        if exc.trouble is Trouble.CREDENTIALS:
            guard.check(invocation.function, host_of(str(client.meta.endpoint_url)))
        raise watched.corrected(exc) from exc.__cause__
    except BaseException:
        watched.finish()
        raise
    if isinstance(response, Outcome):
        watched.finish()
        return WholeAnswer(response)
    return BotoStream(response, watched)


class BotoStream:
    """An answer that botocore is reading; see ``ResponseStream``."""

    def __init__(self, response: dict[str, Any], watched: Exchange) -> None:
        self.outcome = answered(response, b"")
        self._body: Any = response["EventStream"]
        self._events: Iterator[Any] = iter(self._body)
        self._watched = watched

    def read(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end; see ``ResponseStream.read``."""
        try:
            piece = self._next()
            if isinstance(piece, StreamEnd):
                for _ in self._events:  # to the end of the body, so that the connection is free again
                    pass
                self.close()
        except NoAnswerError as exc:
            self.close()
            raise self._watched.corrected(exc) from exc.__cause__
        except BaseException:
            self.close()
            raise
        return piece

    def close(self) -> None:
        """Let go of the connection; see ``ResponseStream.close``."""
        self._body.close()
        self._watched.finish()

    def _next(self) -> bytes | StreamEnd:
        try:
            for event in self._events:
                piece = piece_in(event)
                if piece is not None:
                    return piece
        except (*READ_ERRORS(), *STREAM_ERRORS()) as exc:
            raise broken(exc, self.outcome) from exc
        raise NoAnswerError("the stream broke off", progress=Progress.ANSWER_BEGUN, request_id=self.outcome.request_id)


def piece_in(event: dict[str, Any]) -> bytes | StreamEnd | None:
    """Read an event; ``None`` for one that is not known here."""
    if "PayloadChunk" in event:
        return bytes(event["PayloadChunk"].get("Payload", b""))
    return end_of(event["InvokeComplete"]) if "InvokeComplete" in event else None


@cache
def STREAM_ERRORS() -> tuple[type[Exception], ...]:  # noqa: N802 - a constant, but for the import it needs
    """List what botocore raises of an event stream that is none, or tells of an error of the service."""
    from botocore.eventstream import ParserError
    from botocore.exceptions import EventStreamError
    from botocore.parsers import ResponseParserError

    return (ParserError, EventStreamError, ResponseParserError)


def broken(exc: Exception, outcome: Outcome) -> NoAnswerError:
    """Say what it means that the rest of a stream does not come."""
    from botocore.exceptions import ClientError

    if isinstance(exc, ClientError):
        code = exc.response.get("Error", {}).get("Code", "an error")
        failure = NoAnswerError(f"Lambda ended the stream with {code}", progress=Progress.ANSWER_BEGUN)
    else:
        failure = translated(exc, progress=Progress.ANSWER_BEGUN)
    failure.request_id = outcome.request_id
    return failure
