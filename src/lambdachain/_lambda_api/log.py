"""The lines that the platform writes to a function's log."""

from __future__ import annotations

import math


def start(request_id: str, version: str) -> str:
    """Format the first line of an invocation's log."""
    return f"START RequestId: {request_id} Version: {version}\n"


def report(request_id: str, elapsed: float, memory: int, used: int | None, init: float | None) -> str:
    """Format the last lines of an invocation's log; *elapsed* and *init* in seconds, *memory* and *used* in MB."""
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {elapsed * 1000:.2f} ms",
        f"Billed Duration: {math.ceil(elapsed * 1000)} ms",
        f"Memory Size: {memory} MB",
    ]
    if used is not None:
        fields.append(f"Max Memory Used: {used} MB")
    if init is not None:
        fields.append(f"Init Duration: {init * 1000:.2f} ms")
    # Lambda ends the REPORT line with a tab, and tools that parse it split at tabs.
    return f"END RequestId: {request_id}\n" + "\t".join(fields) + "\t\n"
