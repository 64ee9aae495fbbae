"""Measure what the local endpoint costs, the bare runtime client and AWS's emulator; ``--write`` updates the page.

``--quick`` measures everything a few times: that it works, not what it costs.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from marked_sections import replace

from .measure import Effort, measure
from .page import page

FULL = Effort(cold=40, warm=2_000, together=100)
QUICK = Effort(cold=2, warm=10, together=4)
_VERSIONS = ("awslambdaric", "boto3", "httptools", "lambdachain")


def facts(python: str, emulator: Path | None) -> list[str]:
    """Describe when, where and with which versions it was measured; the load is that of other programs."""
    told = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    installed = [tuple(line.split()[:2]) for line in told.splitlines()]
    found = emulator.glob("aws_sam_cli-*.dist-info") if emulator is not None else ()
    sam = [path.name.split("-")[1].removesuffix(".dist") for path in found]
    named = [*(each for each in installed if each[0] in _VERSIONS), *(("aws-sam-cli", version) for version in sam)]
    versions = ", ".join(" ".join(each) for each in named)
    machine = f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}"
    when = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, load {os.getloadavg()[0]:.1f} before it began"
    return [
        f"Measured by `make bench-local` on {when}: {machine}; {versions}.",
        "Medians; ratios and differences are of calls made one right after the other. What is in bold misses its goal.",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write if requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", type=Path, help="where aws-sam-cli is installed; without, it is left out")
    parser.add_argument("--quick", action="store_true", help="everything a few times")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page whose marked section to replace")
    options = parser.parse_args(arguments)
    effort = QUICK if options.quick else FULL

    emulator = options.emulator and options.emulator.resolve()
    said = facts(sys.executable, emulator)
    written = "\n".join(page(measure(sys.executable, emulator, effort), effort.together, said))

    print(written)
    if options.write is not None:
        replace(options.write, "measured", written)


if __name__ == "__main__":
    main()
