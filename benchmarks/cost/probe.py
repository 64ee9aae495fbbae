"""The process that is measured: it does one thing, as often as requested.

``cold WAY ITEMS MODELS CALLS`` calls and ends. ``warm WAY ITEMS`` and ``callee NAME ITEMS`` read numbers of calls from
standard input, and respond to each with the CPU seconds they took. At its end every process prints its memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from .orders import make_order


def main(kind: str, name: str, *numbers: str) -> None:
    """Run the command of the arguments."""
    items, *more = map(int, numbers)
    if kind == "cold":
        _calls(kind, name, items, more[0])(more[1])
    else:
        _serve(_calls(kind, name, items, 0))
    resident, peak = memory()
    print(f"{resident} {peak}", flush=True)


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
