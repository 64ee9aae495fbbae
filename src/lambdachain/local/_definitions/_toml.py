"""Parse a ``lambdachain.toml``: a table for each function, with the names of `LocalFunction`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.http_routes import HttpDefinitions
from lambdachain.local._event_config import EventConfig
from lambdachain.local._function_config import LocalFunction
from lambdachain.local._versions import LocalAlias, LocalVersion

from ._function_builder import Declarations, FunctionBuilder, build_functions

_SETTINGS: Final = tuple(each.name for each in fields(LocalFunction) if each.name != "name")
_TABLES: Final = ("functions", "defaults", "services")


@dataclass(frozen=True, slots=True)
class SystemDefinition:
    """A system as a file defines it.

    Attributes:
        declarations: The functions, and what is wrong with the file.
        services: The addresses of the services that events go to, which only a ``lambdachain.toml`` has.
        http: The HTTP APIs and function URLs, which only a template or a ``serverless.yml`` has.
        files: The files that it was read from besides, such as the templates of nested stacks.
    """

    declarations: Declarations
    services: Mapping[str, str] = field(default_factory=dict[str, str])
    http: HttpDefinitions = field(default_factory=HttpDefinitions)
    files: tuple[Path, ...] = ()


def parse_toml(text: str, source: str, directory: Path) -> SystemDefinition:
    """Parse a ``lambdachain.toml``.

    Args:
        text: The file's text.
        source: The file's name.
        directory: The file's directory, which the functions' directories are relative to.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        return SystemDefinition(Declarations(diagnostics=(Diagnostic(Location(source), f"not valid TOML: {exc}"),)))
    diagnostics = list(_find_unknown_keys(tree, _TABLES, Location(source)))
    builders: list[FunctionBuilder] = []
    defaults = tree.get("defaults", {})
    functions = tree.get("functions", {})
    if not is_mapping(functions) or not functions:
        diagnostics.append(
            Diagnostic(Location(source), "no functions: add a table for each, such as [functions.orders]")
        )
        return SystemDefinition(build_functions(builders, diagnostics))
    for name, table in functions.items():
        location = Location(source, f"functions.{name}")
        if is_mapping(table):
            builders.append(_to_builder(name, _with_defaults(table, defaults), location, directory))
        else:
            diagnostics.append(Diagnostic(location, "must be a table"))
    return SystemDefinition(build_functions(builders, diagnostics), tree.get("services", {}))


def _with_defaults(table: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    environments = (defaults.get("environment"), table.get("environment"))
    merged = {**defaults, **table}
    # Environments are merged, as in SAM's Globals; any other setting replaces the default.
    if all(is_mapping(environment) for environment in environments):
        merged["environment"] = {**defaults["environment"], **table["environment"]}
    return merged


def _to_builder(name: str, table: Mapping[str, Any], location: Location, directory: Path) -> FunctionBuilder:
    builder = FunctionBuilder(name, location)
    builder.diagnostics += _find_unknown_keys(table, _SETTINGS, location)
    for setting, value in {"directory": ".", **table}.items():
        # Reported above, with a suggestion.
        if setting not in _SETTINGS:
            continue
        where = Location(location.source, f"{location.key}.{setting}") if setting in table else location
        try:
            if setting == "runtime":
                builder.set_runtime(str(value), where)
            elif setting == "directory":
                builder.set(setting, str(directory / str(value)), where)
            else:
                builder.set(setting, _CONVERTERS.get(setting, _identity)(value, where, directory), where)
        except TemplateError as exc:
            builder.diagnostics.append(exc.to_diagnostic())
        except (TypeError, ValueError) as exc:
            builder.diagnostics.append(Diagnostic(where, str(exc)))
    return builder


def _find_unknown_keys(table: Mapping[str, Any], known: Iterable[str], location: Location) -> Iterable[Diagnostic]:
    choices = list(known)
    for key in table:
        if key not in choices:
            close = get_close_matches(key, choices, 1)
            advice = f"did you mean {close[0]!r}?" if close else f"the settings are {', '.join(choices)}"
            yield Diagnostic(
                Location(location.source, f"{location.key}.{key}".lstrip(".")), f"unknown setting; {advice}"
            )


def _to_table(value: Any, location: Location) -> dict[str, Any]:
    """Return a table whose keys are the user's own."""
    if not is_mapping(value):
        raise TemplateError(location, "must be a table")
    return dict(value)


def _to_settings(value: Any, location: Location, known: Iterable[str]) -> dict[str, Any]:
    """Return a table whose keys are settings."""
    table = _to_table(value, location)
    for diagnostic in _find_unknown_keys(table, known, location):
        raise TemplateError(diagnostic.location, diagnostic.text)
    return table


def _to_versions(value: Any, location: Location, directory: Path) -> dict[str, LocalVersion]:
    known = [each.name for each in fields(LocalVersion)]
    versions: dict[str, LocalVersion] = {}
    for number, differences in _to_table(value, location).items():
        table: dict[str, Any] = dict(
            _to_settings(differences, Location(location.source, f"{location.key}.{number}"), known)
        )
        if "directory" in table:
            table["directory"] = directory / str(table["directory"])
        versions[number] = LocalVersion(**table)
    return versions


def _to_aliases(value: Any, location: Location, _directory: Path) -> dict[str, LocalAlias | str]:
    aliases: dict[str, LocalAlias | str] = {}
    for name, alias in _to_table(value, location).items():
        where = Location(location.source, f"{location.key}.{name}")
        aliases[name] = (
            alias if isinstance(alias, str) else LocalAlias(**_to_settings(alias, where, ("version", "routing")))
        )
    return aliases


def _to_events(value: Any, location: Location, _directory: Path) -> EventConfig:
    return EventConfig(**_to_settings(value, location, [each.name for each in fields(EventConfig)]))


def _to_environment(value: Any, location: Location, _directory: Path) -> dict[str, Any]:
    return _to_table(value, location)


def _identity(value: Any, _location: Location, _directory: Path) -> Any:
    return value


_CONVERTERS: Final[Mapping[str, Callable[[Any, Location, Path], Any]]] = {
    "versions": _to_versions,
    "aliases": _to_aliases,
    "events": _to_events,
    "environment": _to_environment,
}
