"""The interface of streamed responses (``InvokeWithResponseStream``): chunks, read as fast as the consumer reads.

Backpressure: nothing is read from the connection before the consumer asks for it, so that a slow consumer slows the
function down, and no more than a read's worth of a response is in memory.
"""

import json
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lambdachain._core.event_stream import EventStreamError, EventStreamMessage, EventStreamReader
from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport
from lambdachain._core.type_guards import is_mapping


class StreamEnd(NamedTuple):
    """The event ``InvokeComplete``: the function is done, or has failed.

    Attributes:
        error_code: The kind of its error; ``None`` for a success.
        error_details: The runtime's report of the error, usually JSON like that of a failed call.
        log_result: The log tail in base64, if the call asked for it.
    """

    error_code: str | None = None
    error_details: str | None = None
    log_result: str | None = None


class ResponseStream(Protocol):
    """A response that is being received.

    Attributes:
        outcome: Status and headers. A response of 300 or more is whole; of any other, the payload is yet to be read.
    """

    outcome: Outcome

    def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end, after which there is nothing more to read.

        Raises:
            NoAnswerError: The response broke off.
        """
        ...

    def close(self) -> None:
        """Release the connection; if the end was not read, close it."""
        ...


class AsyncResponseStream(Protocol):
    """The same as ``ResponseStream``, for event loops."""

    outcome: Outcome

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        ...

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        ...


@runtime_checkable
class StreamingTransport(Transport, Protocol):
    """A ``Transport`` that can stream a response; with any other, the response is read as a whole."""

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and return the response as soon as its headers have arrived.

        Args:
            invocation: The request.
            timeout: Seconds until the end of the stream; ``None`` for as long as a function may run.

        Raises:
            NoAnswerError: There is no response; the error says how far the request got.
        """
        ...


@runtime_checkable
class AsyncStreamingTransport(AsyncTransport, Protocol):
    """The same as ``StreamingTransport``, for event loops."""

    async def open_stream(
        self,
        invocation: Invocation,
        /,
        *,
        timeout: float | None,  # noqa: ASYNC109 - as StreamingTransport
    ) -> AsyncResponseStream:
        """Send *invocation* once and return the response when its headers have arrived; see ``StreamingTransport``."""
        ...


class BufferedStream:
    """A response that was received as a whole, as a stream."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._parts: list[bytes | StreamEnd] = [StreamEnd(log_result=outcome.log_result), outcome.payload]

    def read(self) -> bytes | StreamEnd:
        """Return the payload, and then the end."""
        return self._parts.pop()

    def close(self) -> None:
        """No-op: it holds no connection."""


class AsyncBufferedStream:
    """The same as ``BufferedStream``, for event loops."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._whole = BufferedStream(outcome)

    async def read(self) -> bytes | StreamEnd:
        """Return the payload, and then the end."""
        return self._whole.read()

    def close(self) -> None:
        """No-op: it holds no connection."""


def open_stream(transport: Transport, invocation: Invocation, timeout: float | None) -> ResponseStream:
    """Open a stream; if the transport cannot stream, receive the whole response first."""
    if isinstance(transport, StreamingTransport):
        return transport.open_stream(invocation, timeout=timeout)
    return BufferedStream(transport.send(invocation, timeout=timeout))


async def open_async_stream(
    transport: AsyncTransport,
    invocation: Invocation,
    timeout: float | None,  # noqa: ASYNC109 - passed on
) -> AsyncResponseStream:
    """Open a stream in an event loop; see ``open_stream``."""
    if isinstance(transport, AsyncStreamingTransport):
        return await transport.open_stream(invocation, timeout=timeout)
    return AsyncBufferedStream(await transport.send(invocation, timeout=timeout))


class ChunkReader:
    """Parses the chunks of a response from the bytes of its event stream."""

    def __init__(self) -> None:
        self._events = EventStreamReader()

    def feed(self, data: bytes) -> None:
        """Append the bytes that arrived next."""
        self._events.feed(data)

    def next(self) -> bytes | StreamEnd | None:
        """Return the next chunk or the end; ``None`` until it is complete.

        Raises:
            EventStreamError: The bytes are not an event stream, or they report an error of the service.
        """
        while (message := self._events.next()) is not None:
            chunk = _parse_event(message)
            if chunk is not None:
                return chunk
        return None


def _parse_event(message: EventStreamMessage) -> bytes | StreamEnd | None:
    """Convert a message; ``None`` for an unknown type of event, which a newer Lambda may send."""
    headers = message.headers
    # "exception" and "error" are the other types; both end the stream.
    if headers.get(":message-type", "event") != "event":
        code = headers.get(":exception-type") or headers.get(":error-code") or "an error"
        raise EventStreamError(f"Lambda ended the stream with {code}")
    kind = headers.get(":event-type")
    if kind == "PayloadChunk":
        return message.payload
    return _parse_end(message.payload) if kind == "InvokeComplete" else None


def _parse_end(payload: bytes) -> StreamEnd:
    try:
        members: Any = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        raise EventStreamError("the event InvokeComplete cannot be parsed") from None
    if not is_mapping(members):
        raise EventStreamError("the event InvokeComplete cannot be parsed")
    return parse_invoke_complete(members)


def parse_invoke_complete(members: Any) -> StreamEnd:
    """Convert the members of ``InvokeComplete``."""
    texts = (members.get(name) for name in ("ErrorCode", "ErrorDetails", "LogResult"))
    return StreamEnd(*(text if isinstance(text, str) and text else None for text in texts))


for _public in (AsyncResponseStream, AsyncStreamingTransport, ResponseStream, StreamEnd, StreamingTransport):
    _public.__module__ = "lambdachain"
