"""Build a function from settings that are read one by one, each with the location where it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambdachain._templates.diagnostics import Diagnostic, Location
from lambdachain._templates.functions import to_number
from lambdachain.local._event_config import EventConfig
from lambdachain.local._function_config import LocalFunction, RuntimeKind

# What Lambda's names of the runtimes that can be served start with, and what serves them.
_RUNTIMES: Final[Mapping[str, RuntimeKind]] = {"python": "python", "nodejs": "nodejs", "provided": "provided"}


@dataclass(frozen=True, slots=True)
class DeclaredFunction:
    """A function, and where each of its settings is written.

    Attributes:
        function: The function.
        locations: Where each of `LocalFunction`'s settings is written; the function itself under ``name``.
        runtime: Lambda's name of its runtime, such as ``python3.13``, if one is set.
        inline: Its source, if the template contains it instead of naming a directory.
        layers: The directories and zip files of its layers.
    """

    function: LocalFunction
    locations: Mapping[str, Location] = field(hash=False)
    runtime: str | None = None
    inline: str | None = field(default=None, repr=False)
    layers: tuple[Path, ...] = ()

    def location(self, setting: str) -> Location:
        """Return where *setting*, one of `LocalFunction`'s, is written; where the function is, if it is not set."""
        return self.locations.get(setting) or self.locations["name"]


@dataclass(frozen=True, slots=True)
class SkippedFunction:
    """A function that is not served, and the error that says why."""

    name: str
    reason: Diagnostic


@dataclass(frozen=True, slots=True)
class Declarations:
    """The functions of a file that can be served, the others, and what is wrong with all of them."""

    functions: tuple[DeclaredFunction, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    skipped: tuple[SkippedFunction, ...] = ()


class FunctionBuilder:
    """Collects the settings of a function, and what is wrong with them."""

    def __init__(self, name: str, location: Location) -> None:
        self.name = name
        self.diagnostics: list[Diagnostic] = []
        self.inline: str | None = None
        self.layers: tuple[Path, ...] = ()
        self._runtime: str | None = None
        self._settings: dict[str, Any] = {}
        self._locations: dict[str, Location] = {"name": location}

    def set(self, setting: str, value: Any, location: Location) -> None:
        """Set a setting of `LocalFunction`; a value of the wrong type is reported."""
        self._locations[setting] = location
        try:
            self._settings[setting] = _CONVERTERS.get(setting, _identity)(value)
        except (TypeError, ValueError) as exc:
            self.diagnostics.append(Diagnostic(location, f"{exc}, not {value!r}"))

    def set_runtime(self, runtime: str, location: Location) -> None:
        """Set Lambda's name of the runtime, such as ``python3.13``."""
        self._runtime = runtime
        kind = next((kind for start, kind in _RUNTIMES.items() if runtime.startswith(start)), None)
        if kind is None:
            text = f"runtime {runtime!r} cannot be served: only python, nodejs and provided can"
            self.diagnostics.append(Diagnostic(location, text))
        else:
            self.set("runtime", kind, location)

    def set_events(self, settings: Mapping[str, Any], location: Location, **locations: Location) -> None:
        """Set the settings of `EventConfig`, or none of them if one is wrong.

        Args:
            settings: The settings.
            location: Where they are written.
            locations: Where those are written that are elsewhere.
        """
        self._locations.update(locations)
        try:
            self.set("events", EventConfig(**settings), location)
        except (TypeError, ValueError) as exc:
            # The function can do its work without: only what happens after it failed differs.
            self.diagnostics.append(Diagnostic(location, f"{exc}; left out", fatal=False))

    def build(self) -> DeclaredFunction | None:
        """Return the function, or ``None`` if something keeps it from being served."""
        # First, or a function without its code would be reported for its missing handler too.
        if any(diagnostic.fatal for diagnostic in self.diagnostics):
            return None
        if "handler" not in self._settings and self._settings.get("runtime") != "provided":
            self.diagnostics.append(Diagnostic(self._locations["name"], "no handler"))
            return None
        try:
            function = LocalFunction(self.name, self._settings.pop("handler", ""), **self._settings)
        except ValueError as exc:
            text = str(exc).removeprefix(f"function {self.name!r}: ")
            self.diagnostics.append(Diagnostic(self._location_for(text), text))
            return None
        return DeclaredFunction(function, self._locations, self._runtime, self.inline, self.layers)

    def _location_for(self, text: str) -> Location:
        """Return the location of the setting that a message of `LocalFunction` is about: it starts with its name."""
        # A message may be about one of several: "alias 'live' ..." and "environment variable 'A' ..." belong to the
        # settings `aliases` and `environment`.
        start = re.match(r"\w+", text)
        word = start[0] if start else ""
        return next(
            (location for setting, location in self._locations.items() if setting in (word, f"{word}s", f"{word}es")),
            self._locations["name"],
        )


def build_functions(
    builders: list[FunctionBuilder], diagnostics: list[Diagnostic], skipped: Iterable[SkippedFunction] = ()
) -> Declarations:
    """Build the functions; the second of the same name is reported and not served.

    Args:
        builders: The functions.
        diagnostics: What is wrong with the file.
        skipped: The functions that cannot even be built.
    """
    declared: dict[str, DeclaredFunction] = {}
    not_served = [*skipped]
    found = [*diagnostics, *(each.reason for each in not_served)]
    for builder in builders:
        function = builder.build()
        found += builder.diagnostics
        if function is None:
            reason = next(diagnostic for diagnostic in builder.diagnostics if diagnostic.fatal)
            not_served.append(SkippedFunction(builder.name, reason))
        elif (other := declared.get(builder.name)) is not None:
            found.append(duplicate_function(function, other))
        else:
            declared[builder.name] = function
    return Declarations(tuple(declared.values()), tuple(found), tuple(not_served))


def merge_declarations(parts: Iterable[Declarations], diagnostics: Iterable[Diagnostic]) -> Declarations:
    """Merge the declarations of several templates; the second function of the same name is not served.

    Args:
        parts: The declarations, the most important first.
        diagnostics: What is wrong besides.
    """
    declared: dict[str, DeclaredFunction] = {}
    skipped: list[SkippedFunction] = []
    found = [*diagnostics]
    for part in parts:
        found += part.diagnostics
        skipped += part.skipped
        for function in part.functions:
            if (other := declared.setdefault(function.function.name, function)) is not function:
                found.append(duplicate_function(function, other))
    return Declarations(tuple(declared.values()), tuple(found), tuple(skipped))


def duplicate_function(function: DeclaredFunction, served: DeclaredFunction) -> Diagnostic:
    """Report a function whose name is that of another, which is served."""
    text = f"duplicate function {function.function.name!r}: {served.location('name')} is served instead"
    return Diagnostic(function.location("name"), text)


def _to_whole_number(value: Any) -> int:
    number = to_number(value)
    if not number.is_integer():
        raise ValueError("must be a whole number")
    return int(number)


def _to_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    return value


def _identity(value: Any) -> Any:
    return value


_CONVERTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "directory": lambda value: Path(_to_text(value)),
    "handler": _to_text,
    "memory": _to_whole_number,
    "max_sandboxes": _to_whole_number,
    "python": _to_text,
    "reserved_concurrency": _to_whole_number,
    "timeout": to_number,
}
