"""A progress bar for a map on a terminal, drawn by tqdm or rich, whichever is installed.

Neither is required: without them, and without a terminal (as in Lambda), nothing is drawn.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any, Protocol, TextIO

from ._fan_out.options import MapProgress


class _BarBackend(Protocol):
    def update(self, progress: MapProgress) -> None: ...

    def close(self) -> None: ...


def bar(description: str = "", *, file: TextIO | None = None) -> Bar:
    """Create an ``on_progress`` for one map: a bar that shows how many payloads are done, failed and in flight.

    >>> from lambdachain import Contract, LambdaClient
    >>> from lambdachain.testing import StubTransport
    >>> double = Contract("orders-double", request=int, response=int)
    >>> with StubTransport() as stub:
    ...     _ = stub.on(double).runs(lambda number: number * 2)
    ...     list(LambdaClient().map(double, range(3), on_progress=bar("doubling")))
    [0, 2, 4]

    Args:
        description: The text before the bar.
        file: Where to draw it, if that is a terminal; standard error by default.
    """
    return Bar(description, file or sys.stderr)


class Bar:
    """An ``on_progress`` that opens a bar when the map begins, and closes it when everything is done; see ``bar``."""

    def __init__(self, description: str, file: TextIO) -> None:
        self._description = description
        self._file = file
        self._bar: _BarBackend | None = None
        self._is_drawn = file.isatty()

    def __call__(self, progress: MapProgress) -> None:
        """Draw the progress of a map."""
        if not self._is_drawn:
            return
        if self._bar is None:
            self._bar = _create_bar(self._description, progress.total, self._file)
        self._bar.update(progress)
        if progress.total is not None and progress.done >= progress.total:
            self.close()

    def close(self) -> None:
        """Close the bar of a map that was closed early, or whose number of payloads is unknown."""
        self._is_drawn = False
        if self._bar is not None:
            self._bar.close()

    def __del__(self) -> None:
        """Close the bar if it is still open."""
        self.close()


def _create_bar(description: str, total: int | None, file: TextIO) -> _BarBackend:
    if find_spec("tqdm") is not None:
        return _TqdmBar(description, total, file)
    return _RichBar(description, total, file) if find_spec("rich") is not None else _NoBar()


class _NoBar:
    def update(self, progress: MapProgress) -> None:
        """Draw nothing."""

    def close(self) -> None:
        """No-op: nothing was drawn."""


class _TqdmBar:
    def __init__(self, description: str, total: int | None, file: TextIO) -> None:
        from importlib import import_module

        tqdm: Any = import_module("tqdm")  # not an import statement: without its stubs, type checkers would reject it
        self._bar: Any = tqdm.tqdm(desc=description or None, total=total, file=file, unit="call")

    def update(self, progress: MapProgress) -> None:
        """Draw the progress."""
        self._bar.set_postfix(failed=progress.failed, in_flight=progress.in_flight, refresh=False)
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        """Close the bar, and leave it on the terminal."""
        self._bar.close()


class _RichBar:
    def __init__(self, description: str, total: int | None, file: TextIO) -> None:
        from importlib import import_module

        console: Any = import_module("rich.console")
        progress: Any = import_module("rich.progress")
        columns = (*progress.Progress.get_default_columns(), "{task.fields[counts]}")
        self._progress: Any = progress.Progress(*columns, console=console.Console(file=file))
        self._task: Any = self._progress.add_task(description, total=total, counts="")
        self._progress.start()

    def update(self, progress: MapProgress) -> None:
        """Draw the progress."""
        counts = f"{progress.failed} failed, {progress.in_flight} in flight"
        self._progress.update(self._task, completed=progress.done, counts=counts)

    def close(self) -> None:
        """Close the bar, and leave it on the terminal."""
        self._progress.stop()
