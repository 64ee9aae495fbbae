"""Where something is written, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from lambdachain._core.text import printable


@dataclass(frozen=True, slots=True)
class Location:
    """A place in what the user wrote.

    >>> str(Location("template.yaml", "Resources.Child.Properties.CodeUri", 12))
    'template.yaml:12: Resources.Child.Properties.CodeUri'

    Attributes:
        source: The file, or the argument.
        key: The way to the setting, in the file's own names.
        line: The line, from 1, where the format tells it.
    """

    source: str
    key: str = ""
    line: int | None = None

    @property
    def place(self) -> str:
        """The file and the line, as far as it is known."""
        source = printable(self.source)
        return source if self.line is None else f"{source}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}: {printable(self.key)}" if self.key else self.place


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong, in one line.

    Attributes:
        spot: Where.
        text: What is wrong, and what to do.
        fatal: Whether a function is not served because of it; otherwise it is served without what is wrong.
    """

    spot: Location
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.spot}: {printable(self.text)}"


class TemplateError(Exception):
    """What was written cannot be read, or not be known here; it carries the problem to the place that reports it."""

    def __init__(self, spot: Location, text: str) -> None:
        super().__init__(text)
        self.spot = spot
        self.text = text

    def problem(self, *, fatal: bool = True) -> Diagnostic:
        """Return what to report."""
        return Diagnostic(self.spot, self.text, fatal)
