"""The end of a command: an exit status for each family of errors, and a one-line message on standard error."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import IO, TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from lambdachain._core.errors import CallError


_MAX_LINE: Final = 4000


class ExitStatus(IntEnum):
    """The exit status of a command."""

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


class InputError(click.ClickException):
    """An argument, option or file cannot be used: reported in one line, without click's usage text before it."""

    exit_code = ExitStatus.USAGE

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message to standard error."""
        from lambdachain._core.escaping import printable

        print_error(printable(self.message), file)


def exit_status_for(error: CallError) -> ExitStatus:
    """Return the exit status for a failed call, by the family of its error.

    >>> from lambdachain import CallTimeoutError, ThrottledError
    >>> exit_status_for(ThrottledError()), exit_status_for(CallTimeoutError())
    (<ExitStatus.NOT_INVOKED: 3>, <ExitStatus.UNKNOWN: 4>)
    """
    from lambdachain._core.errors import FunctionError, NotInvokedError, OutcomeUnknownError, ResponseError

    families: Final[dict[type[CallError], ExitStatus]] = {
        NotInvokedError: ExitStatus.NOT_INVOKED,
        OutcomeUnknownError: ExitStatus.UNKNOWN,
        FunctionError: ExitStatus.FUNCTION_FAILED,
        ResponseError: ExitStatus.BAD_ANSWER,
    }
    return next((status for family, status in families.items() if isinstance(error, family)), ExitStatus.UNKNOWN)


def report_exception(error: Exception | KeyboardInterrupt) -> ExitStatus | None:
    """Print in one line what ended a command, and return the exit status; ``None`` for an unexpected error, which
    keeps its traceback.
    """
    from lambdachain._core.errors import CallError, LambdaChainError

    if isinstance(error, KeyboardInterrupt):
        print_error("interrupted")
        return ExitStatus.INTERRUPTED
    # Subclasses come first: BrokenPipeError is an OSError, and CallError is a LambdaChainError.
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return ExitStatus.CLOSED_PIPE
    if isinstance(error, CallError):
        print_error(format_call_error(error))
        return exit_status_for(error)
    if isinstance(error, LambdaChainError):
        print_error(to_one_line(str(error)))
        return ExitStatus.USAGE
    if isinstance(error, OSError):
        from lambdachain._core.escaping import printable

        print_error(printable(f"{error.filename}: {error.strerror}" if error.filename else str(error)))
        try:
            sys.stdout.flush()
        except OSError:
            _discard_output()
        return ExitStatus.FILE
    return None


def format_call_error(error: CallError) -> str:
    """Format a failed call in one line: the error's class, its message, and the number of attempts."""
    attempts = f"; {len(error.attempts)} attempts in {error.elapsed:.1f} s" if len(error.attempts) > 1 else ""
    from lambdachain._core.errors import CallError, format_error
    from lambdachain._core.escaping import printable

    is_plain = type(error).__str__ is CallError.__str__
    message = format_error(error, " ".join(str(error.args[0]).split())) if is_plain and error.args else str(error)
    return printable(to_one_line(f"{type(error).__name__}: {message}{attempts}"), _MAX_LINE)


def to_one_line(text: str) -> str:
    r"""Join a text into one line, and escape what a terminal would execute.

    >>> to_one_line("first\n  second \x1b[2J")
    'first second \\x1b[2J'
    """
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in " ".join(text.split())
    )


def print_error(message: str, file: IO[Any] | None = None) -> None:
    """Print an error message to standard error."""
    echo(f"{click.style('error:', fg='red', bold=True)} {message}", file=file or sys.stderr)


def echo(text: str, *, file: IO[Any] | None = None) -> None:
    """Print a line; in colors only on a terminal, and not if ``NO_COLOR`` is set.

    Escape sequences are made harmless: the text may come from a function's log, a file name or a callee.
    """
    if (sys.stdout if file is None else file).isatty():
        from lambdachain._core.escaping import for_terminal

        # In a pipe the text stays as it is: the next program may need the exact bytes.
        text = for_terminal(text)
    click.echo(text, file=file, color=False if os.environ.get("NO_COLOR") else None)


def _discard_output() -> None:
    """Redirect standard output to nowhere: Python flushes it at exit, where a closed pipe or a full disk would raise
    again, and change the exit status.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
