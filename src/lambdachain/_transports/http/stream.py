"""A streamed response over a connection of our own: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lambdachain._core.event_stream import EventStreamError
from lambdachain._core.invocation import NoAnswerError, Outcome, Progress
from lambdachain._transports.invoke_response import read_invoke_response
from lambdachain._transports.streaming import PieceReader, StreamEnd

from .connection import Connection, translating
from .response import ResponseReader


class Pieces:
    """Splits a streamed response into chunks: the common part of the blocking and the asyncio stream."""

    def __init__(self, reader: ResponseReader) -> None:
        response = reader.response
        outcome = read_invoke_response(response.status, response.headers, response.body, complete=response.complete)
        self.outcome: Outcome = outcome if outcome.status >= 300 else replace(outcome, payload=b"", complete=True)
        self._reader = reader
        self._pieces = PieceReader()

    def take(self, *, whole: bool) -> bytes | StreamEnd | None:
        """Return the next chunk, or the end; ``None`` until it has arrived.

        Raises:
            NoAnswerError: It is not an event stream, or the response is complete (*whole*) and has no end.
        """
        self._pieces.feed(self._reader.taken())
        try:
            piece = self._pieces.next()
        except EventStreamError as exc:
            raise self._broken(str(exc)) from exc
        if piece is None and whole:
            raise self._broken("the event stream ended before InvokeComplete")
        return piece

    def _broken(self, message: str) -> NoAnswerError:
        progress = Progress.ANSWER_BEGUN if self.outcome.from_lambda else Progress.PERHAPS_SENT
        return NoAnswerError(message, progress=progress, request_id=self.outcome.request_id)


class HttpStream:
    """A response on a blocking connection; see ``ResponseStream``.

    Args:
        connection: The connection it is received on.
        reader: The reader, which has read the headers.
        deadline: When to give up, by the monotonic clock.
        release: Takes the connection back once the response has been read to its end.
        whole: Whether the reader has read the whole response.
    """

    def __init__(
        self,
        connection: Connection,
        reader: ResponseReader,
        deadline: float,
        release: Callable[[Connection], None],
        *,
        whole: bool,
    ) -> None:
        self._connection: Connection | None = connection
        self._reader = reader
        self._whole = whole
        self._deadline = deadline
        self._give_back = release
        self._pieces = Pieces(reader)
        self.outcome = self._pieces.outcome

    def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            while (piece := self._pieces.take(whole=self._whole)) is None:
                self._read_on()
            # After InvokeComplete, the rest of the body is read, too: only then can the connection be used again.
            while isinstance(piece, StreamEnd) and not self._whole:
                self._read_on()
        except BaseException:
            self.close()
            raise
        return piece

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._whole and self._reader.response.reusable:
            self._give_back(connection)
        else:
            connection.close()

    def _read_on(self) -> None:
        if self._connection is None:
            raise NoAnswerError("the stream is closed", progress=Progress.ANSWER_BEGUN)
        with translating(self._deadline):
            self._whole = self._connection.read_on(self._reader, self._deadline)
