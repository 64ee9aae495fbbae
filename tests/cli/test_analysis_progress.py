"""The progress of an analysis on a terminal: after a while, erased at the end, and never in a pipe."""

from __future__ import annotations

import io
import threading

import pytest

from lambdachain.cli._analysis_progress import show_progress


class Terminal(io.StringIO):
    """A terminal that tells when a line is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_written = threading.Event()

    def isatty(self) -> bool:
        """Say that it is a terminal."""
        return True

    def write(self, text: str) -> int:
        """Keep the text."""
        written = super().write(text)
        self.is_written.set()
        return written


def test_the_line_appears_and_is_erased():
    """So that what the command prints starts at the beginning of a line."""
    terminal = Terminal()
    with show_progress("Analyzing 3 files", terminal, delay=0):
        assert terminal.is_written.wait(10)

    assert "Analyzing 3 files (0 s)" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_short_analysis_shows_nothing():
    """The line would only flicker."""
    terminal = Terminal()
    with show_progress("Analyzing 3 files", terminal, delay=1000):
        pass

    assert terminal.getvalue() == ""


def test_a_pipe_gets_nothing():
    """Neither the line nor the characters that erase it."""
    pipe = io.StringIO()
    with show_progress("Analyzing 3 files", pipe, delay=0):
        pass

    assert pipe.getvalue() == ""


def test_an_exception_passes_and_the_line_is_erased():
    """The error is printed on a line of its own."""
    terminal = Terminal()

    def fail() -> None:
        with show_progress("Analyzing", terminal, delay=0):
            assert terminal.is_written.wait(10)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()

    assert terminal.getvalue().endswith("\r\x1b[K")
