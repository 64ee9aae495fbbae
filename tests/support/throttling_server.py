"""A server that answers each call after a while, and throttles beyond so many at once: in a thread, or a process."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OK = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: 7f3c1f6e\r\n"
    b"X-Amz-Executed-Version: $LATEST\r\nContent-Length: %d\r\n\r\n%b"
)
_THROTTLED = (
    b"HTTP/1.1 429 Too Many Requests\r\nx-amzn-ErrorType: TooManyRequestsException\r\nContent-Length: 2\r\n\r\n{}"
)


class FanOutServer:
    """Gives each payload back as the answer, after *delay* seconds; refuses whoever finds *capacity* others there."""

    def __init__(self, *, capacity: int = 1_000_000, delay: float = 0.0) -> None:
        self.capacity = capacity
        self.delay = delay
        self.seen: list[bytes] = []
        self.in_flight: list[int] = []
        self.throttled = 0
        self.connections = 0
        self.open = 0
        self.url = ""
        self._inside = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                writer.write(await self._answer(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _answer(self, body: bytes) -> bytes:
        if self._inside >= self.capacity:
            self.throttled += 1
            return _THROTTLED
        self._inside += 1
        self.in_flight.append(self._inside)
        try:
            await asyncio.sleep(self.delay)
        finally:
            self._inside -= 1
        self.seen.append(body)
        return _OK % (len(body), body)


async def _end() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def running(server: FanOutServer, tls: ssl.SSLContext | None = None) -> Iterator[FanOutServer]:
    """Run a server in a thread."""
    loop, started = asyncio.new_event_loop(), threading.Event()

    async def main() -> asyncio.Server:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=1024)
        port: Any = listening.sockets[0].getsockname()[1]
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        started.set()
        return listening

    def run() -> None:
        listening = loop.run_until_complete(main())
        loop.run_forever()
        listening.close()
        loop.run_until_complete(_end())
        loop.close()

    thread = threading.Thread(target=run, name="server", daemon=True)
    thread.start()
    assert started.wait(20)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
