"""A response of ``InvokeWithResponseStream`` over aiobotocore: read as fast as the consumer reads (backpressure)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from lambdachain._core.invocation import Invocation, NoAnswerError, Outcome
from lambdachain._transports.streaming import AsyncBufferedStream, StreamEnd

from .async_exchange import AsyncExchange
from .serialization import get_progress, read_response, to_parameters
from .stream import piece_in


async def open_stream(
    client: Any, invocation: Invocation, exchange: AsyncExchange
) -> AsyncBotoStream | AsyncBufferedStream:
    """Send *invocation* once and return the response as a stream; see ``StreamingTransport.open_stream``."""
    response = await exchange.send(client, "invoke_with_response_stream", to_parameters(invocation))
    if isinstance(response, Outcome):
        return AsyncBufferedStream(response)
    if response.get("EventStream") is None:
        return AsyncBufferedStream(read_response(response, b"", over_network=exchange.has_connection))
    return AsyncBotoStream(response, exchange)


class AsyncBotoStream:
    """A response that aiobotocore is reading; see ``AsyncResponseStream``."""

    def __init__(self, response: dict[str, Any], exchange: AsyncExchange) -> None:
        self._progress = get_progress(response)
        self.outcome = read_response(response, None, over_network=exchange.has_connection)
        self._body: Any = response["EventStream"]
        self._events: AsyncIterator[Any] = aiter(self._body)
        self._exchange = exchange

    async def read(self) -> bytes | StreamEnd:
        """Wait for the next chunk, or for the end; see ``ResponseStream.read``."""
        try:
            async with self._exchange.limit_time():
                piece = await self._next()
        except BaseException:
            self.close()
            raise
        if isinstance(piece, StreamEnd):
            self.close()
        return piece

    def close(self) -> None:
        """Release the connection; see ``ResponseStream.close``."""
        self._body.close()

    async def _next(self) -> bytes | StreamEnd:
        found: bytes | StreamEnd | None = None
        with self._exchange.translate_errors():
            async for event in self._events:
                found = found or piece_in(event)
                if isinstance(found, bytes):  # after the end, the rest of the body is read, to reuse the connection
                    return found
        if found is None:
            raise NoAnswerError(
                "the event stream ended before InvokeComplete",
                progress=self._progress,
                request_id=self.outcome.request_id,
            )
        return found
