"""Type checkers infer what ``typing_tests/ok.py`` says and reject every marked line of ``typing_tests/errors.py``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
ERRORS = ROOT / "typing_tests" / "errors.py"
MARK = re.compile(r"# E: (?P<mypy>\S+) (?P<pyright>\S+)$")
EXPLANATION = re.compile(r"# (mypy|pyright) says: (.+)$")

# They take minutes where other work keeps the processors busy.
pytestmark = [pytest.mark.typing, pytest.mark.timeout(900)]


class Reported(NamedTuple):
    """An error that a checker reports: its code, and its text."""

    code: str
    text: str


def _find_marked_lines(checker: str) -> dict[int, set[str]]:
    lines = enumerate(ERRORS.read_text().splitlines(), start=1)
    return {number: set(mark[checker].split(",")) for number, line in lines if (mark := MARK.search(line))}


def _find_explanation(checker: str) -> dict[int, str]:
    """Return what a checker must say about a line: the comments above it have it."""
    explanations = dict[int, str]()
    text = ""
    for number, line in enumerate(ERRORS.read_text().splitlines(), start=1):
        if (comment := EXPLANATION.match(line)) and comment[1] == checker:
            text = comment[2]
        elif text and MARK.search(line):
            explanations[number], text = text, ""
    return explanations


def _mypy() -> dict[int, list[Reported]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--output=json", str(ERRORS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = defaultdict[int, list[Reported]](list)
    for line in ran.stdout.splitlines():
        if line.startswith("{"):
            message = json.loads(line)
            if message["severity"] == "error":
                found[message["line"]].append(Reported(message["code"], message["message"]))
    return dict(found)


def _pyright() -> dict[int, list[Reported]]:
    command = [sys.executable, "-m", "pyright", "--outputjson", str(ERRORS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = defaultdict[int, list[Reported]](list)
    for message in json.loads(ran.stdout)["generalDiagnostics"]:
        if message["severity"] == "error":
            found[message["range"]["start"]["line"] + 1].append(Reported(message["rule"], message["message"]))
    return dict(found)


@pytest.mark.parametrize(("checker", "run"), [("mypy", _mypy), ("pyright", _pyright)], ids=["mypy", "pyright"])
def test_every_mistake_is_rejected(checker, run):
    """Each marked line is rejected with one of its codes and with the words above it, and no other line is."""
    marked, explained = _find_marked_lines(checker), _find_explanation(checker)
    found = run()

    assert len(marked) > 40
    assert len(explained) > 4
    assert sorted(marked) == sorted(found)
    assert {line: errors for line, errors in found.items() if not {e.code for e in errors} & marked[line]} == {}
    assert {line: text for line, text in explained.items() if not any(text in e.text for e in found[line])} == {}
