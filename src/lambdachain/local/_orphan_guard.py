"""No sandbox outlives its endpoint, not even when the endpoint is killed: a watching process sees to it.

The endpoint tells the watcher, through a pipe, of every process group that it starts and ends. When the pipe closes,
for whatever reason, the watcher kills the groups that are left and ends itself. It runs this very file, alone.
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
    """The endpoint's side of the watching process."""

    def __init__(self) -> None:
        """Start the watcher, in a session of its own: what ends the endpoint's must not end it too."""
        read_end, self._pipe = os.pipe()
        try:
            self._watcher = subprocess.Popen(  # noqa: S603 - runs this file
                [sys.executable, "-I", "-S", __file__],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(read_end)

    def watch(self, group: int) -> None:
        """Have process group *group* killed when this process ends."""
        self._tell(f"+{group}\n")

    def release(self, group: int) -> None:
        """Forget process group *group*: it has ended."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the watcher; it kills the groups that were not released."""
        os.close(self._pipe)
        self._watcher.wait()

    def _tell(self, line: str) -> None:
        try:
            os.write(self._pipe, line.encode())
        except BrokenPipeError:
            _LOGGER.warning("the process that guards against orphans has died; sandboxes may outlive a killed endpoint")


def kill_group(group: int) -> None:
    """Kill every process of *group* that is left."""
    # macOS forbids signals to a group of zombies.
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
