"""pytest itself, on small projects, in processes of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

_LINE = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS) (?:\[\d+\] )?\S+?::(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """What became of a run of pytest.

    Attributes:
        status: Its exit status.
        text: What it printed, warnings and the like on standard error included.
        outcomes: What the summary says of each test: ``PASSED``; or both ``PASSED`` and ``ERROR``, if it failed when it
            was over.
    """

    status: int
    text: str
    outcomes: dict[str, set[str]]

    def section(self, test: str) -> str:
        """Give what was printed of the failure of a test."""
        found = re.search(rf"^_+ (?:ERROR at \w+ of )?{re.escape(test)} _+$(.*?)^(?:_{{5}}|={{5}})", self.text, re.M | re.S)
        assert found, self.text
        return found[1]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run pytest with this plugin, those named and no others, every warning an error."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def pytest_on(*arguments: str, plugins: tuple[str, ...] = ("lambdachain",)) -> Run:
        loaded = [word for name in plugins for word in ("-p", name)]
        ran = pytester.runpytest_subprocess("-rA", "-W", "error", "-p", "no:cacheprovider", *loaded, *arguments)
        text = f"{ran.stdout}\n{ran.stderr}"
        outcomes: dict[str, set[str]] = {}
        for outcome, test in _LINE.findall(text):
            outcomes.setdefault(test, set()).add(outcome)
        return Run(int(ran.ret), text, outcomes)

    return pytest_on
