"""Step Functions from contracts: states in Amazon States Language whose ``Retry`` and ``Catch`` follow from them.

A state machine that calls functions makes the decisions of a caller: which failures are retried, which are caught, how
long it waits. ``task`` and ``distributed_map`` make them as a client of this package does, by the same table of errors,
and return plain dicts for a template, for ``create_state_machine`` or for an infrastructure tool. They do not call AWS;
``run_map`` does: it runs a distributed map, and returns its results as a client's ``map`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._choice import choice
from ._distributed_map import S3Items, S3Results, distributed_map
from ._failures import to_call_error
from ._query_language import QueryLanguage
from ._retry import STATE_RETRIES
from ._state_machine import state_machine
from ._task import read_error, task

if TYPE_CHECKING:
    from ._map_run.run_map import AsyncMapRun, MapRun, MapRunOptions, async_run_map, run_map

__all__ = [
    "STATE_RETRIES",
    "AsyncMapRun",
    "MapRun",
    "MapRunOptions",
    "QueryLanguage",
    "S3Items",
    "S3Results",
    "async_run_map",
    "choice",
    "distributed_map",
    "read_error",
    "run_map",
    "state_machine",
    "task",
    "to_call_error",
]

for _public in (S3Items, S3Results, choice, distributed_map, read_error, state_machine, task, to_call_error):
    _public.__module__ = __name__


def __getattr__(name: str) -> Any:
    # Loaded when used: a program that builds state machines needs no client.
    if name in __all__:
        from ._map_run import run_map

        return getattr(run_map, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
