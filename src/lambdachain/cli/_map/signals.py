"""Ctrl-C and SIGTERM, while a map is under way."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def handle_signals(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """Have *handler* called for Ctrl-C and SIGTERM within a block; the former handlers take over again after it."""
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
