"""A server in Lambda's place with a concurrency limit: for maps, which hold hundreds of connections at a time.

It serves all of them from one event loop. The laboratory has a thread for each connection: it can misbehave in more
ways, but with so many threads a test would measure the server instead of the map.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Final, Self

from tests.support.responses import http_response

_VERSION: Final = {"X-Amz-Executed-Version": "$LATEST"}
_THROTTLED: Final = http_response(
    "429 Too Many Requests",
    b'{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}',
    {"x-amzn-ErrorType": "TooManyRequestsException"},
)


class ThrottlingServer:
    """Returns each payload as the response after *delay* seconds; throttles beyond *capacity* concurrent requests."""

    def __init__(self, *, capacity: int = 1_000_000, delay: float = 0.0) -> None:
        self.capacity = capacity
        self.delay = delay
        self.seen: list[bytes] = []
        self.in_flight: list[int] = []
        self.throttled = 0
        self.connections = 0
        self.url = ""
        self._running = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                response = await self.respond(head, await reader.readexactly(length))
                if response is None:
                    return
                writer.write(response)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def respond(self, head: bytes, body: bytes) -> bytes | None:
        """Return the response to a request; ``None`` closes the connection."""
        if self._running >= self.capacity:
            # Lambda throttles immediately and queues nothing.
            self.throttled += 1
            return _THROTTLED
        self._running += 1
        self.in_flight.append(self._running)
        try:
            return await self.invoke(body)
        finally:
            self._running -= 1

    async def invoke(self, body: bytes) -> bytes | None:
        """Run the function."""
        await asyncio.sleep(self.delay)
        self.seen.append(body)
        return http_response("200 OK", body, _VERSION)

    def __enter__(self) -> Self:
        """Run the server in a thread."""
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="server", daemon=True)
        self._thread.start()
        assert started.wait(20)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self, started: threading.Event) -> None:
        self._loop = asyncio.new_event_loop()
        listening = self._loop.run_until_complete(asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024))
        self.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        started.set()
        self._loop.run_forever()
        listening.close()
        self._loop.run_until_complete(_cancel_all_tasks())
        self._loop.close()


async def _cancel_all_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
