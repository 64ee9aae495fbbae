"""A cache of built directories: by content, complete or absent, also if a build is interrupted."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PARTIAL: Final = "partial-"


class BuildCache:
    """Built directories, for any number of threads and processes.

    Args:
        directory: Where they are kept; it is created when it is needed.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def find(self, key: str) -> Path | None:
        """Return what was built under a key."""
        directory = self._directory / key
        return directory if directory.is_dir() else None

    def find_or_build(self, key: str, build: Callable[[Path], None]) -> Path:
        """Return what was built under a key; build it first if the cache does not have it.

        Args:
            key: The key.
            build: Called with the empty directory to build in; when it raises, nothing is kept.

        Raises:
            OSError: The cache cannot be written.
        """
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        # Functions that need the same wait for the first one's build.
        with lock:
            return self.find(key) or self._build(key, build)

    def _build(self, key: str, build: Callable[[Path], None]) -> Path:
        self._directory.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(self._directory)
        return build_directory(self._directory / key, build, prefix=f"{_PARTIAL}{os.getpid()}-")


def build_directory(directory: Path, build: Callable[[Path], None], *, prefix: str) -> Path:
    """Have a directory built beside its place, under a name with *prefix*, and return it in its place.

    It has its final name only when it is complete, and is there only once if two threads or processes build the same.
    """
    partial = Path(tempfile.mkdtemp(prefix=prefix, dir=directory.parent))
    try:
        build(partial)
        try:
            partial.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return directory


def _remove_abandoned(directory: Path) -> None:
    """Remove what processes that were killed have left behind."""
    for path in directory.glob(f"{_PARTIAL}*"):
        owner = path.name.removeprefix(_PARTIAL).partition("-")[0]
        if not owner.isdigit() or not _is_running(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
