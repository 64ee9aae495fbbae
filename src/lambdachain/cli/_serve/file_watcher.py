"""Watching files for ``serve --reload``: the code of functions, and the files that declare them."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import watchfiles

from lambdachain.local import LocalFunction

from .messages import Notice

# Milliseconds between a watcher's checks of whether to stop; its first check shows that it has started.
_POLL_INTERVAL: Final = 200
# Seconds to wait for a watcher to start; large directories take longer.
_START_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True)
class FilesChanged:
    """Changed files, and what they affect.

    Attributes:
        path: One of the files, for the message.
        functions: The names of the functions whose code has changed.
        config_changed: Whether a file that declares functions may have changed.
    """

    path: str
    functions: frozenset[str]
    config_changed: bool


@dataclass(frozen=True, slots=True)
class WatchedDirectory:
    """A directory to watch, as found now.

    Attributes:
        path: Its path, with symbolic links resolved.
        identity: Device and inode; ``None`` while the directory does not exist.
    """

    path: Path
    identity: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class WatchedState:
    """Everything that one watcher follows, as found now.

    Attributes:
        roots: The directories of each function's code, its own first.
        config_files: The files that declare functions, with symbolic links resolved.
        config_directories: The directories of those files.
    """

    roots: Mapping[str, tuple[WatchedDirectory, ...]]
    config_files: frozenset[Path] = frozenset()
    config_directories: frozenset[WatchedDirectory] = frozenset()

    @property
    def paths(self) -> frozenset[Path]:
        """The directories that exist."""
        directories = (*self.config_directories, *(directory for each in self.roots.values() for directory in each))
        return frozenset(directory.path for directory in directories if directory.identity is not None)

    def compare_to(self, before: WatchedState) -> FilesChanged | None:
        """Return what has changed if directories were created, replaced or reached by another link since *before*.

        A function whose own directory is missing is not listed: there is nothing to load.
        """
        functions = [
            name
            for name, directories in self.roots.items()
            if directories != before.roots.get(name) and directories[0].identity
        ]
        config_changed = (self.config_files, self.config_directories) != (
            before.config_files,
            before.config_directories,
        )
        if not functions and not config_changed:
            return None
        first = self.roots[functions[0]][0].path if functions else next(iter(sorted(self.config_files)))
        return FilesChanged(os.path.relpath(first), frozenset(functions), config_changed=True)


class FileWatcher:
    """Watches files in threads, and reports changes.

    The operating system watches a directory by its inode, not by its path. So each check also compares which
    directories the paths lead to.

    Args:
        report: Called in a watcher's thread with each change, or with a notice if files cannot be watched.
        ignored: A file that the endpoint itself writes; files whose paths start with it are ignored too.
    """

    def __init__(self, report: Callable[[FilesChanged | Notice], None], ignored: Path | None) -> None:
        self._report = report
        self._ignored = str(ignored.resolve()) if ignored is not None else None
        self._followed: object = None
        self._watchers: list[tuple[threading.Event, threading.Thread]] = []

    def follow(self, functions: Sequence[LocalFunction], files: Sequence[Path]) -> None:
        """Watch the code of *functions* and these *files* from now on, and nothing else."""
        roots = {function.name: code_directories(function) for function in functions}
        config_files = frozenset(files)
        if self._followed == (roots, config_files):
            return
        self.stop()
        self._followed = (roots, config_files)
        followed = [self._start(lambda: _observe_code(roots), recursive=True)] if roots else []
        followed += [self._start(lambda: _observe_config_files(config_files), recursive=False)] if config_files else []
        for each in followed:
            each.wait(_START_TIMEOUT)

    def stop(self) -> None:
        """Stop watching."""
        for stop, thread in self._watchers:
            stop.set()
            thread.join()
        self._watchers.clear()

    def _start(self, observe: Callable[[], WatchedState], *, recursive: bool) -> threading.Event:
        """Start a watcher of what *observe* returns; return an event that is set once no change can be missed."""
        started, stop = threading.Event(), threading.Event()

        def run() -> None:
            seen: WatchedState | None = None
            open_directories = ExitStack()
            while not stop.is_set():
                now = observe()
                replaced = now.compare_to(seen) if seen is not None else None
                seen = now
                # Open the new directories before the old ones are closed, so that no inode is reused in between.
                with open_directories:
                    open_directories = _hold_open(now.paths)
                try:
                    self._follow(now, observe, replaced, started, stop, recursive=recursive)
                except FileNotFoundError:  # a directory was removed before it could be watched
                    stop.wait(_POLL_INTERVAL / 1000)
                except (OSError, RuntimeError) as exc:
                    self._report(Notice(f"cannot watch files, so nothing is reloaded: {exc}", loud=True))
                    started.set()
                    break
            open_directories.close()

        thread = threading.Thread(target=run, name="lambdachain.watch", daemon=True)
        self._watchers.append((stop, thread))
        thread.start()
        return started

    def _follow(
        self,
        state: WatchedState,
        observe: Callable[[], WatchedState],
        replaced: FilesChanged | None,
        started: threading.Event,
        stop: threading.Event,
        *,
        recursive: bool,
    ) -> None:
        """Report changes until the directories differ from *state*.

        *replaced*, found before this watcher started, is reported once no later change can be missed.
        """
        roots = {name: [directory.path for directory in directories] for name, directories in state.roots.items()}
        for changes in self._changes(state.paths, stop, recursive=recursive):
            started.set()
            change = classify_changes((Path(path) for _, path in changes), roots, state.config_files)
            for each in (replaced, change):
                if each is not None:
                    self._report(each)
            replaced = None
            if observe() != state:
                return

    def _changes(
        self, paths: Collection[Path], stop: threading.Event, *, recursive: bool
    ) -> Iterable[set[tuple[watchfiles.Change, str]]]:
        if not paths:  # no directory exists yet: poll until one does
            return iter(lambda: set() if not stop.wait(_POLL_INTERVAL / 1000) else None, None)
        default = watchfiles.DefaultFilter()
        return watchfiles.watch(
            *paths,
            watch_filter=lambda change, path: default(change, path) and not self._is_ignored(path),
            stop_event=stop,
            recursive=recursive,
            rust_timeout=_POLL_INTERVAL,
            yield_on_timeout=True,
        )

    def _is_ignored(self, path: str) -> bool:
        return self._ignored is not None and path.startswith(self._ignored)


def code_directories(function: LocalFunction) -> tuple[Path, ...]:
    """Return the directories of a function's code: its own, its versions' and those in PYTHONPATH and NODE_PATH."""
    own = Path(function.directory).absolute()
    versions = [Path(each.directory).absolute() for each in function.versions.values() if each.directory]
    added = [
        own / entry
        for variable in ("PYTHONPATH", "NODE_PATH")
        for entry in function.environment.get(variable, "").split(os.pathsep)
        if entry
    ]
    return tuple(dict.fromkeys((own, *versions, *added)))


def _observe_code(directories: Mapping[str, Sequence[Path]]) -> WatchedState:
    return WatchedState({name: tuple(map(_observe, paths)) for name, paths in directories.items()})


def _observe_config_files(files: frozenset[Path]) -> WatchedState:
    config_files = frozenset(path.resolve() for path in files)
    # A symbolic link is replaced in the directory that holds it, not in that of its target: watch both.
    folders = {path.parent for path in config_files} | {path.parent.resolve() for path in files}
    return WatchedState({}, config_files, frozenset(map(_observe, folders)))


def _hold_open(paths: Iterable[Path]) -> ExitStack:
    """Hold directories open: the inode of an open one is not reused, so that a new directory has another identity."""
    open_directories = ExitStack()
    for path in paths:
        with suppress(OSError):
            open_directories.callback(os.close, os.open(path, os.O_RDONLY))
    return open_directories


def _observe(path: Path) -> WatchedDirectory:
    """Resolve a path and identify its directory."""
    try:
        real = path.resolve()
        found = real.stat()
    except (OSError, RuntimeError):  # RuntimeError: a loop of symbolic links
        return WatchedDirectory(path, None)
    return WatchedDirectory(real, (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None)


def classify_changes(
    paths: Iterable[Path], roots: Mapping[str, Sequence[Path]], config_files: frozenset[Path]
) -> FilesChanged | None:
    """Return what the changed files affect, or ``None`` if nothing.

    Args:
        paths: The changed files.
        roots: The directories of each function's code.
        config_files: The files that declare functions.
    """
    files = sorted(paths)
    functions = frozenset(
        name
        for name, directories in roots.items()
        if any(path.is_relative_to(d) for path in files for d in directories)
    )
    if not functions and config_files.isdisjoint(files):
        return None
    first = next(path for path in files if path in config_files or functions)
    return FilesChanged(os.path.relpath(first), functions, not config_files.isdisjoint(files))
