"""The functions of a Serverless Framework ``serverless.yml``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping
from lambdachain._lambda_api.aws_location import AwsLocation
from lambdachain._templates.diagnostics import Diagnostic, TemplateError
from lambdachain._templates.document import Path
from lambdachain._templates.intrinsics import NO_VALUE, Resolver, as_text
from lambdachain._templates.serverless import functions_of, names_of, resources_of, stack_of
from lambdachain._templates.variables import Variables
from lambdachain.local._versions import LocalVersion

from ._function_builder import FunctionBuilder, Reading, gather

# The framework's own defaults, where neither the function nor the provider says anything.
_TIMEOUT: Final = 6
_MEMORY: Final = 1024

_SETTINGS: Final[Mapping[str, str]] = {
    "handler": "handler",
    "timeout": "timeout",
    "memorySize": "memory",
    "reservedConcurrency": "reserved_concurrency",
}
_LEFT_OUT: Final = "; the variable is left out"


def read_serverless(variables: Variables, given: Mapping[str, str], place: AwsLocation, directory: FilePath) -> Reading:
    """Read the functions of a ``serverless.yml``.

    Args:
        variables: What works out its variables.
        given: What the user says of resources that only AWS knows.
        place: The account and the region.
        directory: Where it lies: handlers are looked up there.
    """
    document = variables.document
    problems = list(document.problems)
    try:
        names = dict(names_of(variables))
        resources = resources_of(variables, names)
    except TemplateError as exc:
        return Reading(problems=(*problems, exc.problem()))
    service = _Service(variables, Resolver(resources, given, place, stack_of(variables)), names, directory)
    drafts: list[FunctionBuilder] = []
    for path, key in functions_of(variables):
        try:
            drafts.append(service.draft(key, path))
        except TemplateError as exc:
            problems.append(exc.problem())
    return gather(drafts, problems)


class _Service:
    """Reads the functions of one service."""

    def __init__(self, variables: Variables, resolver: Resolver, names: Mapping[str, str], directory: FilePath) -> None:
        self._variables = variables
        self._resolver = resolver
        self._names = names
        self._directory = directory

    def draft(self, key: str, path: Path) -> FunctionBuilder:
        """Read one function.

        Raises:
            MisreadError: Something that it cannot be served without cannot be known here.
        """
        spot = self._variables.document.spot
        draft = FunctionBuilder(self._names[key], spot(*path))
        if self._variables.at(*path, "image") is not None:
            draft.problems.append(
                Diagnostic(spot(*path, "image"), "a function in a container image is not served here")
            )
            return draft
        draft.set("directory", str(self._directory), spot(*path))
        draft.set("timeout", _TIMEOUT, spot(*path))
        draft.set("memory", _MEMORY, spot(*path))
        for name, setting in _SETTINGS.items():
            value, where = self._setting(path, name)
            if value is not None:
                draft.set(setting, value, spot(*where))
        runtime, where = self._setting(path, "runtime")
        if runtime is not None:
            draft.set_runtime(str(runtime), spot(*where))
        draft.set("environment", dict(self._environment(path, draft)), spot(*path, "environment"))
        if self._setting(path, "versionFunction")[0] is not False:
            draft.set("versions", {"1": LocalVersion()}, spot(*path))
        self._set_events(path, draft)
        return draft

    def _setting(self, path: Path, name: str) -> tuple[Any, Path]:
        own = self._variables.at(*path, name)
        if own is not None:
            return own, (*path, name)
        provided = "versionFunctions" if name == "versionFunction" else name
        return self._variables.at("provider", provided), ("provider", provided)

    def _environment(self, path: Path, draft: FunctionBuilder) -> Iterator[tuple[str, str]]:
        for place in (("provider", "environment"), (*path, "environment")):
            tree = self._variables.document.get(*place)
            tree = self._variables.value(tree, place) if isinstance(tree, str) else tree
            for name in tree if is_mapping(tree) else ():
                where = (*place, name)
                try:
                    value = self._value(tree[name], where)
                    if value is not None and value is not NO_VALUE:
                        yield name, as_text(value)
                except TemplateError as exc:
                    spot = self._variables.document.spot(*where)
                    draft.problems.append(Diagnostic(spot, exc.text + _LEFT_OUT, fatal=False))
                except TypeError:
                    text = "a variable is text, not a list or a mapping" + _LEFT_OUT
                    draft.problems.append(Diagnostic(self._variables.document.spot(*where), text, fatal=False))

    def _value(self, tree: Any, path: Path) -> Any:
        return self._resolver.value(self._variables.value(tree, path), path)

    def _set_events(self, path: Path, draft: FunctionBuilder) -> None:
        document = self._variables.document
        try:
            settings = {
                "max_retries": self._variables.at(*path, "maximumRetryAttempts"),
                "max_age": self._variables.at(*path, "maximumEventAge"),
                "on_success": self._target(document.get(*path, "destinations", "onSuccess"), (*path, "destinations")),
                "on_failure": self._target(document.get(*path, "destinations", "onFailure"), (*path, "destinations")),
                "dead_letter": self._target(document.get(*path, "onError"), (*path, "onError")),
            }
        except TemplateError as exc:
            spot = document.spot(*path, "destinations")
            draft.problems.append(Diagnostic(spot, f"{exc.text}; left out", fatal=False))
            return
        stated = {name: value for name, value in settings.items() if value is not None}
        if stated:
            draft.set_events(stated, document.spot(*path, "destinations"))

    def _target(self, tree: Any, path: Path) -> str | None:
        """Return the ARN of a target: stated, worked out, or of a function of this service by its key."""
        value = self._value(tree, path)
        if is_mapping(value):
            value = value.get("arn")
        if value is None:
            return None
        name = self._names.get(str(value))
        return str(value) if name is None else str(self._resolver.place.arn(name))
