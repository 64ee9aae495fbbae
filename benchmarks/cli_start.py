"""CPU time and instructions of ``lambdachain --help``, compared with ``import pydantic``."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_HELP: Final = "import sys; from lambdachain.cli import main; sys.argv[1:] = {}; main()"
COMMANDS: Final = {
    "import pydantic": "import pydantic",
    "lambdachain --help": _HELP.format(["--help"]),
    "lambdachain call --help": _HELP.format(["call", "--help"]),
    "lambdachain map --help": _HELP.format(["map", "--help"]),
}


def cpu_time(code: str) -> float:
    """Return the milliseconds of CPU that Python needs for *code*."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)  # noqa: S603 - our own code
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{code!r} failed")
    return (used.ru_utime + used.ru_stime) * 1000


def instructions(code: str) -> int | None:
    """Count the instructions that Python needs for *code*; ``None`` if valgrind is not installed."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        ran = subprocess.run(  # noqa: S603 - as above
            [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    return int(found[1]) if found else None


def main() -> None:
    """Measure, and print a table: the least CPU time of several runs, and its ratio to pydantic's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--count", action="store_true", help="count instructions, too")
    asked = parser.parse_args()
    least = dict.fromkeys(COMMANDS, float("inf"))
    for _ in range(asked.runs):  # by turns, so that a busy moment meets all
        for name, code in COMMANDS.items():
            least[name] = min(least[name], cpu_time(code))
    counted = {name: instructions(code) if asked.count else None for name, code in COMMANDS.items()}
    of_time, of_count = least["import pydantic"], counted["import pydantic"]
    for name, milliseconds in least.items():
        count = counted[name]
        more = f"  {count / 1e6:7.1f} M instructions  x {count / of_count:.2f}" if count and of_count else ""
        print(f"{name:26} {milliseconds:6.1f} ms CPU  x {milliseconds / of_time:.2f}{more}")


if __name__ == "__main__":
    main()
