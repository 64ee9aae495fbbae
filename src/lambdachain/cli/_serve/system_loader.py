"""What ``serve`` shall serve: found, read, and made ready for this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambdachain._templates.problem import Diagnostic, Location, TemplateError
from lambdachain._templates.surroundings import Surroundings
from lambdachain.local import LocalFunction
from lambdachain.local._definitions._arguments import is_function, read_arguments
from lambdachain.local._definitions._env_file import read_env_file
from lambdachain.local._definitions._function_builder import Declared
from lambdachain.local._definitions._ready import make_ready, within_reach
from lambdachain.local._definitions._sources import FILES, find_files, read_file
from lambdachain.local._definitions._toml import System


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asks for.

    Attributes:
        arguments: Functions and files; without any, the directory is searched for a file.
        directory: Where everything is relative to.
        around: What files may refer to.
        env_file: A file of variables for every function.
        services: The addresses of services, by boto3's names.
        scratch: Gives a directory for code that templates hold themselves.
    """

    arguments: Sequence[str]
    directory: Path
    around: Surroundings
    env_file: Path | None
    services: Mapping[str, str]
    scratch: Callable[[], Path]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to serve.

    Attributes:
        functions: The functions, ready to be served.
        declared: The same as they are declared, by name.
        problems: What is wrong.
        services: The addresses of services.
        files: The files that say all this.
        described_by: What to call them together.
        passed_over: Files that describe a system too, and were not read.
    """

    functions: Sequence[LocalFunction]
    declared: Mapping[str, Declared]
    problems: Sequence[Diagnostic]
    services: Mapping[str, str]
    files: Sequence[Path] = ()
    described_by: str = ""
    passed_over: Sequence[str] = field(default=())


def find_system(wanted: Wanted) -> Found:
    """Read everything that the user asks for."""
    files = [wanted.directory / argument for argument in wanted.arguments if not is_function(argument)]
    passed_over: list[Path] = []
    if not wanted.arguments:
        files, passed_over = (found := find_files(wanted.directory))[:1], found[1:]
    if not files and not wanted.arguments:
        text = f"nothing to serve here: name functions (orders=app.handler), or write one of {', '.join(FILES)}"
        return _nothing(Diagnostic(Location("lambdachain serve"), text))
    systems = [System(read_arguments(filter(is_function, wanted.arguments), wanted.directory))]
    systems += [read_file(path, wanted.around) for path in files]
    problems = [problem for system in systems for problem in system.reading.problems]
    services = {**{name: url for system in systems for name, url in system.services.items()}, **wanted.services}
    declared = _by_name(systems, problems)
    try:
        environment = _environment(wanted.env_file)
    except TemplateError as exc:
        return _nothing(exc.problem())
    functions: list[LocalFunction] = []
    for each in declared.values():
        ready, found_wrong = make_ready(each, scratch=wanted.scratch, environment=environment)
        problems += found_wrong
        functions += [ready] if ready is not None else []
    functions, found_wrong = within_reach(functions, declared, wanted.around.place, services)
    problems += found_wrong
    return Found(
        functions,
        declared,
        [*dict.fromkeys(problems)],  # one that many functions share is told once
        services,
        [*files, *([wanted.env_file] if wanted.env_file else [])],
        ", ".join(os.path.relpath(path) for path in files) or "the command line",
        [path.name for path in passed_over],
    )


def _nothing(problem: Diagnostic) -> Found:
    return Found((), {}, (problem,), {})


def _by_name(systems: Sequence[System], problems: list[Diagnostic]) -> dict[str, Declared]:
    declared: dict[str, Declared] = {}
    for each in (each for system in systems for each in system.reading.declared):
        name = each.function.name
        if name in declared:
            text = f"function {name!r} is declared twice: {declared[name].spot('name')} is the one that is served"
            problems.append(Diagnostic(each.spot("name"), text))
        else:
            declared[name] = each
    return declared


def _environment(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        return read_env_file(path.read_text(encoding="utf-8-sig"), os.path.relpath(path))
    except (OSError, UnicodeDecodeError) as exc:
        raise TemplateError(Location(os.path.relpath(path)), f"cannot be read: {exc}") from None
