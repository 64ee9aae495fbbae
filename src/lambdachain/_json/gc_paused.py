"""The garbage collector, paused while a large payload becomes objects: it would walk them all, and none is garbage yet.

That walking is a third to a half of what decoding a megabyte costs.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from lambdachain._core.process_copies import register_fork_hooks

Arg = TypeVar("Arg")
Made = TypeVar("Made")

WORTH_PAUSING: Final = 64 * 1024

_pause = threading.Lock()


def gc_paused(size: int, make: Callable[[Arg], Made], source: Arg) -> Made:
    """Return ``make(source)``, made while the collector pauses where *size*, the bytes of JSON at hand, is large.

    A collector that is off stays so. One pause at a time: what another thread makes meanwhile does not prolong it, so
    collection never waits for longer than one payload takes.
    """
    pause = _pause  # a fork amid the pause has another one
    if size < WORTH_PAUSING or not gc.isenabled() or not pause.acquire(blocking=False):
        return make(source)
    gc.disable()
    try:
        return make(source)
    finally:
        gc.enable()
        pause.release()


def _resume() -> None:
    """End in a forked process a pause that another thread of its parent has begun."""
    global _pause  # noqa: PLW0603 - a process has one collector
    if _pause.locked():
        _pause = threading.Lock()
        gc.enable()


register_fork_hooks(in_fork=_resume)
