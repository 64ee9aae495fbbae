"""The limit of concurrent invocations: by default what the machine can run before invocations slow each other down."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final, TypeAlias

OptionalSemaphore: TypeAlias = asyncio.Semaphore | AbstractAsyncContextManager[None]

# Handlers mostly wait, but each process needs about a second of CPU time to load its modules.
PER_CPU: Final = 25
# Enough for a loop of functions up to the depth at which it is detected (16), and for other calls meanwhile.
LEAST: Final = 50
# Typical memory of a runtime client's process that has loaded an SDK.
_PROCESS_MEMORY: Final = 128 << 20
_CONTAINER_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")


def default_concurrency() -> int:
    """Return the limit for this machine."""
    return concurrency_for(_cpus(), _total_memory())


def concurrency_for(cpus: int, memory: int | None) -> int:
    """Return how many invocations a machine can run at a time.

    >>> concurrency_for(4, memory=16 << 30), concurrency_for(64, memory=8 << 30), concurrency_for(1, memory=None)
    (100, 64, 50)

    Args:
        cpus: How many CPUs this process may use.
        memory: Bytes; ``None`` if unknown.
    """
    by_memory = PER_CPU * cpus if memory is None else memory // _PROCESS_MEMORY
    return max(LEAST, min(PER_CPU * cpus, by_memory))


def _cpus() -> int:
    # Not cpu_count() where this exists: a container may be confined to a few of the CPUs.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _total_memory() -> int | None:
    found: list[int] = []
    with suppress(OSError, ValueError):  # ValueError: no such sysconf name, or a container without a limit, "max"
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):
        found.append(int(_CONTAINER_MEMORY.read_text()))
    return min(found, default=None)


def semaphore_for(limit: int | None) -> OptionalSemaphore:
    """Return a semaphore of *limit* permits, or one without a limit."""
    return nullcontext() if limit is None else asyncio.Semaphore(limit)
