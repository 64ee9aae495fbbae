"""Fork hooks and SnapStart hooks: what a copy of this process must drop or replace, such as connections and locks."""

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
    """Register functions that drop what two processes must not share: keys, connections, spare random numbers.

    Args:
        in_fork: Runs in a forked child process; the parent keeps everything.
        before_snapshot: Runs before Lambda takes a SnapStart snapshot, from which many sandboxes are restored.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_fork)
    if before_snapshot is not None:
        _register_snapshot_hook("register_before_snapshot", before_snapshot)


def register_restore_hook(after_restore: Callable[[], object]) -> None:
    """Register a function that runs in each sandbox that SnapStart restores; all of them together have 10 s."""
    _register_snapshot_hook("register_after_restore", after_restore)


def _register_snapshot_hook(registry: str, hook: Callable[[], object]) -> None:
    # Only under SnapStart: the import would cost every other cold start its time.
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        with suppress(ImportError):  # a custom runtime may not have the module
            getattr(import_module("snapshot_restore_py"), registry)(hook)


def lock_for(owner: object) -> threading.Lock:
    """Return a lock that *owner* keeps as ``_lock``; a forked process gets a new one.

    The thread that held it during the fork does not exist in the child, and would never release it.
    """
    _owners.add(owner)
    return threading.Lock()


def check_process(process: int, what: str) -> None:
    """Check that the process *process*, which started a map or a stream, is still the current one, not a parent.

    Raises:
        ContractError: This is a forked child of it.
    """
    if process != os.getpid():
        raise ContractError(
            f"the {what} was started before this process was forked, and continues in the parent: start a new one here"
        )


_owners: Final[weakref.WeakSet[Any]] = weakref.WeakSet()


def _replace_locks() -> None:
    for owner in list(_owners):
        owner._lock = threading.Lock()  # noqa: SLF001 - see lock_for


register_fork_hooks(in_fork=_replace_locks)
