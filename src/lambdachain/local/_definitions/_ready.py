"""From what is declared to what this machine can run: directories, interpreters, services."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lambdachain.local._event_config import service_of
from lambdachain.local._function import LocalFunction, located
from lambdachain.local._runtimes import runtime_of

from ._draft import Declared
from ._problem import Problem

# The file that Lambda puts inline code into.
_INLINE_FILES: Final[Mapping[str, str]] = {"python": "index.py", "nodejs": "index.js"}
_ARCHIVES: Final = frozenset({".zip", ".jar"})


def make_ready(
    declared: Declared, *, services: Collection[str], scratch: Callable[[], Path], environment: Mapping[str, str]
) -> tuple[LocalFunction | None, list[Problem]]:
    """Prepare a function for this machine; ``None`` where it cannot be served.

    Args:
        declared: The function.
        services: The services, by boto3's names, that events can be sent to.
        scratch: Gives a directory for code that a template holds itself.
        environment: Variables that win over the function's own.
    """
    function = replace(declared.function, environment={**declared.function.environment, **environment})
    problems: list[Problem] = []
    if declared.inline is not None:
        function = _written(function, declared.inline, scratch())
    try:
        function = located(_with_interpreter(function, declared, problems))
        function = _with_known_targets(function, declared, services, problems)
        runtime_of(function)
    except ValueError as exc:
        text = str(exc).removeprefix(f"function {function.name!r}: ")
        setting = "directory" if text.startswith("directory") else "runtime"
        return None, [*problems, Problem(declared.spot(setting), _explained(text, function))]
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


def _with_interpreter(function: LocalFunction, declared: Declared, problems: list[Problem]) -> LocalFunction:
    """Choose an interpreter of the version that is asked for, or this one where there is none with a runtime client."""
    wanted = declared.runtime or ""
    own = "python{}.{}".format(*sys.version_info)
    if not re.fullmatch(r"python3\.\d+", wanted) or wanted == own or "python" in declared.spots:
        return function
    try:
        if (found := shutil.which(wanted)) is not None:
            chosen = replace(function, python=found)
            runtime_of(chosen)
            return chosen
    except ValueError:
        pass
    text = f"{wanted} is not installed here together with awslambdaric: {own} runs it"
    problems.append(Problem(declared.spot("runtime"), text, fatal=False))
    return function


def _with_known_targets(
    function: LocalFunction, declared: Declared, services: Collection[str], problems: list[Problem]
) -> LocalFunction:
    """Leave out the targets of events whose service has no address here."""
    unknown = {
        name: service
        for name, arn in function.events.targets.items()
        if (service := service_of(arn)) != "lambda" and service not in services
    }
    for name, service in unknown.items():
        text = f"{name} goes to {service}, which has no address here: give --service {service}=URL; left out"
        problems.append(Problem(declared.spot("events"), text, fatal=False))
    left: dict[str, Any] = dict.fromkeys(unknown)
    return replace(function, events=replace(function.events, **left))
