"""The function that is measured does as little as a function can do."""

from __future__ import annotations

import time
from typing import Any


def handler(event: Any, _context: object) -> Any:
    """Return the event."""
    return event


def wait(event: float, _context: object) -> float:
    """Return the event after as many seconds."""
    time.sleep(event)
    return event
