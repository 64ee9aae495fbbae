"""Pause the garbage collector while a large payload is decoded: it would walk new objects and free none.

Walking them is a third to a half of the cost of decoding a megabyte.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from lambdachain._core.fork_hooks import register_fork_hooks

Arg = TypeVar("Arg")
Result = TypeVar("Result")

WORTH_PAUSING: Final = 64 * 1024

_pause = threading.Lock()


def gc_paused(size: int, decode: Callable[[Arg], Result], source: Arg) -> Result:
    """Return ``decode(source)``, with the collector paused if *size*, the bytes of JSON, is large.

    A collector that is disabled stays so. There is one pause at a time: another thread that decodes meanwhile does not
    prolong it, so a collection waits no longer than one payload takes.
    """
    pause = _pause  # a process that is forked during the pause gets a new lock, see _resume
    if size < WORTH_PAUSING or not gc.isenabled() or not pause.acquire(blocking=False):
        return decode(source)
    gc.disable()
    try:
        return decode(source)
    finally:
        gc.enable()
        pause.release()


def _resume() -> None:
    """End, in a forked process, the pause that a thread of its parent began: that thread does not exist here."""
    global _pause  # noqa: PLW0603 - a process has one collector
    if _pause.locked():
        _pause = threading.Lock()
        gc.enable()


register_fork_hooks(in_fork=_resume)
