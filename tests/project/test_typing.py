"""Type checkers infer what ``typing_tests/ok.py`` says and reject every marked line of ``typing_tests/errors.py``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "typing_tests" / "errors.py"
MARK = re.compile(r"# E: (?P<mypy>\S+) (?P<pyright>\S+)$")

pytestmark = pytest.mark.typing


def _marked(checker: str) -> dict[int, set[str]]:
    lines = enumerate(ERRORS.read_text().splitlines(), start=1)
    return {number: set(mark[checker].split(",")) for number, line in lines if (mark := MARK.search(line))}


def _mypy() -> dict[int, set[str]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--output=json", str(ERRORS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = defaultdict[int, set[str]](set)
    for line in ran.stdout.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message["severity"] == "error":
                found[message["line"]].add(message["code"])
    return dict(found)


def _pyright() -> dict[int, set[str]]:
    command = [sys.executable, "-m", "pyright", "--outputjson", str(ERRORS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = defaultdict[int, set[str]](set)
    for message in json.loads(ran.stdout)["generalDiagnostics"]:
        if message["severity"] == "error":
            found[message["range"]["start"]["line"] + 1].add(message["rule"])
    return dict(found)


@pytest.mark.parametrize(("checker", "run"), [("mypy", _mypy), ("pyright", _pyright)], ids=["mypy", "pyright"])
def test_every_mistake_is_rejected(checker, run):
    """Each marked line is rejected with one of its codes, and no other line is."""
    marked = _marked(checker)
    found = run()

    assert len(marked) > 40
    assert sorted(marked) == sorted(found)
    assert {line: codes for line, codes in found.items() if not codes & marked[line]} == {}
