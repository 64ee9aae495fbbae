"""A response of ``InvokeWithResponseStream`` over boto3: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome, Trouble
from lambdachain._core.loopback import get_host
from lambdachain._transports.streaming import BufferedStream, StreamEnd, parse_invoke_complete
from lambdachain._transports.transport_override import network_guard

from .errors import translate_stream_error
from .exchange import Exchange, is_watched, send_request
from .serialization import get_progress, read_response


def open_stream(
    client: Any, invocation: Invocation, timeout: float | None, keys: Any, note: Callable[[Outcome, Exchange], Outcome]
) -> BotoStream | BufferedStream:
    """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
    # Not the context manager exchange(): the deadline holds until the stream's end, which finish() records.
    watched = Exchange(invocation.function, timeout, keys)
    try:
        with watched.sending():
            response = send_request(client, "invoke_with_response_stream", invocation)
    except NoAnswerError as exc:
        watched.abandon()
        watched.finish()
        # In a test without credentials, the guard's error is of more help than this one.
        if exc.trouble is Trouble.CREDENTIALS:
            network_guard.check(invocation.function, get_host(str(client.meta.endpoint_url)))
        raise watched.correct(exc) from exc.__cause__
    except BaseException:
        watched.abandon()
        watched.finish()
        raise
    if isinstance(response, Outcome):
        watched.finish()
        return BufferedStream(note(response, watched))
    has_connection = watched.has_sent or not is_watched(client)
    if response.get("EventStream") is None:
        watched.finish()
        return BufferedStream(read_response(response, b"", over_network=has_connection))
    return BotoStream(response, watched, has_connection=has_connection)


class BotoStream:
    """A response that botocore is reading; see ``ResponseStream``."""

    def __init__(self, response: dict[str, Any], watched: Exchange, *, has_connection: bool) -> None:
        self._response = response
        self.outcome = read_response(response, None, over_network=has_connection)
        self._body: Any = response["EventStream"]
        self._events: Iterator[Any] = iter(self._body)
        self._watched = watched

    def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            piece = self._next()
            if isinstance(piece, StreamEnd):
                self.close()
        except NoAnswerError as exc:
            self.close()
            raise self._watched.correct(exc) from exc.__cause__
        except BaseException:
            self.close()
            raise
        return piece

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        self._body.close()
        self._watched.finish()

    def _next(self) -> bytes | StreamEnd:
        found: bytes | StreamEnd | None = None
        progress = get_progress(self._response)
        try:
            for event in self._events:
                found = found or piece_in(event)
                if isinstance(found, bytes):  # after the end, the rest of the body is read, to reuse the connection
                    return found
        except Exception as exc:  # noqa: BLE001 - what is not botocore's is raised unchanged
            failure = translate_stream_error(exc, progress=progress)
            failure.request_id = self.outcome.request_id
            raise failure from failure.__cause__
        if found is None:
            raise NoAnswerError(
                "the event stream ended before InvokeComplete", progress=progress, request_id=self.outcome.request_id
            )
        return found


def piece_in(event: dict[str, Any]) -> bytes | StreamEnd | None:
    """Convert an event; ``None`` for an unknown type of event, which a newer Lambda may send."""
    if "PayloadChunk" in event:
        return bytes(event["PayloadChunk"].get("Payload", b""))
    return parse_invoke_complete(event["InvokeComplete"]) if "InvokeComplete" in event else None
