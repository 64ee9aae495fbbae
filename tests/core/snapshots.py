"""What a process does when Lambda takes its SnapStart snapshot."""

from __future__ import annotations

import os
import subprocess
import sys

FORGET = "for forget, given, named in snapshot_restore_py.get_before_snapshot(): forget(*given, **named)\n"
"""The moment before the snapshot, in a program that ``printed_around_snapshot`` runs."""


def printed_around_snapshot(program: str) -> str:
    """Run a program as a function with SnapStart, and return what it prints."""
    environment = {**os.environ, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    command = [sys.executable, "-c", f"import snapshot_restore_py\n{program}"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return ran.stdout.strip()
