"""A streamed response over a connection of our own: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lambdachain._core.event_stream import EventStreamError
from lambdachain._core.invocation import NoAnswerError, Outcome, Progress
from lambdachain._transports.invoke_response import read_invoke_response
from lambdachain._transports.streaming import ChunkReader, StreamEnd

from .connection import Connection
from .response import ResponseReader


class ChunkBuffer:
    """Splits a streamed response into chunks: the common part of the blocking and the asyncio stream."""

    def __init__(self, reader: ResponseReader) -> None:
        response = reader.response
        outcome = read_invoke_response(response.status, response.headers, response.body, complete=response.complete)
        self.outcome: Outcome = outcome if outcome.status >= 300 else replace(outcome, payload=b"", complete=True)
        self._reader = reader
        self._chunks = ChunkReader()

    def next_chunk(self, *, complete: bool) -> bytes | StreamEnd | None:
        """Return the next chunk, or the end; ``None`` until it has arrived.

        Raises:
            NoAnswerError: It is not an event stream, or the response is *complete* and has no end.
        """
        self._chunks.feed(self._reader.take_body())
        try:
            chunk = self._chunks.next()
        except EventStreamError as exc:
            raise self._stream_error(str(exc)) from exc
        if chunk is None and complete:
            raise self._stream_error("the event stream ended before InvokeComplete")
        return chunk

    def _stream_error(self, message: str) -> NoAnswerError:
        progress = Progress.ANSWER_BEGUN if self.outcome.from_lambda else Progress.PERHAPS_SENT
        return NoAnswerError(message, progress=progress, request_id=self.outcome.request_id)


class HttpStream:
    """A response on a blocking connection; see ``ResponseStream``.

    Args:
        connection: The connection it is received on.
        reader: The reader, which has read the headers.
        deadline: When to give up, by the monotonic clock.
        release: Takes the connection back once the response has been read to its end.
        complete: Whether the reader has read the whole response.
    """

    def __init__(
        self,
        connection: Connection,
        reader: ResponseReader,
        deadline: float,
        release: Callable[[Connection], None],
        *,
        complete: bool,
    ) -> None:
        self._connection: Connection | None = connection
        self._reader = reader
        self._complete = complete
        self._deadline = deadline
        self._release = release
        self._chunks = ChunkBuffer(reader)
        self.outcome = self._chunks.outcome

    def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            while (chunk := self._chunks.next_chunk(complete=self._complete)) is None:
                self._read_more()
            # After InvokeComplete, the rest of the body is read, too: only then can the connection be used again.
            while isinstance(chunk, StreamEnd) and not self._complete:
                self._read_more()
        except BaseException:
            self.close()
            raise
        return chunk

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._complete and self._reader.response.reusable:
            self._release(connection)
        else:
            connection.close()

    def _read_more(self) -> None:
        if self._connection is None:
            raise NoAnswerError("the stream is closed", progress=Progress.ANSWER_BEGUN)
        self._complete = self._connection.read_more(self._reader, self._deadline)
