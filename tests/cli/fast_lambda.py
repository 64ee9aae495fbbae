"""A throttling server in a process of its own, for maps that are killed; it records each payload and obeys it.

Arguments: a file to record payloads in, the maximum duration of a call in seconds, and the concurrency limit. It
prints its port, and exits at the end of its standard input. ``{"do": "fail"}`` makes the function fail, ``cut`` closes
the connection, ``deny`` is rejected, ``wait`` takes a minute, ``wait once`` only when it is received first.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Final

from tests.support.responses import http_response
from tests.support.throttling_server import ThrottlingServer

VERSION: Final = {"X-Amz-Executed-Version": "3"}
FAILED: Final = http_response(
    "200 OK",
    b'{"errorType":"ValueError","errorMessage":"on purpose"}',
    {**VERSION, "X-Amz-Function-Error": "Unhandled"},
)
DENIED: Final = http_response(
    "403 Forbidden",
    b'{"Message":"User is not authorized to perform: lambda:InvokeFunction"}',
    {"x-amzn-ErrorType": "AccessDeniedException"},
)


class ObedientServer(ThrottlingServer):
    """Records each payload before it runs, and does what the payload says."""

    def __init__(self, notes: Path, longest: float, capacity: int) -> None:
        super().__init__(capacity=capacity)
        # Unbuffered: the tests read the file while the server runs.
        self._notes = notes.open("ab", buffering=0)
        self._longest = longest
        self._received: set[bytes] = set()

    async def invoke(self, body: bytes) -> bytes | None:
        self._notes.write(body + b"\n")
        payload = json.loads(body)
        action = payload.get("do") if isinstance(payload, dict) else None
        if action == "cut":
            return None
        waits = action == "wait" or (action == "wait once" and body not in self._received)
        self._received.add(body)
        await asyncio.sleep(60 if waits else self._longest * random.random())
        if action in ("fail", "deny"):
            return FAILED if action == "fail" else DENIED
        return http_response("200 OK", b'{"got":%s}' % body, VERSION)


async def main() -> None:
    """Serve until standard input ends."""
    server = ObedientServer(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
