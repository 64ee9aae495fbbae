"""Show on a terminal that an analysis takes time, and how much it has taken."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic
from typing import Final, TextIO

# Most analyses are done by then, and a line that appears for an instant only distracts.
DELAY: Final = 1.0
_INTERVAL: Final = 0.5
_ERASE_LINE: Final = "\r\x1b[K"


@contextmanager
def show_progress(text: str, stream: TextIO | None = None, delay: float = DELAY) -> Generator[None, None, None]:
    """Show *text* and the seconds since the start while the body runs, from *delay* seconds on.

    Nothing is shown if the stream, by default standard error, is not a terminal. The line is erased at the end.
    """
    stream = sys.stderr if stream is None else stream
    # A program without a console, such as pythonw, has no standard error.
    if stream is None or not stream.isatty():
        yield
        return
    done = threading.Event()
    # A thread, because the analysis is one deep recursion, without a place that is passed regularly.
    thread = threading.Thread(target=_repeat_line, args=(text, stream, delay, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _repeat_line(text: str, stream: TextIO, delay: float, done: threading.Event) -> None:
    start = monotonic()
    if done.wait(delay):
        return
    while True:
        stream.write(f"{_ERASE_LINE}{text} ({monotonic() - start:.0f} s)")
        stream.flush()
        if done.wait(_INTERVAL):
            break
    stream.write(_ERASE_LINE)
    stream.flush()
