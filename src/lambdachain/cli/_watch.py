"""Watching the files of functions, and those that describe them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import watchfiles

from lambdachain.local import LocalFunction

from ._messages import Notice

# Milliseconds after which a watcher looks whether it shall end; its first look tells that it has begun.
_LOOK_EVERY: Final = 200
# Seconds to wait for a watcher to begin; large directories take their time.
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Changed:
    """Files have changed.

    Attributes:
        path: One of them, to be told.
        functions: The functions whose code is among them.
        described: Whether what describes the system is among them.
    """

    path: str
    functions: frozenset[str]
    described: bool


class Watch:
    """Follows files, in threads, and tells of changes.

    Args:
        tell: Called with each change, or why there will be none, in a thread of its own.
        ignored: A file that the endpoint itself writes, with those beside it that begin with its name.
    """

    def __init__(self, tell: Callable[[Changed | Notice], None], ignored: Path | None) -> None:
        self._tell = tell
        self._ignored = str(ignored.resolve()) if ignored is not None else None
        self._followed: object = None
        self._ends: list[tuple[threading.Event, threading.Thread]] = []

    def follow(self, functions: Sequence[LocalFunction], files: Sequence[Path]) -> None:
        """Follow these from now on, and nothing else."""
        roots = {function.name: code_roots(function) for function in functions}
        described = frozenset(path.resolve() for path in files)
        if self._followed == (roots, described):
            return
        self.stop()
        self._followed = (roots, described)
        code = {root for each in roots.values() for root in each}
        around = {path.parent for path in described}
        followed = [self._start(code, roots, frozenset(), recursive=True)] if code else []
        followed += [self._start(around, {}, described, recursive=False)] if around else []
        for each in followed:
            each.wait(_PATIENCE)

    def stop(self) -> None:
        """Follow nothing any more."""
        for end, thread in self._ends:
            end.set()
            thread.join()
        self._ends.clear()

    def _start(
        self,
        paths: Iterable[Path],
        roots: Mapping[str, Sequence[Path]],
        described: frozenset[Path],
        *,
        recursive: bool,
    ) -> threading.Event:
        """Begin to follow *paths*; give what is set as soon as no change of theirs can be missed."""
        begun, end = threading.Event(), threading.Event()

        def run() -> None:
            try:
                for changes in self._changes(paths, end, recursive=recursive):
                    begun.set()
                    change = what_changed((Path(path) for _, path in changes), roots, described)
                    if change is not None:
                        self._tell(change)
            except (OSError, RuntimeError) as exc:
                self._tell(Notice(f"files cannot be watched, nothing is reloaded: {exc}", loud=True))
                begun.set()

        thread = threading.Thread(target=run, name="lambdachain.watch", daemon=True)
        self._ends.append((end, thread))
        thread.start()
        return begun

    def _changes(
        self, paths: Iterable[Path], end: threading.Event, *, recursive: bool
    ) -> Iterable[set[tuple[watchfiles.Change, str]]]:
        default = watchfiles.DefaultFilter()
        return watchfiles.watch(
            *paths,
            watch_filter=lambda change, path: default(change, path) and not self._is_ignored(path),
            stop_event=end,
            recursive=recursive,
            rust_timeout=_LOOK_EVERY,
            yield_on_timeout=True,
        )

    def _is_ignored(self, path: str) -> bool:
        return self._ignored is not None and path.startswith(self._ignored)


def code_roots(function: LocalFunction) -> tuple[Path, ...]:
    """Give the directories that a function's code comes from: its own, and what it adds to the search paths."""
    own = Path(function.directory).resolve()
    added = [
        own / entry
        for variable in ("PYTHONPATH", "NODE_PATH")
        for entry in function.environment.get(variable, "").split(os.pathsep)
        if entry
    ]
    return tuple(dict.fromkeys(path.resolve() for path in (own, *added) if path.is_dir()))


def what_changed(
    paths: Iterable[Path], roots: Mapping[str, Sequence[Path]], described: frozenset[Path]
) -> Changed | None:
    """Say what changed files mean; ``None`` where they mean nothing.

    Args:
        paths: The files.
        roots: The directories of each function's code.
        described: The files that describe the system.
    """
    files = sorted(paths)
    functions = frozenset(
        name
        for name, directories in roots.items()
        if any(path.is_relative_to(d) for path in files for d in directories)
    )
    if not functions and described.isdisjoint(files):
        return None
    first = next(path for path in files if path in described or functions)
    return Changed(os.path.relpath(first), functions, not described.isdisjoint(files))
