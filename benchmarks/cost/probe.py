"""The process that is measured: it does one thing, as often as requested.

``cold WAY ITEMS MODELS`` calls once and ends. ``settled WAY ITEMS CALLS`` calls that often after the first 20, from
when on a call costs what all later ones cost. ``warm WAY ITEMS`` and ``callee NAME ITEMS`` read numbers of calls from
standard input, and respond to each with the CPU seconds they took. At its end every process prints its memory.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable
from typing import Final

from .orders import make_order

# Calls after which caches are filled, and CPython has specialized the bytecode.
_SETTLED: Final = 20


def main(kind: str, name: str, *numbers: str) -> None:
    """Run the command of the arguments."""
    items, *more = map(int, numbers)
    calls = _calls(kind, name, items, more[0] if kind == "cold" else 0)
    if kind == "cold":
        calls(1)
    elif kind == "settled":
        calls(_SETTLED)
        # The imports leave a full collection due, which costs as much as five calls of boto3 and could be among these.
        gc.collect()
        calls(more[0])
    else:
        _serve(calls)
    resident, peak = memory()
    print(f"{resident} {peak}", flush=True)
    # Without the teardown of the interpreter: it never happens in Lambda, and costs more or less by chance.
    os._exit(0)


def memory() -> tuple[int, int]:
    """Return the current and peak resident memory of this process in KiB; 0 if the system does not report it."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123 - pathlib would be measured along
            facts = dict(line.split(":", 1) for line in status)
    except OSError:
        return 0, 0
    return int(facts["VmRSS"].split()[0]), int(facts["VmHWM"].split()[0])


def _calls(kind: str, name: str, items: int, models: int) -> Callable[[int], None]:
    if kind != "callee":
        from .variants import VARIANTS

        return VARIANTS[name](make_order(items), models)
    from .callees import CALLEES, context

    handler, event, given = CALLEES[name](), make_order(items), context()

    def calls(times: int) -> None:
        for _ in range(times):
            handler(event, given)

    return calls


def _serve(calls: Callable[[int], None]) -> None:
    for line in iter(sys.stdin.readline, ""):
        began = time.process_time()
        calls(int(line))
        print(time.process_time() - began, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
