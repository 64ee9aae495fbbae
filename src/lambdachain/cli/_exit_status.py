"""How a command ends: a status for each family of failure, and one line that says what happened."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from lambdachain._core.errors import CallError


_MAX_LINE: Final = 4000


class Status(IntEnum):
    """What a command exits with."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_INVOKED = 3
    UNKNOWN = 4
    FUNCTION_FAILED = 5
    BAD_ANSWER = 6
    FILE = 7
    INTERRUPTED = 130
    TERMINATED = 143
    CLOSED_PIPE = 141


class Refusal(click.ClickException):
    """Something that was given cannot be used: one line, without the usage of the command before it."""

    exit_code = Status.USAGE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line to standard error."""
        from lambdachain._core.text import printable

        tell_error(printable(self.message), file)


def status_of(error: CallError) -> Status:
    """Return the status of a failure's family.

    >>> from lambdachain import CallTimeoutError, ThrottledError
    >>> status_of(ThrottledError()), status_of(CallTimeoutError())
    (<Status.NOT_INVOKED: 3>, <Status.UNKNOWN: 4>)
    """
    from lambdachain._core.errors import FunctionError, NotInvokedError, OutcomeUnknownError, ResponseError

    families: Final[dict[type[CallError], Status]] = {
        NotInvokedError: Status.NOT_INVOKED,
        OutcomeUnknownError: Status.UNKNOWN,
        FunctionError: Status.FUNCTION_FAILED,
        ResponseError: Status.BAD_ANSWER,
    }
    return next((status for family, status in families.items() if isinstance(error, family)), Status.UNKNOWN)


def ended_by(error: Exception | KeyboardInterrupt) -> Status | None:
    """Report in a line what ended a command, and give the status to exit with; ``None`` if that was a mistake of
    ours.
    """
    from lambdachain._core.errors import CallError, LambdaChainError

    if isinstance(error, KeyboardInterrupt):
        tell_error("stopped")
        return Status.INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _forget_output()
        return Status.CLOSED_PIPE
    if isinstance(error, CallError):
        tell_error(in_a_line(error))
        return status_of(error)
    if isinstance(error, LambdaChainError):
        tell_error(one_line(str(error)))
        return Status.USAGE
    if isinstance(error, OSError):
        from lambdachain._core.text import printable

        tell_error(printable(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
        return Status.FILE
    return None


def in_a_line(error: CallError) -> str:
    """Describe what kind of failure it is, what happened, and how often that was tried."""
    tried = f"; {len(error.attempts)} attempts in {error.elapsed:.1f} s" if len(error.attempts) > 1 else ""
    from lambdachain._core.errors import CallError, format_error
    from lambdachain._core.text import printable

    is_plain = type(error).__str__ is CallError.__str__
    words = format_error(error, " ".join(str(error.args[0]).split())) if is_plain and error.args else str(error)
    return printable(one_line(f"{type(error).__name__}: {words}{tried}"), _MAX_LINE)


def one_line(text: str) -> str:
    r"""Put a text of somebody else's into one line, which no terminal takes for a command.

    >>> one_line("first\n  second \x1b[2J")
    'first second \\x1b[2J'
    """
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in " ".join(text.split()))


def tell_error(message: str, file: IO[Any] | None = None) -> None:
    """Print a line to standard error."""
    echo(f"{click.style('error:', fg='red', bold=True)} {message}", file=file or sys.stderr)


def echo(text: str, *, file: IO[Any] | None = None) -> None:
    """Print a line, with its colours where that is a terminal and nobody has asked for none.

    A function's log, a file's name, a callee's words: no terminal takes any of it for a command.
    """
    if (sys.stdout if file is None else file).isatty():
        from lambdachain._core.text import for_terminal

        text = for_terminal(text)
    click.echo(text, file=file, color=False if os.environ.get("NO_COLOR") else None)


def _forget_output() -> None:
    """Have what is still to be written go nowhere: Python would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
