"""The progress bar on a terminal, drawn by tqdm or rich, or not at all."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from lambdachain import Contract, LambdaClient, progress
from lambdachain.testing import StubTransport

double = Contract("double", request=int, response=int)


class Terminal(io.StringIO):
    """A file that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def _draw_bar(file: io.StringIO, payloads: Any) -> str:
    with StubTransport() as stub:
        stub.on(double).runs(lambda number: number)
        list(LambdaClient().map(double, payloads, on_progress=progress.bar("doubling", file=file)))
    return file.getvalue()


@pytest.mark.parametrize("library", ["tqdm", "rich"])
@pytest.mark.parametrize("counted", [True, False])
def test_a_bar_is_drawn_on_a_terminal(library: str, counted: bool, monkeypatch: pytest.MonkeyPatch):
    """By whichever is installed, up to the end."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    monkeypatch.setattr(progress, "find_spec", lambda name: find_spec(name) if name == library else None)
    drawn = _draw_bar(Terminal(), range(25) if counted else iter(range(25)))

    assert "doubling" in drawn
    assert "25" in drawn or "100%" in drawn


def test_without_tqdm_and_rich_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch):
    """And nothing fails."""
    monkeypatch.setattr(progress, "find_spec", lambda _: None)

    assert _draw_bar(Terminal(), range(5)) == ""


def test_without_a_terminal_nothing_is_drawn_or_imported():
    """As in Lambda."""
    before = {"tqdm", "rich"} & set(sys.modules)

    assert _draw_bar(io.StringIO(), range(5)) == ""
    assert {"tqdm", "rich"} & set(sys.modules) == before
