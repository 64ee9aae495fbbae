"""Watching the files of functions, and those that describe them."""

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


@dataclass(frozen=True, slots=True)
class AwsLocation:
    """A directory to be watched, as it is now.

    Attributes:
        path: It, behind all symbolic links.
        identity: Device and inode; ``None`` while there is no such directory.
    """

    path: Path
    identity: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class View:
    """Everything that one watcher follows, as it is now.

    Attributes:
        roots: The directories of each function's code, its own first.
        described: The files that describe the system, behind all symbolic links.
        around: The directories that those are in.
    """

    roots: Mapping[str, tuple[AwsLocation, ...]]
    described: frozenset[Path] = frozenset()
    around: frozenset[AwsLocation] = frozenset()

    @property
    def paths(self) -> frozenset[Path]:
        """The directories that are there."""
        places = (*self.around, *(place for each in self.roots.values() for place in each))
        return frozenset(place.path for place in places if place.identity is not None)

    def since(self, before: View) -> Changed | None:
        """Describe what it means that directories are others than *before*: made anew, replaced, or reached by
        another link.

        A function whose own directory is gone is left as it is: there is nothing to load.
        """
        functions = [
            name for name, places in self.roots.items() if places != before.roots.get(name) and places[0].identity
        ]
        described = (self.described, self.around) != (before.described, before.around)
        if not functions and not described:
            return None
        first = self.roots[functions[0]][0].path if functions else next(iter(sorted(self.described)))
        return Changed(os.path.relpath(first), frozenset(functions), described=True)


class Watch:
    """Follows files, in threads, and tells of changes.

    The system watches a directory and not its name, so each look also compares which directories the names stand for.

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
        roots = {function.name: code_directories(function) for function in functions}
        described = frozenset(files)
        if self._followed == (roots, described):
            return
        self.stop()
        self._followed = (roots, described)
        followed = [self._start(lambda: _view_of_code(roots), recursive=True)] if roots else []
        followed += [self._start(lambda: _view_of_files(described), recursive=False)] if described else []
        for each in followed:
            each.wait(_PATIENCE)

    def stop(self) -> None:
        """Follow nothing any more."""
        for end, thread in self._ends:
            end.set()
            thread.join()
        self._ends.clear()

    def _start(self, look: Callable[[], View], *, recursive: bool) -> threading.Event:
        """Begin to follow what *look* sees; give what is set as soon as no change of it can be missed."""
        begun, end = threading.Event(), threading.Event()

        def run() -> None:
            seen: View | None = None
            held = ExitStack()
            while not end.is_set():
                now = look()
                moved = now.since(seen) if seen is not None else None
                seen = now
                with held:  # until those of now are held
                    held = _held(now.paths)
                try:
                    self._follow(now, look, moved, begun, end, recursive=recursive)
                except FileNotFoundError:  # it vanished before it could be watched
                    end.wait(_LOOK_EVERY / 1000)
                except (OSError, RuntimeError) as exc:
                    self._tell(Notice(f"files cannot be watched, nothing is reloaded: {exc}", loud=True))
                    begun.set()
                    break
            held.close()

        thread = threading.Thread(target=run, name="lambdachain.watch", daemon=True)
        self._ends.append((end, thread))
        thread.start()
        return begun

    def _follow(
        self,
        view: View,
        look: Callable[[], View],
        moved: Changed | None,
        begun: threading.Event,
        end: threading.Event,
        *,
        recursive: bool,
    ) -> None:
        """Report of changes until the directories are no longer those of *view*.

        What has *moved* before is told as soon as nothing that follows can be missed.
        """
        roots = {name: [place.path for place in places] for name, places in view.roots.items()}
        for changes in self._changes(view.paths, end, recursive=recursive):
            begun.set()
            change = what_changed((Path(path) for _, path in changes), roots, view.described)
            for each in (moved, change):
                if each is not None:
                    self._tell(each)
            moved = None
            if look() != view:
                return

    def _changes(
        self, paths: Collection[Path], end: threading.Event, *, recursive: bool
    ) -> Iterable[set[tuple[watchfiles.Change, str]]]:
        if not paths:  # none is there yet
            return iter(lambda: set() if not end.wait(_LOOK_EVERY / 1000) else None, None)
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


def code_directories(function: LocalFunction) -> tuple[Path, ...]:
    """Return the directories that a function's code comes from: its own, and what it adds to the search paths."""
    own = Path(function.directory).absolute()
    versions = [Path(each.directory).absolute() for each in function.versions.values() if each.directory]
    added = [
        own / entry
        for variable in ("PYTHONPATH", "NODE_PATH")
        for entry in function.environment.get(variable, "").split(os.pathsep)
        if entry
    ]
    return tuple(dict.fromkeys((own, *versions, *added)))


def _view_of_code(directories: Mapping[str, Sequence[Path]]) -> View:
    return View({name: tuple(map(_place, paths)) for name, paths in directories.items()})


def _view_of_files(files: frozenset[Path]) -> View:
    described = frozenset(path.resolve() for path in files)
    # a link is switched where it is, and not where it leads
    folders = {path.parent for path in described} | {path.parent.resolve() for path in files}
    return View({}, described, frozenset(map(_place, folders)))


def _held(paths: Iterable[Path]) -> ExitStack:
    """Keep directories open: as long as one is, no other gets its inode, and `AwsLocation` tells the two apart."""
    held = ExitStack()
    for path in paths:
        with suppress(OSError):
            held.callback(os.close, os.open(path, os.O_RDONLY))
    return held


def _place(path: Path) -> AwsLocation:
    """Look where a path leads now."""
    try:
        real = path.resolve()
        found = real.stat()
    except (OSError, RuntimeError):  # RuntimeError: links that lead in a circle
        return AwsLocation(path, None)
    return AwsLocation(real, (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None)


def what_changed(
    paths: Iterable[Path], roots: Mapping[str, Sequence[Path]], described: frozenset[Path]
) -> Changed | None:
    """Describe what changed files mean; ``None`` where they mean nothing.

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
