"""A terminal in which a command runs, for tests and for the pictures of sessions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import termios
import time
from typing import Any, Final, Self

_PATIENCE: Final = 30.0


class Terminal:
    """A process with its own terminal, and everything that it has shown.

    Keys such as Ctrl-C need ``setsid`` of util-linux, by which the terminal becomes the one that controls the process.

    Args:
        arguments: The command and its arguments.
        size: The rows and columns of the terminal.
        **how: As for ``subprocess.Popen``.
    """

    def __init__(self, arguments: list[str], size: tuple[int, int] = (30, 100), **how: Any) -> None:
        self._master, slave = os.openpty()
        termios.tcsetwinsize(slave, size)
        self.shown = ""
        prefix = ["setsid", "--ctty"] if shutil.which("setsid") else []
        self.process = subprocess.Popen([*prefix, *arguments], stdin=slave, stdout=slave, stderr=slave, **how)
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def show(self, wanted: str) -> re.Match[str]:
        """Wait until some text is shown."""
        deadline = time.monotonic() + _PATIENCE
        while not (found := re.search(wanted, self.shown)):
            assert time.monotonic() < deadline, f"no {wanted} in {self.shown!r}"
            assert self._read(), f"no {wanted} in {self.shown!r}, and it has ended"
        return found

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self._master, key)

    def end(self) -> int:
        """Read to the end, and return the exit status."""
        while self._read():
            pass
        return self.process.wait(timeout=_PATIENCE)

    def close(self) -> None:
        """Clean up."""
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # nobody has it open any more
            return False
        self.shown += data.decode()
        return bool(data)
