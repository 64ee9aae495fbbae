"""The seam for answers that come in pieces (``InvokeWithResponseStream``): what a transport has for them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol, runtime_checkable

from lambdachain._core.event_stream import EventStreamError, EventStreamMessage, EventStreamReader
from lambdachain._core.invocation import AsyncTransport, Invocation, Outcome, Transport
from lambdachain._core.type_guards import is_mapping


class StreamEnd(NamedTuple):
    """The event ``InvokeComplete``: the function is through, or has failed.

    Attributes:
        error_code: The kind of its failure; ``None`` for a success.
        error_details: What the runtime says of it, as a rule JSON like that of a failed call.
        log_result: The log tail in base64, if the call asked for it.
    """

    error_code: str | None = None
    error_details: str | None = None
    log_result: str | None = None


class ResponseStream(Protocol):
    """An answer that is coming in.

    Attributes:
        outcome: Status and headers. An answer of 300 or more is whole; of any other, the payload is yet to be read.
    """

    outcome: Outcome

    def read(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end, after which there is nothing more to read.

        Raises:
            NoAnswerError: It does not come.
        """
        ...

    def close(self) -> None:
        """Let go of the connection; if the end was not read, it is closed."""
        ...


class AsyncResponseStream(Protocol):
    """The twin of ``ResponseStream`` for event loops."""

    outcome: Outcome

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next piece, or the end; see ``ResponseStream.read``."""
        ...

    def close(self) -> None:
        """Let go of the connection; see ``ResponseStream.close``."""
        ...


@runtime_checkable
class StreamingTransport(Protocol):
    """A ``Transport`` that can hand an answer on as it comes; any other gives the whole one at its end."""

    def open_stream(self, invocation: Invocation, /, *, timeout: float | None) -> ResponseStream:
        """Send *invocation* once and give the answer as soon as its head is there.

        Args:
            invocation: The request.
            timeout: Seconds until the stream has to be at its end; ``None`` for as long as a function may run.

        Raises:
            NoAnswerError: There is no answer; it says how far the request got.
        """
        ...


@runtime_checkable
class AsyncStreamingTransport(Protocol):
    """The twin of ``StreamingTransport`` for event loops."""

    async def open_stream(
        self,
        invocation: Invocation,
        /,
        *,
        timeout: float | None,  # noqa: ASYNC109 - as StreamingTransport
    ) -> AsyncResponseStream:
        """Send *invocation* once and give the answer as soon as its head is there; see ``StreamingTransport``."""
        ...


class WholeAnswer:
    """An answer that came in one piece, as a stream."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._pieces: list[bytes | StreamEnd] = [StreamEnd(log_result=outcome.log_result), outcome.payload]

    def read(self) -> bytes | StreamEnd:
        """Return the payload, and then the end."""
        return self._pieces.pop()

    def close(self) -> None:
        """No-op: it is here."""


class AsyncWholeAnswer:
    """The same for event loops."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._whole = WholeAnswer(outcome)

    async def read(self) -> bytes | StreamEnd:
        """Return the payload, and then the end."""
        return self._whole.read()

    def close(self) -> None:
        """No-op: it is here."""


def open_stream(transport: Transport, invocation: Invocation, timeout: float | None) -> ResponseStream:
    """Open a stream, or, where the transport has none, make one of the whole answer."""
    if isinstance(transport, StreamingTransport):
        return transport.open_stream(invocation, timeout=timeout)
    return WholeAnswer(transport.send(invocation, timeout=timeout))


async def open_async_stream(
    transport: AsyncTransport,
    invocation: Invocation,
    timeout: float | None,  # noqa: ASYNC109 - handed on
) -> AsyncResponseStream:
    """Provide the same in an event loop."""
    if isinstance(transport, AsyncStreamingTransport):
        return await transport.open_stream(invocation, timeout=timeout)
    return AsyncWholeAnswer(await transport.send(invocation, timeout=timeout))


class PieceReader:
    """Reads the pieces of an answer out of the bytes of its event stream."""

    def __init__(self) -> None:
        self._events = EventStreamReader()

    def feed(self, data: bytes) -> None:
        """Feed the next bytes."""
        self._events.feed(data)

    def next(self) -> bytes | StreamEnd | None:
        """Return the next piece; ``None`` if it is not whole yet.

        Raises:
            EventStreamError: This is no event stream, or it tells of an error of the service.
        """
        while (message := self._events.next()) is not None:
            piece = _piece(message)
            if piece is not None:
                return piece
        return None


def _piece(message: EventStreamMessage) -> bytes | StreamEnd | None:
    """Read a message; ``None`` for an event that is not known here."""
    headers = message.headers
    if headers.get(":message-type", "event") != "event":
        code = headers.get(":exception-type") or headers.get(":error-code") or "an error"
        raise EventStreamError(f"Lambda ended the stream with {code}")
    kind = headers.get(":event-type")
    if kind == "PayloadChunk":
        return message.payload
    return _end(message.payload) if kind == "InvokeComplete" else None


def _end(payload: bytes) -> StreamEnd:
    try:
        said: Any = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        raise EventStreamError("the stream's end cannot be read") from None
    if not is_mapping(said):
        raise EventStreamError("the stream's end cannot be read")
    return end_of(said)


def end_of(said: Any) -> StreamEnd:
    """Read the members of ``InvokeComplete``."""
    texts = (said.get(name) for name in ("ErrorCode", "ErrorDetails", "LogResult"))
    return StreamEnd(*(text if isinstance(text, str) and text else None for text in texts))
