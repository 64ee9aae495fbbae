"""Keep the answers of surveys between runs, so that code which has not changed is not parsed and evaluated again.

Answers are kept under a key of all that they depend on: the files with their text, the environment variables, the
versions of Python and of lambdachain. Which installed packages they depend on is known only afterwards, so the versions
of these are kept with the answers, and compared before one is used. A question that is new is answered by a new survey.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

import lambdachain
from lambdachain._core.user_cache import compute_key

from .answer_files import SUFFIX, Answers, Question, read_answers, write_answers
from .installed import InstalledPackages, describe_files
from .results import CallSite, CodeUnit, SourceLocation, Survey, UnresolvedCall
from .sources import Source

T = TypeVar("T")

_Calls: TypeAlias = tuple[CallSite | UnresolvedCall, ...]

# Of a survey's fields, those that are values; the others are functions.
_VALUES: Final = ("contracts", "handlers", "calls", "unresolved", "units", "roots")


class SavedSurvey:
    """A survey that answers from a file what it was asked before, and is computed only for other questions.

    Args:
        file: The file, which need not exist; see ``find_survey_file``.
        installed: Finds the packages that the code imports.
        compute: Computes the survey.
    """

    def __init__(self, file: Path, installed: InstalledPackages, compute: Callable[[], Survey]) -> None:
        self._file = file
        self._installed = installed
        self._compute = compute
        known = read_answers(file)
        self._is_saved = known is not None and _is_current(known, installed)
        self._answers = known if known is not None and self._is_saved else self._create_answers()

    def _create_answers(self) -> Answers:
        return Answers({name: getattr(self._computed, name) for name in _VALUES}, self._installed.versions, {})

    @cached_property
    def _computed(self) -> Survey:
        return self._compute()

    @property
    def survey(self) -> Survey:
        """The survey; what it is asked is kept by ``save``."""
        return Survey(
            **self._answers.values,
            uses=_SavedUses(self._find_uses, self._answers.values["units"]),
            find_calls=self._find_calls,
            find_calls_with=self._find_calls_with,
            locate_handler=self._locate_handler,
        )

    def _find_uses(self, unit: CodeUnit) -> frozenset[CodeUnit]:
        return self._find(("uses", "", unit), lambda: self._computed.uses[unit])

    def _find_calls(self, unit: CodeUnit) -> _Calls:
        return self._find(("calls", "", unit), lambda: self._computed.find_calls(unit))

    def _find_calls_with(self, environment: Mapping[str, str]) -> Callable[[CodeUnit], _Calls]:
        key = compute_key(_list_variables(environment))

        def find_calls(unit: CodeUnit) -> _Calls:
            return self._find(("calls", key, unit), lambda: self._computed.find_calls_with(environment)(unit))

        return find_calls

    def _locate_handler(self, unit: CodeUnit) -> SourceLocation | None:
        return self._find(("handler", "", unit), lambda: self._computed.locate_handler(unit))

    def _find(self, question: Question, compute: Callable[[], T]) -> T:
        found = self._answers.found
        if question not in found:
            found[question] = compute()
            self._is_saved = False
        answer: T = found[question]
        return answer

    def save(self) -> None:
        """Write the answers to the file; without a place to write to, nothing is kept."""
        with suppress(OSError):
            if self._is_saved:
                # What was used last is removed last.
                self._file.touch()
                return
            write_answers(self._file, replace(self._answers, packages=dict(self._installed.versions)))
            self._is_saved = True


class _SavedUses(Mapping[CodeUnit, frozenset[CodeUnit]]):
    """The ``uses`` of a survey."""

    def __init__(self, find: Callable[[CodeUnit], frozenset[CodeUnit]], units: Iterable[CodeUnit]) -> None:
        self._find = find
        self._units = dict.fromkeys(units)

    def __getitem__(self, unit: CodeUnit) -> frozenset[CodeUnit]:
        return self._find(unit)

    def __iter__(self) -> Iterator[CodeUnit]:
        return iter(self._units)

    def __len__(self) -> int:
        return len(self._units)


def _is_current(answers: Answers, installed: InstalledPackages) -> bool:
    return all(installed.find_version(name) == version for name, version in answers.packages.items())


def find_survey_file(directory: Path, sources: Iterable[Source], environment: Mapping[str, str]) -> Path:
    """Return the file in a directory for the survey of some sources with some environment variables."""
    return directory / f"{compute_key(_list_dependencies(sources, environment))}{SUFFIX}"


def _list_dependencies(sources: Iterable[Source], environment: Mapping[str, str]) -> Iterator[str | bytes]:
    yield sys.version
    # The files of lambdachain, not its version: its developers change them in between.
    yield from describe_files(Path(lambdachain.__file__).parent)
    # Paths in messages are relative.
    yield str(Path.cwd())
    for source in sources:
        yield from (source.base, source.file, ".".join(source.parts), source.text, source.error)
    yield "environment"
    yield from _list_variables(environment)


def _list_variables(environment: Mapping[str, str]) -> Iterator[str]:
    return (part for variable in sorted(environment.items()) for part in variable)
