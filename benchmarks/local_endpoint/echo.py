"""The function that is measured: as little as a function can do."""

from __future__ import annotations

import time
from typing import Any


def handler(event: Any, _context: object) -> Any:
    """Give the event back."""
    return event


def wait(event: float, _context: object) -> float:
    """Give it back after as many seconds."""
    time.sleep(event)
    return event
