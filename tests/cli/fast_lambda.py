"""A fast fake Lambda for maps of many lines: a server in one thread that records each payload and follows its command.

Arguments: a file to record payloads in, the maximum seconds that a call takes, and the concurrency above which it
throttles. It prints its port, and ends when its standard input does. ``{"do": "fail"}`` fails, ``cut`` closes the
connection, ``deny`` is refused, ``wait`` takes a minute.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path

FAILURE = b'{"errorType":"ValueError","errorMessage":"on purpose"}'
THROTTLE = b'{"Reason":"ConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}'
RUNNING: list[bytes] = []
DENIAL = b'{"Message":"User is not authorized to perform: lambda:InvokeFunction"}'


def answer(status: bytes, body: bytes, *headers: bytes) -> bytes:
    """Send a response."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: application/json", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"x-amzn-RequestId: 8f5e2c1a", b"", body])


def answer_to(payload: object, body: bytes) -> bytes:
    """Follow the instruction in a payload; without one, return the payload."""
    asked = payload.get("do") if isinstance(payload, dict) else None
    if asked == "fail":
        return answer(b"200 OK", FAILURE, b"X-Amz-Executed-Version: 3", b"X-Amz-Function-Error: Unhandled")
    if asked == "deny":
        return answer(b"403 Forbidden", DENIAL, b"x-amzn-ErrorType: AccessDeniedException")
    return answer(b"200 OK", b'{"got":%s}' % body, b"X-Amz-Executed-Version: 3")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
            if len(RUNNING) >= ROOM:
                writer.write(answer(b"429 Too Many Requests", THROTTLE, b"x-amzn-ErrorType: TooManyRequestsException"))
                await writer.drain()
                continue
            NOTES.write(body + b"\n")
            payload = json.loads(body)
            asked = payload.get("do") if isinstance(payload, dict) else None
            if asked == "cut":
                return
            RUNNING.append(body)
            await asyncio.sleep(60 if asked == "wait" else MOST * random.random())
            RUNNING.pop()
            writer.write(answer_to(payload, body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        return
    finally:
        writer.close()


async def main() -> None:
    """Serve until standard input ends."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    NOTES = Path(sys.argv[1]).open("ab", buffering=0)  # noqa: SIM115 - as long as the process lives
    MOST, ROOM = float(sys.argv[2]), int(sys.argv[3])
    asyncio.run(main())
