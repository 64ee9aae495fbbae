"""Prepare declared functions for this machine: directories, interpreters, targets of events."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.diagnostics import Diagnostic
from lambdachain.local._event_config import EventConfig, service_from_arn
from lambdachain.local._event_destinations import check_destinations
from lambdachain.local._function_config import LocalFunction, with_absolute_directories
from lambdachain.local._runtimes import runtime_for

from ._builder import Builder, BuildError, BuiltFunction
from ._function_builder import DeclaredFunction
from ._interpreters import OWN_VERSION, Interpreters, needs_other_version
from ._layers import with_search_paths
from ._packages import ZIP_SUFFIXES, unpack

# Lambda writes inline code to a file of this name.
_INLINE_FILES: Final[Mapping[str, str]] = {"python": "index.py", "nodejs": "index.js"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has for functions.

    Attributes:
        scratch: Returns a temporary directory for inline code and unpacked files.
        environment: Variables that take precedence over the functions' own.
        interpreters: The interpreters of the functions.
        builder: Builds functions; ``None`` if they are served as they are.
    """

    scratch: Callable[[], Path]
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    interpreters: Interpreters = field(default_factory=Interpreters)
    builder: Builder | None = None


def prepare_function(declared: DeclaredFunction, machine: Machine) -> tuple[LocalFunction | None, list[Diagnostic]]:
    """Return a function as this machine runs it, or ``None`` if it cannot be served, and what is wrong with it."""
    function = replace(declared.function, environment={**declared.function.environment, **machine.environment})
    diagnostics: list[Diagnostic] = []
    setting = "directory"
    try:
        function = with_absolute_directories(_with_directory(function, declared, machine))
        setting = "runtime"
        function = _choose_interpreter(function, declared, machine.interpreters, diagnostics)
        runtime_for(function)
    except ValueError as exc:
        text = str(exc).removeprefix(f"function {function.name!r}: ")
        if declared.inline is None and not Path(function.directory).exists():
            # As declared, not as the absolute path with all links resolved.
            kind = "file" if Path(function.directory).suffix in ZIP_SUFFIXES else "directory"
            text = f"{kind} {str(function.directory)!r} does not exist"
        return None, [*diagnostics, Diagnostic(declared.location(setting), text)]
    layers = list(_find_layers(declared, machine, diagnostics))
    try:
        built = BuiltFunction(function) if machine.builder is None else machine.builder.build(function, layers)
    except BuildError as exc:
        return None, [*diagnostics, Diagnostic(declared.location("directory"), str(exc))]
    return with_search_paths(built.function, layers, built.python_packages, built.node_packages), diagnostics


def _with_directory(function: LocalFunction, declared: DeclaredFunction, machine: Machine) -> LocalFunction:
    """Return a function whose code is in directories: inline code is written to one, and zip files are unpacked.

    Raises:
        ValueError: There is no code, or it cannot be unpacked or written.
    """
    if declared.inline is not None:
        try:
            return _write_inline_code(function, declared.inline, machine.scratch())
        except OSError as exc:
            raise ValueError(f"the inline code cannot be written to a file: {exc}") from None
    versions = {
        number: replace(version, directory=_unpack_file(version.directory, machine)) if version.directory else version
        for number, version in function.versions.items()
    }
    return replace(function, directory=_unpack_file(function.directory, machine), versions=versions)


def _unpack_file(path: str | Path, machine: Machine) -> Path:
    path = Path(path)
    if not path.is_file():
        return path
    try:
        return unpack(path, machine.scratch())
    except OSError as exc:
        raise ValueError(f"{str(path)!r} cannot be unpacked: {exc}") from None


def _find_layers(declared: DeclaredFunction, machine: Machine, diagnostics: list[Diagnostic]) -> Iterator[Path]:
    """Yield the directories of the layers; a zip file is unpacked."""
    for layer in declared.layers:
        try:
            directory = _unpack_file(layer, machine)
        except ValueError as exc:
            text = f"layer {exc}; the layer is left out"
            diagnostics.append(Diagnostic(declared.location("name"), text, fatal=False))
            continue
        if not directory.is_dir():
            text = f"layer {str(layer)!r} does not exist"
            diagnostics.append(Diagnostic(declared.location("name"), text, fatal=False))
        # One that does not exist is found when it is built later.
        yield directory


def _write_inline_code(function: LocalFunction, source: str, scratch: Path) -> LocalFunction:
    directory = scratch / function.name
    # A reload prepares the function again, in the same directory.
    directory.mkdir(exist_ok=True)
    (directory / _INLINE_FILES.get(function.runtime, "index")).write_text(source, encoding="utf-8")
    return replace(function, directory=directory)


def _choose_interpreter(
    function: LocalFunction, declared: DeclaredFunction, interpreters: Interpreters, diagnostics: list[Diagnostic]
) -> LocalFunction:
    """Choose an interpreter of the declared version, or this one if none with a runtime client is installed."""
    if function.runtime == "python" and (failure := interpreters.get_failure(function.python)) is not None:
        raise ValueError(failure)
    if not needs_other_version(declared):
        return function
    # The interpreter is used only if it can run functions: a system often has one without any packages.
    if (found := interpreters.find_version(str(declared.runtime))) is not None:
        return replace(function, python=found)
    text = f"{OWN_VERSION} runs the function; {interpreters.explain_missing(str(declared.runtime))}"
    diagnostics.append(Diagnostic(declared.location("runtime"), text, fatal=False))
    return function


def drop_unreachable_targets(
    functions: Sequence[LocalFunction],
    declared: Mapping[str, DeclaredFunction],
    aws_location: AwsLocation,
    services: Collection[str],
) -> tuple[list[LocalFunction], list[Diagnostic]]:
    """Leave out the targets of events that this endpoint cannot reach, and report them.

    Args:
        functions: The functions that are served.
        declared: The same functions as they are declared, by name.
        aws_location: The account and the region.
        services: The services, by boto3's names, that have an address.
    """
    # check_destinations() checks all functions together; without the events of the others, it checks this one target.
    without_events = {function.name: replace(function, events=EventConfig()) for function in functions}
    reachable: list[LocalFunction] = []
    diagnostics: list[Diagnostic] = []
    for function in functions:
        lost = [
            name
            for name in function.events.targets
            if not _can_reach(function, name, without_events, aws_location, services)
        ]
        for name in lost:
            text = f"{name} goes to {_describe_unreachable(function.events.targets[name])}; left out"
            own = declared[function.name]
            diagnostics.append(Diagnostic(own.locations.get(name) or own.location("events"), text, fatal=False))
        events: dict[str, Any] = dict.fromkeys(lost)
        reachable.append(replace(function, events=replace(function.events, **events)))
    return reachable, diagnostics


def _can_reach(
    function: LocalFunction,
    target: str,
    others: Mapping[str, LocalFunction],
    aws_location: AwsLocation,
    services: Collection[str],
) -> bool:
    only: dict[str, Any] = {target: function.events.targets[target]}
    try:
        check_destinations(
            {**others, function.name: replace(function, events=EventConfig(**only))}, aws_location, services
        )
    except ValueError:
        return False
    return True


def _describe_unreachable(arn: str) -> str:
    service = service_from_arn(arn)
    if service == "lambda":
        return f"{arn}, which is not served here"
    return f"{service}, which has no address: pass --service {service}=URL"
