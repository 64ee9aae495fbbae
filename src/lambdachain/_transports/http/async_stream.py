"""A streamed response for a coroutine: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from lambdachain._core.invocation import NoAnswerError, Progress
from lambdachain._transports.streaming import StreamEnd

from .async_connection import AsyncConnection
from .async_pool import AsyncPool
from .connection import translating
from .response import ResponseReader
from .stream import Pieces


class AsyncHttpStream:
    """A response on a connection that a loop watches; see ``AsyncResponseStream``.

    Args:
        connection: The connection it is received on.
        reader: The reader, which has read the headers.
        deadline: When to give up, by the monotonic clock.
        pool: Takes the connection back once the response has been read to its end, and lets the next call start.
        whole: Whether the reader has read the whole response.
    """

    def __init__(
        self, connection: AsyncConnection, reader: ResponseReader, deadline: float, pool: AsyncPool, *, whole: bool
    ) -> None:
        self._connection: AsyncConnection | None = connection
        self._reader = reader
        self._whole = whole
        self._deadline = deadline
        self._pool = pool
        self._pieces = Pieces(reader)
        self.outcome = self._pieces.outcome

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            while (piece := self._pieces.take(whole=self._whole)) is None:
                await self._read_on()
            while isinstance(piece, StreamEnd) and not self._whole:
                await self._read_on()
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
            self._pool.release(connection)
        else:
            connection.close()
        self._pool.leave()

    async def _read_on(self) -> None:
        if self._connection is None:
            raise NoAnswerError("the stream is closed", progress=Progress.ANSWER_BEGUN)
        with translating(self._deadline):
            self._whole = await self._connection.read_on(self._reader, self._deadline)
