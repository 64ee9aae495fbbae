"""From what is declared to what this machine can run: directories, interpreters, services."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.problem import Diagnostic
from lambdachain.local._event_config import EventConfig, service_from_arn
from lambdachain.local._event_destinations import check_destinations
from lambdachain.local._function_config import LocalFunction, with_absolute_directories
from lambdachain.local._runtimes import runtime_for

from ._function_builder import Declared

# The file that Lambda puts inline code into.
_INLINE_FILES: Final[Mapping[str, str]] = {"python": "index.py", "nodejs": "index.js"}
_ARCHIVES: Final = frozenset({".zip", ".jar"})


def make_ready(
    declared: Declared, *, scratch: Callable[[], Path], environment: Mapping[str, str]
) -> tuple[LocalFunction | None, list[Diagnostic]]:
    """Prepare a function for this machine; ``None`` where it cannot be served.

    Args:
        declared: The function.
        scratch: Gives a directory for code that a template holds itself.
        environment: Variables that win over the function's own.
    """
    function = replace(declared.function, environment={**declared.function.environment, **environment})
    problems: list[Diagnostic] = []
    if declared.inline is not None:
        try:
            function = _written(function, declared.inline, scratch())
        except OSError as exc:
            return None, [Diagnostic(declared.spot("directory"), f"its code cannot be written to a file: {exc}")]
    try:
        function = with_absolute_directories(_with_interpreter(function, declared, problems))
        runtime_for(function)
    except ValueError as exc:
        text = str(exc).removeprefix(f"function {function.name!r}: ")
        setting = "directory" if text.startswith("directory") else "runtime"
        return None, [*problems, Diagnostic(declared.spot(setting), _explained(text, function))]
    return function, problems


def _written(function: LocalFunction, source: str, scratch: Path) -> LocalFunction:
    directory = scratch / function.name
    directory.mkdir(exist_ok=True)
    (directory / _INLINE_FILES.get(function.runtime, "index")).write_text(source, encoding="utf-8")
    return replace(function, directory=directory)


def _explained(text: str, function: LocalFunction) -> str:
    path = Path(function.directory)
    if not text.startswith("directory"):
        return text
    if path.is_file():
        kind = "an archive" if path.suffix in _ARCHIVES else "a file"
        return f"{str(function.directory)!r} is {kind}: unpack it, and name the directory"
    return f"there is no directory {str(function.directory)!r}"


def _with_interpreter(function: LocalFunction, declared: Declared, problems: list[Diagnostic]) -> LocalFunction:
    """Choose an interpreter of the version that is asked for, or this one where there is none with a runtime client."""
    wanted = declared.runtime or ""
    own = "python{}.{}".format(*sys.version_info)
    if not re.fullmatch(r"python3\.\d+", wanted) or wanted == own or "python" in declared.spots:
        return function
    try:
        if (found := shutil.which(wanted)) is not None:
            chosen = replace(function, python=found)
            runtime_for(chosen)
            return chosen
    except ValueError:
        pass
    text = f"{wanted} is not installed here together with awslambdaric: {own} runs it"
    problems.append(Diagnostic(declared.spot("runtime"), text, fatal=False))
    return function


def within_reach(
    functions: Sequence[LocalFunction], declared: Mapping[str, Declared], place: AwsLocation, services: Collection[str]
) -> tuple[list[LocalFunction], list[Diagnostic]]:
    """Leave out the targets of events that this endpoint cannot reach.

    Args:
        functions: All that are served.
        declared: The same as they are declared.
        place: The account and the region.
        services: The services, by boto3's names, that events can be sent to.
    """
    silent = {function.name: replace(function, events=EventConfig()) for function in functions}
    kept: list[LocalFunction] = []
    problems: list[Diagnostic] = []
    for function in functions:
        lost = [name for name in function.events.targets if not _reaches(function, name, silent, place, services)]
        for name in lost:
            text = f"{name} goes to {_unreached(function.events.targets[name])}; left out"
            stated = declared[function.name]
            problems.append(Diagnostic(stated.spots.get(name) or stated.spot("events"), text, fatal=False))
        events: dict[str, Any] = dict.fromkeys(lost)
        kept.append(replace(function, events=replace(function.events, **events)))
    return kept, problems


def _reaches(
    function: LocalFunction,
    target: str,
    others: Mapping[str, LocalFunction],
    place: AwsLocation,
    services: Collection[str],
) -> bool:
    only: dict[str, Any] = {target: function.events.targets[target]}
    try:
        check_destinations({**others, function.name: replace(function, events=EventConfig(**only))}, place, services)
    except ValueError:
        return False
    return True


def _unreached(arn: str) -> str:
    service = service_from_arn(arn)
    if service == "lambda":
        return f"{arn}, which is not served here"
    return f"{service}, which has no address here: give --service {service}=URL"
