"""What is wrong with a template, and where: every stage of the pipeline reports in these terms."""

from __future__ import annotations

from dataclasses import dataclass

from lambdachain._core.escaping import printable


@dataclass(frozen=True, slots=True)
class Location:
    """A position in what the user wrote.

    >>> str(Location("template.yaml", "Resources.Child.Properties.CodeUri", 12))
    'template.yaml:12: Resources.Child.Properties.CodeUri'

    Attributes:
        source: The file, or the command-line argument.
        key: The path to the setting, in the file's own names, separated by dots.
        line: The line, from 1; ``None`` where the format has no line numbers.
    """

    source: str
    key: str = ""
    line: int | None = None

    @property
    def file_and_line(self) -> str:
        """The file, and the line if it is known: ``template.yaml:12``."""
        source = printable(self.source)
        return source if self.line is None else f"{source}:{self.line}"

    def __str__(self) -> str:
        return f"{self.file_and_line}: {printable(self.key)}" if self.key else self.file_and_line


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning, printed as one line.

    Attributes:
        location: Where it is.
        text: What is wrong, and what to do about it.
        fatal: Whether it keeps a function from being served; otherwise the function is served without the setting.
    """

    location: Location
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.location}: {printable(self.text)}"


class TemplateError(Exception):
    """A template, or one of its values, cannot be read or resolved on this machine."""

    def __init__(self, location: Location, text: str) -> None:
        super().__init__(text)
        self.location = location
        self.text = text

    def to_diagnostic(self, *, fatal: bool = True) -> Diagnostic:
        """Convert the error to what is printed."""
        return Diagnostic(self.location, self.text, fatal)


@dataclass(frozen=True, slots=True)
class UnresolvedValue:
    """Stands in a document for a value that cannot be resolved on this machine.

    One such value must not hide the rest of the file, so its error is raised only where the value is used.

    Attributes:
        location: Where the value is written.
        text: Why it cannot be resolved, and what to do about it.
    """

    location: Location
    text: str

    @classmethod
    def from_error(cls, error: TemplateError) -> UnresolvedValue:
        """Keep an error as a value."""
        return cls(error.location, error.text)

    def to_error(self) -> TemplateError:
        """Return the error to raise where the value is needed."""
        return TemplateError(self.location, self.text)
