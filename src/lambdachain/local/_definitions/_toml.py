"""``lambdachain.toml``: a table per function, with `LocalFunction`'s own names."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._templates.problem import Diagnostic, Location, TemplateError
from lambdachain.local._event_config import EventConfig
from lambdachain.local._function_config import LocalFunction
from lambdachain.local._versions import LocalAlias, LocalVersion

from ._function_builder import FunctionBuilder, Reading, gather

_SETTINGS: Final = tuple(each.name for each in fields(LocalFunction) if each.name != "name")
_TABLES: Final = ("functions", "defaults", "services")


@dataclass(frozen=True, slots=True)
class System:
    """What a ``lambdachain.toml`` says.

    Attributes:
        reading: The functions and the problems.
        services: The addresses of the services that events go to.
    """

    reading: Reading
    services: Mapping[str, str] = field(default_factory=dict[str, str])


def read_toml(text: str, source: str, directory: Path) -> System:
    """Read a ``lambdachain.toml``.

    Args:
        text: The file.
        source: Its name, for problems.
        directory: Where it lies: the functions' directories are below.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return System(Reading(problems=(Diagnostic(Location(source), f"not TOML: {exc}"),)))
    problems = list(_unknown(tree, _TABLES, Location(source)))
    drafts: list[FunctionBuilder] = []
    defaults = tree.get("defaults", {})
    functions = tree.get("functions", {})
    if not is_mapping(functions) or not functions:
        problems.append(Diagnostic(Location(source), "no functions: each is a table such as [functions.orders]"))
        return System(gather(drafts, problems))
    for name, table in functions.items():
        spot = Location(source, f"functions.{name}")
        if is_mapping(table):
            drafts.append(_draft(name, _merged(defaults, table), spot, directory))
        else:
            problems.append(Diagnostic(spot, "must be a table"))
    return System(gather(drafts, problems), tree.get("services", {}))


def _merged(defaults: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    environments = (defaults.get("environment"), table.get("environment"))
    merged = {**defaults, **table}
    if all(is_mapping(environment) for environment in environments):
        merged["environment"] = {**defaults["environment"], **table["environment"]}
    return merged


def _draft(name: str, table: Mapping[str, Any], spot: Location, directory: Path) -> FunctionBuilder:
    draft = FunctionBuilder(name, spot)
    draft.problems += _unknown(table, _SETTINGS, spot)
    for setting, value in {"directory": ".", **table}.items():
        if setting not in _SETTINGS:
            continue
        where = Location(spot.source, f"{spot.key}.{setting}") if setting in table else spot
        try:
            if setting == "runtime":
                draft.set_runtime(str(value), where)
            elif setting == "directory":
                draft.set(setting, str(directory / str(value)), where)
            else:
                draft.set(setting, _PARTS.get(setting, _same)(value, where, directory), where)
        except TemplateError as exc:
            draft.problems.append(exc.problem())
        except (TypeError, ValueError) as exc:
            draft.problems.append(Diagnostic(where, str(exc)))
    return draft


def _unknown(table: Mapping[str, Any], known: Iterable[str], spot: Location) -> Iterable[Diagnostic]:
    choices = list(known)
    for key in table:
        if key not in choices:
            close = get_close_matches(key, choices, 1)
            advice = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(choices)}"
            yield Diagnostic(
                Location(spot.source, f"{spot.key}.{key}".lstrip(".")), f"there is no such setting; {advice}"
            )


def _names(value: Any, spot: Location) -> dict[str, Any]:
    """Read a table whose keys are the user's own."""
    if not is_mapping(value):
        raise TemplateError(spot, "must be a table")
    return dict(value)


def _table(value: Any, spot: Location, known: Iterable[str]) -> dict[str, Any]:
    """Read a table whose keys are settings."""
    table = _names(value, spot)
    for problem in _unknown(table, known, spot):
        raise TemplateError(problem.spot, problem.text)
    return table


def _versions(value: Any, spot: Location, directory: Path) -> dict[str, LocalVersion]:
    known = [each.name for each in fields(LocalVersion)]
    versions: dict[str, LocalVersion] = {}
    for number, differences in _names(value, spot).items():
        table: dict[str, Any] = dict(_table(differences, Location(spot.source, f"{spot.key}.{number}"), known))
        if "directory" in table:
            table["directory"] = directory / str(table["directory"])
        versions[number] = LocalVersion(**table)
    return versions


def _aliases(value: Any, spot: Location, _directory: Path) -> dict[str, LocalAlias | str]:
    aliases: dict[str, LocalAlias | str] = {}
    for name, alias in _names(value, spot).items():
        where = Location(spot.source, f"{spot.key}.{name}")
        aliases[name] = alias if isinstance(alias, str) else LocalAlias(**_table(alias, where, ("version", "routing")))
    return aliases


def _events(value: Any, spot: Location, _directory: Path) -> EventConfig:
    return EventConfig(**_table(value, spot, [each.name for each in fields(EventConfig)]))


def _environment(value: Any, spot: Location, _directory: Path) -> dict[str, Any]:
    return _names(value, spot)


def _same(value: Any, _spot: Location, _directory: Path) -> Any:
    return value


_PARTS: Final[Mapping[str, Callable[[Any, Location, Path], Any]]] = {
    "versions": _versions,
    "aliases": _aliases,
    "events": _events,
    "environment": _environment,
}
