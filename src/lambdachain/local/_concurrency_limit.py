"""How many invocations this machine can run at a time: more would only slow each other down until they time out."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

# Most of what handlers do is waiting, but each process needs a second or so of a CPU to load its modules.
PER_CPU: Final = 25
# Room for a chain of functions that call each other, to where its loop is found, and for others beside it.
LEAST: Final = 50
# What a process of a runtime client takes that has loaded an SDK.
_PROCESS_MEMORY: Final = 128 << 20
_CONTAINER_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")


def default_concurrency() -> int:
    """Return how many invocations run at a time if nobody says how many."""
    return concurrency_of(_cpus(), _memory())


def concurrency_of(cpus: int, memory: int | None) -> int:
    """Return how many invocations a machine can run at a time.

    >>> concurrency_of(4, memory=16 << 30), concurrency_of(64, memory=8 << 30), concurrency_of(1, memory=None)
    (100, 64, 50)

    Args:
        cpus: How many CPUs this process may use.
        memory: Bytes; ``None`` where the system does not tell.
    """
    by_memory = PER_CPU * cpus if memory is None else memory // _PROCESS_MEMORY
    return max(LEAST, min(PER_CPU * cpus, by_memory))


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> int | None:
    found: list[int] = []
    with suppress(OSError, ValueError):  # ValueError: the system has no such figure, or the container "max"
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):
        found.append(int(_CONTAINER_MEMORY.read_text()))
    return min(found, default=None)
