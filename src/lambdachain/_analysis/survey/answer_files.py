"""Files with the answers of surveys: complete or absent, and harmless to read, whoever wrote them."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeAlias

from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.errors import InvalidArnError

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
    UnresolvedCall,
    UnresolvedError,
)

Question: TypeAlias = tuple[str, str, CodeUnit]
"""A function of a survey, the key of the environment variables, and a unit."""

SUFFIX: Final = ".survey"
# Half a million lines of code take a megabyte. What was not used for the longest time is removed first.
_MAX_FILES: Final = 32


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
        found: What its functions have found.
    """

    values: dict[str, Any]
    packages: Mapping[str, str]
    found: dict[Question, Any]


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


def read_answers(file: Path) -> Answers | None:
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


def write_answers(file: Path, answers: Answers) -> None:
    """Write a file, and remove others beyond the number that is kept.

    Raises:
        OSError: It cannot be written.
    """
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(answers)
    content = buffer.getvalue()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Under its own name only when it is complete: other processes may read it, or write the same.
    descriptor, partial_file = tempfile.mkstemp(SUFFIX, dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(hashlib.sha256(content).digest() + content)
        Path(partial_file).replace(file)
    except BaseException:
        Path(partial_file).unlink()
        raise
    _remove_oldest(file.parent)


def _remove_oldest(directory: Path) -> None:
    """Remove the files beyond the number that is kept."""
    files = sorted(directory.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
    for path in files[:-_MAX_FILES]:
        path.unlink(missing_ok=True)
