"""Runs of pytest on small projects, in processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.testing.pytest_run import LINE, Run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run pytest with this plugin, the named ones and no others, with warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # the small projects use tests.support
    monkeypatch.setenv("COLUMNS", "200")

    def pytest_on(*arguments: str, plugins: tuple[str, ...] = ("lambdachain",)) -> Run:
        loaded = [word for name in plugins for word in ("-p", name)]
        ran = pytester.runpytest_subprocess("-rA", "-W", "error", "-p", "no:cacheprovider", *loaded, *arguments)
        text = f"{ran.stdout}\n{ran.stderr}"
        outcomes: dict[str, set[str]] = {}
        for outcome, test in LINE.findall(text):
            outcomes.setdefault(test, set()).add(outcome)
        return Run(int(ran.ret), text, outcomes)

    return pytest_on
