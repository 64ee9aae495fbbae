"""The output of a sandbox: read continuously, logged line by line, its end kept for the log tail."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from typing import Final

from lambdachain._lambda_api.limits import MAX_LOG_TAIL

_LOGGER: Final = logging.getLogger("lambdachain.local")
_CHUNK: Final = 65_536
# awslambdaric writes a traceback as one line, with \r between its lines; Lambda's log has the lines separated.
_ERROR_LINE: Final = re.compile(rb"^\[ERROR\][^\n]*", re.MULTILINE)


class SandboxOutput:
    """The pipe of a sandbox's standard output and error.

    A sandbox writes before it reports its response, so `drain` after the response reads everything it printed.
    """

    def __init__(self, function: str) -> None:
        self._function = function
        self._tail = bytearray()
        self._line = bytearray()
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        asyncio.get_running_loop().add_reader(self._read_end, self.drain)

    def drain(self) -> None:
        """Read what is in the pipe now."""
        if self._read_end == -1:
            return
        try:
            while chunk := os.read(self._read_end, _CHUNK):
                self._append_to_tail(chunk)
                self._log_lines(chunk)
        except BlockingIOError:
            return
        asyncio.get_running_loop().remove_reader(self._read_end)

    def append_platform_line(self, line: str) -> None:
        """Append a line of the platform, such as START or REPORT, to the tail, after everything printed so far."""
        self.drain()
        self._append_to_tail(line.encode())

    def take_tail(self) -> bytes:
        """Return the last 4 KB of output since the previous call, and clear the tail."""
        tail = _ERROR_LINE.sub(lambda match: _unfold(match[0]), self._tail)
        self._tail.clear()
        return tail

    def close_write_end(self) -> None:
        """Close this process's copy of the write end, so that the pipe ends when the sandbox does."""
        os.close(self.write_end)

    def close(self) -> None:
        """Read what is left and close the pipe; the tail stays available."""
        if self._read_end == -1:
            return
        self.drain()
        self._log_lines(b"\n" if self._line else b"")
        asyncio.get_running_loop().remove_reader(self._read_end)
        os.close(self._read_end)
        self._read_end = -1

    def _append_to_tail(self, chunk: bytes) -> None:
        self._tail += chunk
        del self._tail[:-MAX_LOG_TAIL]

    def _log_lines(self, chunk: bytes) -> None:
        if not _LOGGER.isEnabledFor(logging.INFO):
            return
        *lines, rest = (bytes(self._line) + chunk).split(b"\n")
        # A line without an end must not fill the memory.
        if len(rest) > _CHUNK:
            lines.append(rest)
            rest = b""
        self._line = bytearray(rest)
        for line in lines:
            _LOGGER.info("%s: %s", self._function, _unfold(line).decode(errors="replace"))


def _unfold(line: bytes) -> bytes:
    return line.replace(b"\r", b"\n") if line.startswith(b"[ERROR]") else line
