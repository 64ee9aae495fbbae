"""An answer that is handed on as it comes in."""

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
    """The pieces of an answer that is read into *reader*: what a blocking and an asyncio stream have in common."""

    def __init__(self, reader: ResponseReader) -> None:
        response = reader.response
        outcome = read_invoke_response(response.status, response.headers, response.body, complete=response.complete)
        self.outcome: Outcome = outcome if outcome.status >= 300 else replace(outcome, payload=b"", complete=True)
        self._reader = reader
        self._pieces = PieceReader()

    def take(self, *, whole: bool) -> bytes | StreamEnd | None:
        """Return the next piece; ``None`` if it has not come in yet.

        Raises:
            NoAnswerError: What comes is no event stream, or it is *whole* and has no end.
        """
        self._pieces.feed(self._reader.taken())
        try:
            piece = self._pieces.next()
        except EventStreamError as exc:
            raise self._broken(str(exc)) from exc
        if piece is None and whole:
            raise self._broken("the stream broke off")
        return piece

    def _broken(self, message: str) -> NoAnswerError:
        progress = Progress.ANSWER_BEGUN if self.outcome.from_lambda else Progress.PERHAPS_SENT
        return NoAnswerError(message, progress=progress, request_id=self.outcome.request_id)


class HttpStream:
    """An answer on a connection that blocks; see ``ResponseStream``.

    Args:
        connection: Where it comes in.
        reader: What has read its head.
        whole: Whether it has read all of it.
        deadline: When to give up, by the monotonic clock.
        give_back: Takes the connection back once the answer is read to its end.
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
        """Wait for the next piece, or the end; see ``ResponseStream.read``."""
        try:
            while (piece := self._pieces.take(whole=self._whole)) is None:
                self._read_on()
            while isinstance(piece, StreamEnd) and not self._whole:
                self._read_on()
        except BaseException:
            self.close()
            raise
        return piece

    def close(self) -> None:
        """Let go of the connection; see ``ResponseStream.close``."""
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
