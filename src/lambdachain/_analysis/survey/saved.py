"""Keep the answers of surveys between runs, so that code which has not changed is not parsed and evaluated again.

Answers are kept under a key of all that they depend on: the files with their text, the environment variables, the
versions of Python and of lambdachain. Which installed packages they depend on is known only afterwards, so the versions
of these are kept with the answers, and compared before one is used. A question that is new is answered by a new survey.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import lambdachain
from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.user_cache import compute_key

from .installed import InstalledPackages, describe_files
from .results import (
    CallMode,
    CallSite,
    CodeUnit,
    DeclaredContract,
    DeclaredHandler,
    Resolution,
    RoutedQueue,
    SourceLocation,
    SourceSchema,
    Survey,
    UnresolvedCall,
    UnresolvedError,
)
from .sources import Source

T = TypeVar("T")

_Calls: TypeAlias = tuple[CallSite | UnresolvedCall, ...]
_Question: TypeAlias = tuple[str, str, CodeUnit]

_SUFFIX: Final = ".survey"
# Half a million lines of code take some megabytes. What was not used for the longest time is removed first.
_MAX_FILES: Final = 32
# Of a survey's fields, those that are values; the others are functions.
_VALUES: Final = ("contracts", "handlers", "calls", "unresolved", "units", "roots")


@dataclass(frozen=True, slots=True)
class KnownSchema:
    """The schemas of a type, which were read before."""

    schema: SourceSchema

    def __call__(self) -> SourceSchema:
        return self.schema


@dataclass(frozen=True, slots=True)
class KnownName:
    """The deployed name of the one function that a call names, or why the code does not determine it."""

    deployed: str
    why: str = ""

    def __call__(self, _name: str) -> str:
        if self.why:
            raise UnresolvedError(self.why)
        return self.deployed


@dataclass(slots=True)
class Answers:
    """What a survey has answered so far.

    Attributes:
        values: The fields of the survey that are values.
        packages: The versions of the installed packages that the answers depend on, by top-level name.
        found: What its functions have found: by function, key of the environment variables, and unit.
    """

    values: dict[str, Any]
    packages: Mapping[str, str]
    found: dict[_Question, Any]


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
        known = _read(file)
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

    def _find(self, question: _Question, compute: Callable[[], T]) -> T:
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
            self._file.parent.mkdir(parents=True, exist_ok=True)
            _write(self._file, replace(self._answers, packages=dict(self._installed.versions)))
            self._is_saved = True
            _remove_oldest(self._file.parent)


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
    return directory / f"{compute_key(_list_dependencies(sources, environment))}{_SUFFIX}"


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


class _Pickler(pickle.Pickler):
    """Writes, in place of a function in a result, what it returns."""

    def reducer_override(self, obj: Any) -> Any:
        match obj:
            case CallSite(resolution=Resolution(resolve=resolve)) if resolve is not None:
                return _reduce(obj, resolution=_resolve_now(obj, resolve))
            case DeclaredContract(schemas=schemas):
                return _reduce(obj, schemas={name: KnownSchema(read()) for name, read in schemas.items()})
            case _:
                return NotImplemented


def _reduce(result: CallSite | DeclaredContract, **changed: Any) -> tuple[type[Any], tuple[Any, ...]]:
    names = [one.name for one in fields(result)]
    return type(result), tuple(changed[name] if name in changed else getattr(result, name) for name in names)


def _resolve_now(call: CallSite, resolve: Callable[[str], str]) -> Resolution:
    try:
        name, _ = split_qualifier(call.function, None, InvalidArnError)
        known = KnownName(resolve(name))
    except (UnresolvedError, InvalidArnError) as exc:
        known = KnownName("", str(exc))
    return Resolution(known, call.resolution.description, call.resolution.queues)


_CLASSES: Final = {
    (each.__module__, each.__name__): each
    for each in (
        *(Answers, KnownName, KnownSchema, CallMode, CallSite, CodeUnit, DeclaredContract, DeclaredHandler),
        *(Resolution, RoutedQueue, SourceLocation, SourceSchema, UnresolvedCall),
    )
}


class _Unpickler(pickle.Unpickler):
    """Creates results and nothing else: a file from elsewhere must not run code, as other pickles can."""

    def find_class(self, module: str, name: str) -> Any:
        return _CLASSES[module, name]


def _read(file: Path) -> Answers | None:
    """Return what a file has; ``None`` if it does not exist, or is damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    size = hashlib.sha256().digest_size
    if hashlib.sha256(content[size:]).digest() != content[:size]:
        return None
    try:
        answers = _Unpickler(io.BytesIO(content[size:])).load()
    # What others have written may be a pickle of anything.
    except Exception:  # noqa: BLE001
        return None
    return answers if isinstance(answers, Answers) else None


def _write(file: Path, answers: Answers) -> None:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(answers)
    content = buffer.getvalue()
    # Under its own name only when it is complete: other processes may read it, or write the same.
    descriptor, partial_file = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(hashlib.sha256(content).digest() + content)
        Path(partial_file).replace(file)
    except BaseException:
        Path(partial_file).unlink()
        raise


def _remove_oldest(directory: Path) -> None:
    """Remove the files beyond the number that is kept."""
    files = sorted(directory.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for path in files[:-_MAX_FILES]:
        path.unlink(missing_ok=True)
