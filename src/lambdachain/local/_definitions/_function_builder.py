"""A function while it is being read: its settings one by one, each with the place where it is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambdachain._templates.problem import Diagnostic, Location, TemplateError
from lambdachain.local._event_config import EventConfig
from lambdachain.local._function_config import LocalFunction, RuntimeKind

# Lambda's names of the runtimes that can be served: what they begin with, and what serves them.
_RUNTIMES: Final[Mapping[str, RuntimeKind]] = {"python": "python", "nodejs": "nodejs", "provided": "provided"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A function, and where each of its settings is written.

    Attributes:
        function: The function.
        spots: Where each of `LocalFunction`'s settings is written; the function itself at ``name``.
        runtime: Lambda's name of its runtime, such as ``python3.13``, where one is stated.
        inline: Its source, where the template holds it instead of naming a directory.
    """

    function: LocalFunction
    spots: Mapping[str, Location] = field(hash=False)
    runtime: str | None = None
    inline: str | None = field(default=None, repr=False)

    def spot(self, setting: str) -> Location:
        """Describe where *setting*, one of `LocalFunction`'s, is written; or the function, where the setting is not."""
        return self.spots.get(setting) or self.spots["name"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the functions that can be served, and what is wrong with the others."""

    declared: tuple[Declared, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


class FunctionBuilder:
    """Gathers the settings of a function, and the problems with them."""

    def __init__(self, name: str, spot: Location) -> None:
        self.name = name
        self.problems: list[Diagnostic] = []
        self.runtime: str | None = None
        self.inline: str | None = None
        self._settings: dict[str, Any] = {}
        self._spots: dict[str, Location] = {"name": spot}

    def set(self, setting: str, value: Any, spot: Location) -> None:
        """State a setting of `LocalFunction`; one of the wrong type is a problem."""
        self._spots[setting] = spot
        try:
            self._settings[setting] = _READERS.get(setting, _as_is)(value)
        except (TypeError, ValueError) as exc:
            self.problems.append(Diagnostic(spot, f"{exc}, not {value!r}"))

    def set_runtime(self, runtime: str, spot: Location) -> None:
        """State Lambda's name of the runtime, such as ``python3.13``."""
        self.runtime = runtime
        kind = next((kind for start, kind in _RUNTIMES.items() if runtime.startswith(start)), None)
        if kind is None:
            self.problems.append(
                Diagnostic(spot, f"runtime {runtime!r} is not served here: python, nodejs and provided are")
            )
        else:
            self.set("runtime", kind, spot)

    def set_events(self, settings: Mapping[str, Any], spot: Location, **apart: Location) -> None:
        """State the settings of `EventConfig`; without them where they are wrong.

        Args:
            settings: The settings.
            spot: Where they are written.
            apart: Where those are that are written elsewhere.
        """
        self._spots.update(apart)
        try:
            self.set("events", EventConfig(**settings), spot)
        except (TypeError, ValueError) as exc:
            self.problems.append(Diagnostic(spot, f"{exc}; left out", fatal=False))

    def stated(self, setting: str) -> Any:
        """Return what a setting is so far, or ``None``."""
        return self._settings.get(setting)

    def declared(self) -> Declared | None:
        """Return the function, or ``None`` where something stands against serving it."""
        if any(problem.fatal for problem in self.problems):
            return None
        spot = self._spots["name"]
        if "handler" not in self._settings and self.stated("runtime") != "provided":
            self.problems.append(Diagnostic(spot, "no handler"))
            return None
        try:
            function = LocalFunction(self.name, self._settings.pop("handler", ""), **self._settings)
        except ValueError as exc:
            text = str(exc).removeprefix(f"function {self.name!r}: ")
            self.problems.append(Diagnostic(self._spot_of(text), text))
            return None
        return Declared(function, self._spots, self.runtime, self.inline)

    def _spot_of(self, text: str) -> Location:
        """Find the setting that a message of `LocalFunction`'s is about: it begins with its name."""
        start = re.match(r"\w+", text)
        word = start[0] if start else ""
        return next(
            (spot for setting, spot in self._spots.items() if setting in (word, f"{word}s", f"{word}es")),
            self._spots["name"],
        )


def gather(drafts: list[FunctionBuilder], problems: list[Diagnostic]) -> Reading:
    """Make functions of drafts; a name that is there already is a problem."""
    declared: dict[str, Declared] = {}
    for draft in drafts:
        function = draft.declared()
        problems.extend(draft.problems)
        if function is None:
            continue
        if (other := declared.get(draft.name)) is not None:
            twice = f"function {draft.name!r} is declared twice: {other.spot('name')} is the one that is served"
            problems.append(Diagnostic(function.spot("name"), twice))
        else:
            declared[draft.name] = function
    return Reading(tuple(declared.values()), tuple(problems))


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError("must be a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError("must be a number") from None


def _whole(value: Any) -> int:
    number = _number(value)
    if not number.is_integer():
        raise ValueError("must be a whole number")
    return int(number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("must be text")
    return value


def _as_is(value: Any) -> Any:
    return value


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "directory": lambda value: Path(_text(value)),
    "handler": _text,
    "memory": _whole,
    "max_sandboxes": _whole,
    "python": _text,
    "reserved_concurrency": _whole,
    "timeout": _number,
}

__all__ = ["Declared", "FunctionBuilder", "Reading", "TemplateError", "gather"]
