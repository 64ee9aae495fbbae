"""Baseline files: known findings, so that a check in CI fails on new ones only.

A finding is known by a line of text without line numbers, callers' locations and reasons, which change with the code
around it. The file has these lines themselves, so that a review shows what was accepted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from lambdachain._core.type_guards import is_list, is_mapping

from ._exit_status import InputError
from ._target_options import combine_options

if TYPE_CHECKING:
    from lambdachain._analysis.call_graph.warnings import GraphWarning
    from lambdachain._analysis.permissions.compare_grants import PolicyIssue
    from lambdachain._analysis.survey.results import UnresolvedCall
    from lambdachain._templates.diagnostics import Diagnostic

T = TypeVar("T")

_VERSION: Final = 1
_LINE_NUMBER: Final = re.compile(r"(\.(?:py|ya?ml|json|template))(?::\d+)+\b")
# Where a call is, and what else is called: a finding stays the same when calls move or are added.
_CHANGING: Final = re.compile(r" at [^,]+(?=, but )|: the code calls .*$")

baseline_options = combine_options(
    click.option(
        "--baseline",
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of known findings: report only others.",
    ),
    click.option("--write-baseline", is_flag=True, help="Write the findings of this run to the --baseline file."),
)
"""Decorate a command with the options for known findings."""


class Baseline:
    """The known findings of a file; without a file, none.

    Args:
        path: The file.
        is_written: Whether the findings of this run are written to it: then all of them are known.

    Attributes:
        known: How many findings of this run are known.

    Raises:
        InputError: The file does not exist, cannot be read, or is not a baseline.
    """

    def __init__(self, path: Path | None, *, is_written: bool) -> None:
        if is_written and path is None:
            raise InputError("--write-baseline requires --baseline FILE, the file to write")
        self._path = path
        self._is_written = is_written
        self._unused = Counter[str]() if path is None or is_written else Counter(_read_lines(path))
        self._written: list[str] = []
        self.known = 0

    def select_new(self, findings: Iterable[T], to_line: Callable[[T], str]) -> list[T]:
        """Return the findings that are not known; a line in the file stands for one finding."""
        return [one for one in findings if not self._is_known(to_line(one))]

    def _is_known(self, line: str) -> bool:
        self._written.append(line)
        if not self._is_written and not self._unused[line]:
            return False
        self._unused[line] -= 1
        self.known += 1
        return True

    def save(self) -> str:
        """Write the file if that was requested; return a note about known findings, or an empty string.

        Raises:
            InputError: The file cannot be written.
        """
        if self._path is None:
            return ""
        if self._is_written:
            text = json.dumps({"version": _VERSION, "findings": sorted(self._written)}, indent=2, ensure_ascii=False)
            try:
                self._path.write_text(f"{text}\n", encoding="utf-8")
            except OSError as exc:
                raise InputError(f"{self._path}: cannot be written: {exc.strerror}") from None
            return f"{self._path}: {_count(len(self._written))} written"
        gone = sum(count for count in self._unused.values() if count > 0)
        note = f"{self._path}: {_count(self.known)} known"
        return f"{note}, {gone} of the file fixed: remove them with --write-baseline" if gone else note


def _count(number: int) -> str:
    return f"{number} finding{'' if number == 1 else 's'}"


def _read_lines(path: Path) -> list[str]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: create it with --write-baseline") from None
    except OSError as exc:
        raise InputError(f"{path}: cannot be read: {exc.strerror}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not a baseline: create it with --write-baseline") from None
    lines = content.get("findings") if is_mapping(content) and content.get("version") == _VERSION else None
    if not is_list(lines) or not all(isinstance(line, str) for line in lines):
        raise InputError(f"{path}: not a baseline of this version: create it with --write-baseline")
    return list(map(str, lines))


def issue_to_line(issue: PolicyIssue) -> str:
    """Return the line of a finding about a template's grants."""
    return _without_changing(f"{issue.location}: {issue.kind}: {issue.caller}: {issue.text}")


def warning_to_line(warning: GraphWarning) -> str:
    """Return the line of a warning about the call graph."""
    return _without_changing(f"{warning.location}: {warning.kind}: {warning.text}")


def unresolved_to_line(unresolved: UnresolvedCall | Diagnostic) -> str:
    """Return the line of a call that cannot be resolved: its source and the code that it is in, not the reason."""
    from lambdachain._analysis.survey.results import UnresolvedCall

    if isinstance(unresolved, UnresolvedCall):
        subject = unresolved.why.partition(": ")[0]
        return f"unresolved: {unresolved.location.file}: {unresolved.unit.name}: {subject}"
    return _without_changing(f"unresolved: {unresolved}")


def _without_changing(line: str) -> str:
    return _LINE_NUMBER.sub(r"\1", _CHANGING.sub("", line))
