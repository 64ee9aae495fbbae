"""A streamed response for a coroutine: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from lambdachain._core.invocation import NoAnswerError, Progress
from lambdachain._transports.streaming import StreamEnd

from .async_connection import AsyncConnection
from .async_pool import AsyncPool
from .response import ResponseReader
from .stream import ChunkBuffer


class AsyncHttpStream:
    """A response on a connection that a loop watches; see ``AsyncResponseStream``.

    Args:
        connection: The connection it is received on.
        reader: The reader, which has read the headers.
        deadline: When to give up, by the monotonic clock.
        pool: Takes the connection back once the response has been read to its end, and lets the next call start.
        complete: Whether the reader has read the whole response.
    """

    def __init__(
        self, connection: AsyncConnection, reader: ResponseReader, deadline: float, pool: AsyncPool, *, complete: bool
    ) -> None:
        self._connection: AsyncConnection | None = connection
        self._reader = reader
        self._complete = complete
        self._deadline = deadline
        self._pool = pool
        self._chunks = ChunkBuffer(reader)
        self.outcome = self._chunks.outcome

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            while (chunk := self._chunks.next_chunk(complete=self._complete)) is None:
                await self._read_more()
            while isinstance(chunk, StreamEnd) and not self._complete:
                await self._read_more()
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
            self._pool.release(connection)
        else:
            connection.close()
        self._pool.release_slot()

    async def _read_more(self) -> None:
        if self._connection is None:
            raise NoAnswerError("the stream is closed", progress=Progress.ANSWER_BEGUN)
        self._complete = await self._connection.read_more(self._reader, self._deadline)
