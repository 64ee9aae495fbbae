"""What ``serve`` serves: find the files, read the functions, and prepare them for this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lambdachain._templates.cdk_app import CDK_MANIFEST
from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.exports import connect_templates, find_outermost
from lambdachain.local import LocalFunction, LocalHttpApi
from lambdachain.local._definitions._arguments import is_function, parse_arguments
from lambdachain.local._definitions._build_tools import Toolbox
from lambdachain.local._definitions._builder import MAX_BUILDS, Builder, find_build_files
from lambdachain.local._definitions._env_file import parse_env_file
from lambdachain.local._definitions._function_builder import DeclaredFunction, SkippedFunction, duplicate_function
from lambdachain.local._definitions._http_apis import declare_http_apis
from lambdachain.local._definitions._interpreters import Interpreters
from lambdachain.local._definitions._preparation import Machine, drop_unreachable_targets, prepare_function
from lambdachain.local._definitions._sources import FILES, FoundFiles, find_files, read_system
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
        scratch: Returns a directory for code that is inline in templates or in zip files.
        build_cache: The directory of what is built; ``None`` to serve functions as they are.
        http_port: The port of the first HTTP API; ``None`` to serve none.
        report_progress: Called with a line for each part of a build.
        is_stopped: Whether a signal has asked the process to stop; a build ends then.
    """

    arguments: Sequence[str]
    directory: Path
    context: TemplateContext
    env_file: Path | None
    services: Mapping[str, str]
    scratch: Callable[[], Path]
    build_cache: Path | None = None
    http_port: int | None = None
    report_progress: Callable[[str], None] = lambda _line: None
    is_stopped: Callable[[], bool] = lambda: False


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
        skipped: The functions that are not served, each with the error that says why.
        notices: What to report besides problems, such as which of two templates is served.
        http_apis: The HTTP APIs and function URLs to serve.
    """

    functions: Sequence[LocalFunction]
    declared: Mapping[str, DeclaredFunction]
    problems: Sequence[Diagnostic]
    services: Mapping[str, str]
    files: Sequence[Path] = ()
    described_by: str = ""
    ignored_files: Sequence[str] = field(default=())
    skipped: Sequence[SkippedFunction] = ()
    notices: Sequence[str] = ()
    http_apis: Sequence[LocalHttpApi] = field(default=())


def load_system(request: ServeRequest) -> LoadedSystem:
    """Read the functions and files of *request*, and prepare the functions for this machine."""
    found = _find_arguments(request)
    if not found.files and not any(map(is_function, request.arguments)):
        return _failed_system(Diagnostic(Location("lambdachain serve"), _describe_nothing_found(request)))
    # Functions on the command line come first: of two declarations with one name, the first is served.
    systems = [SystemDefinition(parse_arguments(filter(is_function, request.arguments), request.directory))]
    context = connect_templates(found.files, request.context)
    systems += [read_system(path, context) for path in find_outermost(found.files, context)]
    problems = [problem for system in systems for problem in system.declarations.diagnostics]
    skipped = [each for system in systems for each in system.declarations.skipped]
    services = {**{name: url for system in systems for name, url in system.services.items()}, **request.services}
    declared = _index_by_name(systems, problems)
    try:
        environment = _read_env_file(request.env_file)
    except TemplateError as exc:
        return _failed_system(exc.to_diagnostic())
    interpreters = Interpreters(declared.values())
    machine = Machine(request.scratch, environment, interpreters, _create_builder(request))
    functions, more_problems, more_skipped = _prepare_all(declared.values(), machine)
    problems += more_problems
    # Only now: whether a destination exists depends on which functions can be served.
    functions, more_problems = drop_unreachable_targets(functions, declared, request.context.aws_location, services)
    problems += more_problems
    # A function of an image, for example, may be declared once more, with a directory.
    skipped = [each for each in (*skipped, *more_skipped) if each.name not in {function.name for function in functions}]
    http_apis = _declare_http_apis(systems, functions, request.http_port, problems)
    return LoadedSystem(
        functions,
        declared,
        [*dict.fromkeys(problems)],  # a problem that many functions share is reported once
        services,
        [*_find_watched_files(request, found, systems, declared)],
        ", ".join(os.path.relpath(path) for path in found.files) or "the command line",
        [path.name for path in found.others],
        skipped,
        found.notices,
        http_apis,
    )


def _find_arguments(request: ServeRequest) -> FoundFiles:
    """Return the files that the arguments name, or else those in the directory."""
    use_build = request.build_cache is None
    if not request.arguments:
        return find_files(request.directory, use_build=use_build)
    files: list[Path] = []
    notices: list[str] = []
    for argument in request.arguments:
        path = request.directory / argument
        if is_function(argument):
            continue
        if path.is_dir() and (found := find_files(path, use_build=use_build)).files:
            files += found.files
            notices += found.notices
        else:
            files.append(path)
    return FoundFiles(files, [], notices)


def _describe_nothing_found(request: ServeRequest) -> str:
    files = ", ".join((*FILES, str(CDK_MANIFEST)))
    hint = "; cdk.json is here: run cdk synth first" if (request.directory / "cdk.json").is_file() else ""
    return f"nothing to serve: pass functions (orders=app.handler), or a file; found none of {files}{hint}"


def _create_builder(request: ServeRequest) -> Builder | None:
    if request.build_cache is None:
        return None
    return Builder(request.build_cache, request.scratch, request.report_progress, Toolbox(request.is_stopped))


def _prepare_all(
    declared: Iterable[DeclaredFunction], machine: Machine
) -> tuple[list[LocalFunction], list[Diagnostic], list[SkippedFunction]]:
    functions: list[LocalFunction] = []
    problems: list[Diagnostic] = []
    skipped: list[SkippedFunction] = []
    declared = list(declared)
    # One after the other, unless there are builds, which wait for installers.
    with ThreadPoolExecutor(1 if machine.builder is None else MAX_BUILDS) as pool:
        prepared = list(pool.map(partial(prepare_function, machine=machine), declared))
    for each, (ready, found) in zip(declared, prepared, strict=True):
        problems += found
        if ready is not None:
            functions.append(ready)
        else:
            skipped.append(SkippedFunction(each.function.name, next(each for each in found if each.fatal)))
    return functions, problems, skipped


def _find_watched_files(
    request: ServeRequest,
    found: FoundFiles,
    systems: Sequence[SystemDefinition],
    declared: Mapping[str, DeclaredFunction],
) -> Iterator[Path]:
    """Yield the files whose change reloads the system: declarations, zip files, and what is built."""
    yield from found.files
    yield from (path for system in systems for path in system.files)
    yield from [request.env_file] if request.env_file else []
    for each in declared.values():
        code = Path(each.function.directory)
        yield from (path for path in (code, *each.layers) if path.is_file())
        if request.build_cache is not None:
            yield from find_build_files(each.function, each.layers)


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
    if not http_apis and functions:
        # Routes whose functions are not served are reported one by one.
        text = "--http: no HTTP API to serve: none of the routes can be served"
        if not any(system.http.apis or system.http.diagnostics for system in systems):
            text = (
                "--http: no HTTP API to serve: no function has an HTTP event (SAM: Api, HttpApi; serverless.yml: http, "
                "httpApi) or a function URL"
            )
        problems.append(Diagnostic(Location("lambdachain serve"), text, fatal=False))
    return http_apis


def _failed_system(problem: Diagnostic) -> LoadedSystem:
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
