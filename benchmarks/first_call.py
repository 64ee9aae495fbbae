"""What a first call costs with and without ``warm_up()``, and what ``warm_up()`` itself costs.

Each process imports what it needs and creates its client with a whole processor, as in Lambda's init phase, and then
holds itself to 0.072 of one, Lambda's share at 128 MB: by the CPU controller of cgroups where it may create a group,
else not at all. It makes a first call, and then more; the ratio of the first to the median of the others is that of one
process. CPU time and instructions do not depend on the limit; the time that passes does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Final

from cost.environment import Environment, prepare
from cost.figures import in_turn
from marked_sections import replace

QUOTA: Final = 0.072
PERIOD: Final = 100_000
"""Microseconds, the default of Linux, in which a group may use its quota."""
VARIANTS: Final = {
    "without": "the client, and nothing else",
    "warm_up": "`client.warm_up(contract)`",
}
_GROUPS: Final = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))


def main() -> None:
    """Measure in turn, and print the table, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter that is measured")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, metavar="PAGE")
    asked = parser.parse_args()
    with prepare(asked.python, [3]) as where, limited_group() as group:
        found = measure(where, group, asked.rounds)
    section = to_section(found, is_limited=group is not None)
    if asked.write:
        replace(asked.write, "first-call", section)
    print(section)


def measure(where: Environment, group: Path | None, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Run a process of each variant in turn, each round in another order; the first round is not counted."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for position in range(-1, rounds):
        for name in in_turn(list(VARIANTS), position):
            command = [where.python, "-m", "first_call_probe", name, str(group or "")]
            variables = where.variables
            if group is not None:
                file, limited, whole = find_quota_file(group)
                file.write_text(whole)
                variables = {**variables, "FIRST_CALL_QUOTA": f"{file.name}={limited}"}
            ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)  # noqa: S603
            if position >= 0:
                found[name].append(json.loads(ran.stdout))
    return found


@contextmanager
def limited_group() -> Iterator[Path | None]:
    """Create a group that is held to ``QUOTA``; ``None`` where that is not allowed."""
    for root in _GROUPS:
        group = root / f"lambdachain-bench-{os.getpid()}"
        with suppress(OSError):
            group.mkdir()
            try:
                find_quota_file(group)[0].read_text()  # the controller is enabled here
                yield group
            finally:
                group.rmdir()
            return
    yield None


def find_quota_file(group: Path) -> tuple[Path, str, str]:
    """Return the file with a group's quota, and its texts for ``QUOTA`` and for a whole processor."""
    limited = int(PERIOD * QUOTA)
    if (group / "cpu.cfs_quota_us").exists():  # version 1 of cgroups
        return group / "cpu.cfs_quota_us", str(limited), "-1"
    return group / "cpu.max", f"{limited} {PERIOD}", f"max {PERIOD}"


def to_section(found: dict[str, list[dict[str, float]]], *, is_limited: bool) -> str:
    """Return the table: medians over the processes, ratios within each."""
    rows = [_to_row(VARIANTS[name], processes) for name, processes in found.items()]
    held = f"held to {QUOTA} of a processor by a cgroup after its imports" if is_limited else "not held to a quota"
    head = (
        f"Measured by `benchmarks/first_call.py`: CPython {sys.version.split()[0]}, 300 B over TLS on this machine, "
        f"medians of {len(next(iter(found.values())))} processes, {held}.\n\n"
        "| in the init phase | it takes, ms | first call, ms | a warm call, ms | first to warm | the same by CPU |\n"
        "|---|--:|--:|--:|--:|--:|"
    )
    return "\n".join([head, *rows])


def _to_row(label: str, processes: list[dict[str, float]]) -> str:
    def of(*names: str) -> list[float]:
        return [median(one[name] * 1000 for one in processes) for name in names]

    init, first, warm = of("init_wall", "first_wall", "warm_wall")
    ratios = [median(one[f"first_{clock}"] / one[f"warm_{clock}"] for one in processes) for clock in ("wall", "cpu")]
    return f"| {label} | {init:.1f} | {first:.2f} | {warm:.2f} | {ratios[0]:.2f} | {ratios[1]:.2f} |"


if __name__ == "__main__":
    main()
