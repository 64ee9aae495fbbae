"""What ``serve`` serves: find the files, read the functions, and prepare them for this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain.local import LocalFunction, LocalHttpApi
from lambdachain.local._definitions._arguments import is_function, parse_arguments
from lambdachain.local._definitions._env_file import parse_env_file
from lambdachain.local._definitions._function_builder import DeclaredFunction, duplicate_function
from lambdachain.local._definitions._http_apis import declare_http_apis
from lambdachain.local._definitions._preparation import drop_unreachable_targets, prepare_function
from lambdachain.local._definitions._sources import FILES, find_files, read_system
from lambdachain.local._definitions._toml import SystemDefinition


@dataclass(frozen=True, slots=True)
class ServeRequest:
    """The arguments and options that select functions.

    Attributes:
        arguments: Functions and files; if there are none, a file is searched for in the directory.
        directory: The directory to which paths are relative.
        context: Account, region, stage, parameters and variables that files may refer to.
        env_file: A file of variables for every function.
        services: The addresses of services, by boto3's names.
        scratch: Returns a directory for code that is inline in templates.
        http_port: The port of the first HTTP API; ``None`` to serve none.
    """

    arguments: Sequence[str]
    directory: Path
    context: TemplateContext
    env_file: Path | None
    services: Mapping[str, str]
    scratch: Callable[[], Path]
    http_port: int | None = None


@dataclass(frozen=True, slots=True)
class LoadedSystem:
    """The functions to serve, and the problems that were found.

    Attributes:
        functions: The functions, ready to serve.
        declared: The functions as declared, by name.
        problems: Errors and warnings about the declarations.
        services: The addresses of services.
        files: The files that declare all this; a change of one reloads the system.
        described_by: The name of their source, for messages.
        ignored_files: The names of files that declare functions too, and were not read.
        http_apis: The HTTP APIs and function URLs to serve.
    """

    functions: Sequence[LocalFunction]
    declared: Mapping[str, DeclaredFunction]
    problems: Sequence[Diagnostic]
    services: Mapping[str, str]
    files: Sequence[Path] = ()
    described_by: str = ""
    ignored_files: Sequence[str] = field(default=())
    http_apis: Sequence[LocalHttpApi] = field(default=())


def load_system(request: ServeRequest) -> LoadedSystem:
    """Read the functions and files of *request*, and prepare the functions for this machine."""
    files = [request.directory / argument for argument in request.arguments if not is_function(argument)]
    ignored_files: list[Path] = []
    if not request.arguments:
        files, ignored_files = (found := find_files(request.directory))[:1], found[1:]
    if not files and not request.arguments:
        text = f"nothing to serve: pass functions (orders=app.handler), or a file; found none of {', '.join(FILES)}"
        return _failed_with(Diagnostic(Location("lambdachain serve"), text))
    # Functions on the command line come first: of two declarations with one name, the first is served.
    systems = [SystemDefinition(parse_arguments(filter(is_function, request.arguments), request.directory))]
    systems += [read_system(path, request.context) for path in files]
    problems = [problem for system in systems for problem in system.declarations.diagnostics]
    services = {**{name: url for system in systems for name, url in system.services.items()}, **request.services}
    declared = _index_by_name(systems, problems)
    try:
        environment = _read_env_file(request.env_file)
    except TemplateError as exc:
        return _failed_with(exc.to_diagnostic())
    functions: list[LocalFunction] = []
    for each in declared.values():
        ready, more_problems = prepare_function(each, scratch=request.scratch, environment=environment)
        problems += more_problems
        functions += [ready] if ready is not None else []
    # Only now: whether a destination exists depends on which functions can be served.
    functions, more_problems = drop_unreachable_targets(functions, declared, request.context.aws_location, services)
    problems += more_problems
    http_apis = _declare_http_apis(systems, functions, request.http_port, problems)
    return LoadedSystem(
        functions,
        declared,
        [*dict.fromkeys(problems)],  # a problem that many functions share is reported once
        services,
        [*files, *([request.env_file] if request.env_file else [])],
        ", ".join(os.path.relpath(path) for path in files) or "the command line",
        [path.name for path in ignored_files],
        http_apis,
    )


def _declare_http_apis(
    systems: Sequence[SystemDefinition],
    functions: Sequence[LocalFunction],
    first_port: int | None,
    problems: list[Diagnostic],
) -> list[LocalHttpApi]:
    if first_port is None:
        return []
    http_apis, more_problems = declare_http_apis([system.http for system in systems], functions, first_port)
    problems += [each for system in systems for each in system.http.diagnostics]
    problems += more_problems
    if not http_apis:
        text = (
            "--http: no HTTP API to serve: no function has an HTTP event (SAM: Api, HttpApi; serverless.yml: http, "
            "httpApi) or a function URL"
        )
        problems.append(Diagnostic(Location("lambdachain serve"), text, fatal=False))
    return http_apis


def _failed_with(problem: Diagnostic) -> LoadedSystem:
    return LoadedSystem((), {}, (problem,), {})


def _index_by_name(systems: Sequence[SystemDefinition], problems: list[Diagnostic]) -> dict[str, DeclaredFunction]:
    declared: dict[str, DeclaredFunction] = {}
    for each in (each for system in systems for each in system.declarations.functions):
        name = each.function.name
        if name in declared:
            problems.append(duplicate_function(each, declared[name]))
        else:
            declared[name] = each
    return declared


def _read_env_file(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        return parse_env_file(path.read_text(encoding="utf-8-sig"), os.path.relpath(path))
    except (OSError, UnicodeDecodeError) as exc:
        raise TemplateError(Location(os.path.relpath(path)), f"cannot be read: {exc}") from None
