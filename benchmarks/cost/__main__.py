"""Measure and compare what a call costs; ``--write`` writes tables and plots into ``docs``.

``--quick`` measures everything once, on the smallest payload: that it works, not what it costs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.util
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from marked_sections import replace

from .callees import CALLEES
from .environment import Environment, prepare
from .figures import Rounds, above
from .measure import BARE, Size, cold, instructions, warm
from .page import Measured, page
from .plots import draw
from .variants import TYPED, VARIANTS

_VERSIONS = (
    "boto3",
    "botocore",
    "aiobotocore",
    "pydantic",
    "pydantic-core",
    "tenacity",
    "aiohttp",
    "urllib3",
    "lambdachain",
)


class Effort(NamedTuple):
    """How much is measured."""

    sizes: Mapping[str, Size]
    callee: Mapping[str, Size]
    models: Sequence[int]
    rounds: int
    counted: int


SMALL = 3  # items, 300 bytes
FULL = Effort(
    sizes={
        "300 B": Size(SMALL, 150, 25),
        "10 KB": Size(106, 60, 25),
        "1 MB": Size(10_500, 2, 7),
        "6 MB": Size(60_000, 1, 3),
    },
    callee={"300 B": Size(SMALL, 4000, 9), "10 KB": Size(106, 200, 9), "1 MB": Size(10_500, 2, 7)},
    models=(0, 20, 100),
    rounds=11,
    counted=100,
)
QUICK = Effort(
    sizes={size: Size(items, 1, 1) for size, items in (("300 B", SMALL), ("10 KB", 106), ("1 MB", 10_500))},
    callee={"300 B": Size(SMALL, 10, 1)},
    models=(0, 1),
    rounds=1,
    counted=0,
)


def measure(where: Environment, effort: Effort, variants: Sequence[str]) -> Measured:
    """Measure everything."""
    starts = {
        models: cold(
            where,
            variants if not models else [variant for variant in variants if variant in TYPED],
            SMALL,
            models,
            effort.rounds,
        )
        for models in effort.models
    }
    warmed = {size: warm(where, "warm", variants, how) for size, how in effort.sizes.items()}
    handled = {size: warm(where, "callee", list(CALLEES), how) for size, how in effort.callee.items()}
    resident: Rounds = {name: [once.resident for once in runs] for name, runs in starts[0].items()}
    return Measured(
        cold={
            models: above({name: [once.seconds for once in runs] for name, runs in found.items()}, BARE)
            for models, found in starts.items()
        },
        memory=above(resident, BARE),
        warm={size: found.seconds for size, found in warmed.items()},
        peak={
            size: {name: held - resident[BARE][0] for name, held in found.peak.items()}
            for size, found in warmed.items()
        },
        callee={size: found.seconds for size, found in handled.items()},
        instructions=instructions(where, variants, SMALL, effort.counted) if effort.counted else None,
    )


def find_variants(python: str) -> list[str]:
    """List the variants that an interpreter can run: aiobotocore may not be installed."""
    asked = "import importlib.util as u; print(u.find_spec('aiobotocore') is not None)"
    available = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True).stdout  # noqa: S603
    return [variant for variant in VARIANTS if available.strip() == "True" or "aiobotocore" not in variant]


def facts(python: str) -> list[str]:
    """Describe when, where and with which versions it was measured."""
    available = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    installed = [line.split()[:2] for line in available.splitlines()]
    versions = ", ".join(f"{name} {version}" for name, version in installed if name.replace("_", "-") in _VERSIONS)
    when = dt.datetime.now(dt.UTC).date()
    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}"
    return [
        f"Measured by `make bench` on {when:%Y-%m-%d}: {machine}; {versions}.",
        "Ratios are to boto3 + json, medians of pairs measured one after the other; a goal in bold is missed.",
    ]


def _processor() -> str:
    try:
        available = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        available = None
    return available[1] if available else platform.machine()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="the interpreter whose installation is measured")
    parser.add_argument("--quick", action="store_true", help="everything once, the smallest payload")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose marked section to replace")
    options = parser.parse_args(arguments)
    if options.write is not None and importlib.util.find_spec("matplotlib") is None:
        parser.error("--write draws plots: install the dependency group plots")
    effort = QUICK if options.quick else FULL

    with prepare(options.python, sorted({size.items for size in effort.sizes.values()})) as where:
        measured = measure(where, effort, find_variants(options.python))
    written = "\n".join(page(measured, facts(options.python)))

    print(written)
    if options.write is not None:
        replace(options.write, "measured", written)
        draw(measured, options.write.parent / "performance")


if __name__ == "__main__":
    main()
