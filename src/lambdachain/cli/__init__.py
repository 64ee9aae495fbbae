"""The command ``lambdachain``: its commands are listed in ``_commands``, each with a module or a package here.

Options and arguments that commands share are in ``_target_options``, ``_target_argument`` and ``_code_options``; what
ends a command is in ``_exit_status``.
"""

from __future__ import annotations

import io
import os
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command and exit with its status."""
    if find_spec("click") is None:
        sys.exit("lambdachain: click is not installed: pip install 'lambdachain[local]'")
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _replace_closed_streams()
    try:
        from ._commands import run

        sys.exit(run())
    except KeyboardInterrupt:  # before a command starts or after it ends
        sys.exit(130)


def _replace_closed_streams() -> None:
    """Open what the shell has closed, as with ``>&-``, so that no file of a command gets the descriptor of a stream.

    Reading standard input and writing standard output then fail as for any program; error messages are lost.
    """
    for name, mode, flags in (("stdin", "r", os.O_WRONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY)):
        if getattr(sys, name) is None:
            raw = io.FileIO(os.open(os.devnull, flags), mode)  # the lowest free descriptor: that of the stream
            raw.name = f"<{name}>"
            buffer = io.BufferedReader(raw) if mode == "r" else io.BufferedWriter(raw)
            setattr(sys, name, io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace"))
