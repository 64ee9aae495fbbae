"""Copies of this process: its forks, and the sandboxes that SnapStart restores from one snapshot of it."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from .errors import ContractError


def register_fork_hooks(*, in_fork: Callable[[], object], before_snapshot: Callable[[], object] | None = None) -> None:
    """Have each copy begin without what must not be in two of them: keys, connections, random numbers to come.

    Args:
        in_fork: Forgets it in a child process, whose parent goes on with it.
        before_snapshot: Forgets it before Lambda takes the snapshot.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_fork)
    if before_snapshot is not None and os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        with suppress(ImportError):  # a runtime of another's making may have no such module
            import_module("snapshot_restore_py").register_before_snapshot(before_snapshot)


def lock_for(owner: object) -> threading.Lock:
    """Return the lock that *owner* keeps as ``_lock``, to be replaced in a forked process.

    The thread that held it at the fork does not exist there, and would never release it.
    """
    _owners.add(owner)
    return threading.Lock()


def check_process(process: int, what: str) -> None:
    """Refuse to go on with what the process *process* has begun, in a fork of it.

    Raises:
        ContractError: This is one.
    """
    if process != os.getpid():
        raise ContractError(
            f"the {what} was begun before this process was forked: it goes on in the parent; begin a new one"
        )


_owners: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def _replace_locks() -> None:
    for owner in list(_owners):
        owner._lock = threading.Lock()  # noqa: SLF001 - as ``lock_for`` says


register_fork_hooks(in_fork=_replace_locks)
