"""Run the tools that build code, such as pip and npm, and tell what went wrong by the last lines of their output."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from lambdachain._core.redaction import redact_passwords
from lambdachain.local._orphan_guard import OrphanGuard, kill_group

_TIMEOUT: Final = 900.0
_POLL: Final = 0.1
_MAX_LINES: Final = 3
_ERROR: Final = re.compile(r"(?:npm )?(?:error|ERR!)|[✘\N{MULTIPLICATION SIGN}]|\S+: error", re.IGNORECASE)
# Where npm has written its log, and notes about new versions.
_NOISE: Final = re.compile(r"npm (?:error )?(?:A complete log|notice)|\[notice\]")


class Toolbox:
    """Runs tools.

    Args:
        is_stopped: Whether a signal has asked this process to stop; a tool that runs then is killed.
    """

    def __init__(self, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._is_stopped = is_stopped

    def run(self, command: Sequence[str], directory: Path, variables: Mapping[str, str] | None = None) -> None:
        """Run a tool to its end.

        Args:
            command: The command line.
            directory: Where to run it.
            variables: Environment variables besides those of this process.

        Raises:
            ValueError: It cannot be started, takes too long, was stopped or failed; the message has its last lines.
        """
        name = Path(command[0]).name if command[1:2] != ["-m"] else command[2]
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user asks for with --build
                command,
                cwd=directory,
                env={**os.environ, **(variables or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # In a process group of its own, whose children can be killed with it.
                start_new_session=True,
            )
        except OSError as exc:
            raise ValueError(f"{name} cannot be started: {exc}") from None
        # Not even a killed process leaves an installer behind.
        guard = OrphanGuard()
        guard.watch(process.pid)
        try:
            output = self._wait(process, name)
        finally:
            guard.release(process.pid)
            guard.close()
        if process.returncode != 0:
            raise ValueError(summarize_output(output) or f"{name} exits with status {process.returncode}")

    def _wait(self, process: subprocess.Popen[str], name: str) -> str:
        waited = 0.0
        while True:
            try:
                return process.communicate(timeout=_POLL)[0]
            except subprocess.TimeoutExpired:
                waited += _POLL
            if self._is_stopped() or waited > _TIMEOUT:
                kill_group(process.pid)
                process.communicate()
                reason = "was stopped" if self._is_stopped() else f"takes more than {_TIMEOUT:g} seconds"
                raise ValueError(f"{name} {reason}")


def summarize_output(output: str) -> str:
    r"""Return the last lines that say what is wrong, in one line: those of errors, or else the last ones.

    >>> summarize_output("Collecting x\nERROR: No matching distribution found for x\n")
    'ERROR: No matching distribution found for x'
    """
    lines = [line.strip() for line in output.splitlines() if line.strip() and not _NOISE.match(line.strip())]
    errors = [line for line in lines if _ERROR.match(line)]
    return redact_passwords("; ".join(dict.fromkeys((errors or lines)[-_MAX_LINES:])))
