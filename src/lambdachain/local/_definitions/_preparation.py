"""Prepare declared functions for this machine: directories, interpreters, targets of events."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.diagnostics import Diagnostic
from lambdachain.local._event_config import EventConfig, service_from_arn
from lambdachain.local._event_destinations import check_destinations
from lambdachain.local._function_config import LocalFunction, with_absolute_directories
from lambdachain.local._runtimes import runtime_for

from ._function_builder import DeclaredFunction

# Lambda writes inline code to a file of this name.
_INLINE_FILES: Final[Mapping[str, str]] = {"python": "index.py", "nodejs": "index.js"}
_ARCHIVES: Final = frozenset({".zip", ".jar"})


def prepare_function(
    declared: DeclaredFunction, *, scratch: Callable[[], Path], environment: Mapping[str, str]
) -> tuple[LocalFunction | None, list[Diagnostic]]:
    """Return a function as this machine runs it, or ``None`` if it cannot be served, and what is wrong with it.

    Args:
        declared: The function.
        scratch: Returns a temporary directory for inline code.
        environment: Variables that take precedence over the function's own.
    """
    function = replace(declared.function, environment={**declared.function.environment, **environment})
    diagnostics: list[Diagnostic] = []
    if declared.inline is not None:
        try:
            function = _write_inline_code(function, declared.inline, scratch())
        except OSError as exc:
            return None, [
                Diagnostic(declared.location("directory"), f"the inline code cannot be written to a file: {exc}")
            ]
    try:
        function = with_absolute_directories(_choose_interpreter(function, declared, diagnostics))
        runtime_for(function)
    except ValueError as exc:
        text = str(exc).removeprefix(f"function {function.name!r}: ")
        setting = "directory" if text.startswith("directory") else "runtime"
        return None, [*diagnostics, Diagnostic(declared.location(setting), _explain(text, function))]
    return function, diagnostics


def _write_inline_code(function: LocalFunction, source: str, scratch: Path) -> LocalFunction:
    directory = scratch / function.name
    # A reload prepares the function again, in the same directory.
    directory.mkdir(exist_ok=True)
    (directory / _INLINE_FILES.get(function.runtime, "index")).write_text(source, encoding="utf-8")
    return replace(function, directory=directory)


def _explain(text: str, function: LocalFunction) -> str:
    path = Path(function.directory)
    if not text.startswith("directory"):
        return text
    if path.is_file():
        kind = "an archive" if path.suffix in _ARCHIVES else "a file"
        return f"{str(function.directory)!r} is {kind}: unpack it and set the directory"
    return f"directory {str(function.directory)!r} does not exist"


def _choose_interpreter(
    function: LocalFunction, declared: DeclaredFunction, diagnostics: list[Diagnostic]
) -> LocalFunction:
    """Choose an interpreter of the declared version, or this one if none with a runtime client is installed."""
    declared_version = declared.runtime or ""
    own = "python{}.{}".format(*sys.version_info)
    if not re.fullmatch(r"python3\.\d+", declared_version) or declared_version == own or "python" in declared.locations:
        return function
    # The interpreter is used only if it can run functions: a system often has one without any packages.
    try:
        if (found := shutil.which(declared_version)) is not None:
            chosen = replace(function, python=found)
            runtime_for(chosen)
            return chosen
    except ValueError:
        pass
    text = f"{declared_version} with awslambdaric is not installed: {own} runs the function"
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
