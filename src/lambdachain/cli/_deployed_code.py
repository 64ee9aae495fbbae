"""Find the code of the functions that a template deploys, and the calls that it makes there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambdachain._analysis.survey.results import CodeUnit, Survey
    from lambdachain._templates.deployment import DeployedFunction


class DeployedCode:
    """Finds the code of deployed functions in a survey.

    A template that a build tool wrote refers to copies: ``cdk.out/asset.1a2b`` or ``.aws-sam/build/Orders``. The code
    that is surveyed is what they were copied from, which the tools do not write down: it has equal files.

    Args:
        survey: The survey of the code.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._files: dict[str, list[Path]] = {}
        for file in filter(os.path.isfile, dict.fromkeys(unit.file for unit in survey.units)):
            self._files.setdefault(Path(file).name, []).append(Path(file))

    def find_entry_points(self, function: DeployedFunction) -> list[CodeUnit]:
        """Find the code of a function by its handler's file, or else by its name."""
        unit = self.find_handler(function)
        named = self._survey.find_handlers(function.name) if unit is None else ()
        return [handler.unit for handler in named] if unit is None else [unit]

    def find_handler(self, function: DeployedFunction) -> CodeUnit | None:
        """Find the code that the handler setting of a function refers to."""
        from lambdachain._analysis.survey.results import CodeUnit

        name = function.handler.rpartition(".")[2]
        if not function.file:
            return None
        units = (CodeUnit(file, name) for file in (function.file, *self._find_originals(function)))
        return next((unit for unit in units if self._survey.locate_handler(unit) is not None), None)

    def _find_originals(self, function: DeployedFunction) -> Iterator[str]:
        """Yield the surveyed file that a function's file is a copy of, or stands for."""
        copy = Path(function.file)
        inside = Path(os.path.relpath(copy, function.directory))
        namesakes = [file for file in self._files.get(copy.name, ()) if _ends_with(file, inside)]
        if not copy.exists():
            # ``shop/serverless.yml`` with ``shop/app.handler`` is deployed from the directory above.
            package = Path(function.directory).resolve()
            above = package.parent / inside if package.name == inside.parts[0] else None
            yield from (str(file) for file in namesakes if file.resolve() == above)
        if not namesakes or not copy.is_file():
            return
        text = copy.read_bytes()
        equal = [file for file in namesakes if file.read_bytes() == text]
        if len(equal) > 1:
            # Small handlers may be equal in several functions, which differ in the modules beside them.
            equal = [file for file in equal if self._is_copied(file.parents[len(inside.parts) - 1], function.directory)]
        yield from (str(file) for file in equal[:1])

    def _is_copied(self, original: Path, copy: Path) -> bool:
        """Check whether all surveyed files of a directory are in its copy, unchanged."""
        files = (file for files in self._files.values() for file in files if file.is_relative_to(original))
        return all(_is_equal(file, copy / file.relative_to(original)) for file in files)


def _ends_with(file: Path, inside: Path) -> bool:
    return file.parts[-len(inside.parts) :] == inside.parts


def _is_equal(file: Path, copy: Path) -> bool:
    return copy.is_file() and copy.read_bytes() == file.read_bytes()


def find_function_calls(
    function: DeployedFunction, units: Iterable[CodeUnit], survey: Survey, environment: Mapping[str, str]
) -> Survey:
    """Find the calls of a function's code, with the environment variables that it has there.

    Args:
        function: The function, as its template deploys it.
        units: Its entry points.
        survey: The survey of the code.
        environment: Values of ``--env``, which override the template's.
    """
    return survey.in_environment(get_environment(function, function.name, environment)).reachable_from(units)


def get_environment(function: DeployedFunction, name: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a function: what Lambda sets, the template, and ``--env``.

    Args:
        function: The function, as its template deploys it.
        name: The name that it is known by.
        environment: Values of ``--env``, which override the template's.
    """
    from lambdachain._analysis.survey.environment import OWN_NAME

    return {OWN_NAME: name, **function.environment, **environment}
