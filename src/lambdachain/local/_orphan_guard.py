"""A watchdog process that kills the sandboxes of an endpoint that has ended, even if the endpoint was killed.

The endpoint writes every process group that it starts and ends to a pipe. When the pipe closes, for any reason, the
watchdog kills the groups that are left and exits. It runs this file as a script, so the file imports nothing of ours.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Final, TextIO

_LOGGER: Final = logging.getLogger("lambdachain.local")


class OrphanGuard:
    """The endpoint's side of the watchdog process."""

    def __init__(self) -> None:
        """Start the watchdog, in its own session: a signal to the endpoint's process group must not reach it."""
        read_end, self._pipe = os.pipe()
        try:
            # -I -S: without site-packages it starts fast, and nothing in the user's environment can break it.
            self._watcher = subprocess.Popen(  # noqa: S603 - runs this file
                [sys.executable, "-I", "-S", __file__],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(read_end)

    def watch(self, group: int) -> None:
        """Register process group *group* to be killed when this process ends."""
        self._send(f"+{group}\n")

    def release(self, group: int) -> None:
        """Unregister process group *group*, which has ended."""
        self._send(f"-{group}\n")

    def close(self) -> None:
        """Stop the watchdog, which kills the groups that were not released."""
        os.close(self._pipe)
        self._watcher.wait()

    def _send(self, line: str) -> None:
        try:
            os.write(self._pipe, line.encode())
        except BrokenPipeError:
            _LOGGER.warning(
                "the watchdog process has died: if this endpoint is killed, processes of its functions may keep running"
            )


def kill_group(group: int) -> None:
    """Kill every process that is left in *group*."""
    # PermissionError: macOS forbids signals to a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _watch(lines: TextIO) -> None:
    groups: set[int] = set()
    for line in lines:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    _watch(sys.stdin)
