"""The functions of a template as they would be deployed: whatever their language, whether they can run here or not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambdachain._analysis.permissions.compare_grants import Grant
from lambdachain._core.type_guards import is_mapping

from .document import Document, read_yaml
from .intrinsics import FUNCTION_TYPES, NO_VALUE, Resolver, as_text
from .policies import Policies
from .problem import Diagnostic, Location, TemplateError
from .serverless_file import functions_of, names_of, resources_of, stack_of
from .surroundings import Surroundings, variables_of
from .variables import Variables

_SAM_TIMEOUT: Final = 3.0
_SERVERLESS_TIMEOUT: Final = 6.0


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function that a template deploys.

    Attributes:
        name: Its name: what the template says, or its logical id.
        spot: Where it is declared.
        timeout: Seconds that an invocation may take; ``None`` where that cannot be known here.
        handler: Lambda's handler setting.
        directory: The directory of its code.
        environment: Its variables, as far as they can be known here.
        grants: What its role grants.
    """

    name: str
    spot: Location
    timeout: float | None
    handler: str
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    grants: tuple[Grant, ...] = field(repr=False)

    @property
    def file(self) -> str:
        """The Python file that the handler setting means, as it is shown."""
        module = self.handler.rpartition(".")[0].replace("/", ".").split(".")
        return os.path.relpath(self.directory.joinpath(*module).with_suffix(".py"))


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a template deploys, and what of it cannot be told."""

    source: str
    functions: tuple[DeployedFunction, ...]
    problems: tuple[Diagnostic, ...]


def read_deployment(path: Path, around: Surroundings) -> Deployment:
    """Read a SAM or CloudFormation template, or a ``serverless.yml``.

    Raises:
        MisreadError: It is neither, or cannot be read.
    """
    source = os.path.relpath(path)
    try:
        document = read_yaml(path.read_text(encoding="utf-8-sig"), source)
    except FileNotFoundError:
        raise TemplateError(Location(source), "no such file") from None
    except (OSError, UnicodeDecodeError) as exc:
        raise TemplateError(Location(source), f"cannot be read: {exc}") from None
    if document.get("Resources") is not None:
        stack = around.parameters.get("AWS::StackName", around.stage or "local")
        reader: _Template | _Serverless = _Template(
            Resolver(document, around.parameters, around.place, stack), path.parent
        )
    elif document.get("service") is not None or document.get("functions") is not None:
        reader = _Serverless(variables_of(document, path.parent, around), around, path.parent)
    else:
        raise TemplateError(Location(source), "neither a template (no Resources) nor a serverless.yml (no service)")
    functions = tuple(reader.functions())
    return Deployment(source, functions, tuple(dict.fromkeys((*document.problems, *reader.problems))))


class _Reader:
    """What is alike in both kinds of file."""

    def __init__(self, resolver: Resolver, directory: Path) -> None:
        self.problems: list[Diagnostic] = []
        self._resolver = resolver
        self._directory = directory

    def _known(self, read: Callable[..., Any], *path: Any) -> Any:
        """Work out a value; one that cannot be known here is a problem, and ``None``."""
        try:
            value = read(*path)
        except TemplateError as exc:
            self.problems.append(exc.problem(fatal=False))
            return None
        return None if value is NO_VALUE else value

    def _seconds(self, value: Any, spot: Location, otherwise: float) -> float | None:
        if value is None:
            return otherwise
        try:
            return float(value)
        except (TypeError, ValueError):
            self.problems.append(Diagnostic(spot, f"the timeout must be a number, not {value!r}", fatal=False))
            return None


class _Template(_Reader):
    """Reads a SAM or CloudFormation template."""

    def functions(self) -> Iterator[DeployedFunction]:
        """Yield every function."""
        template = self._resolver.template
        resources = template.get("Resources")
        for logical_id in resources if is_mapping(resources) else ():
            if template.get("Resources", logical_id, "Type") in FUNCTION_TYPES:
                yield self._function(logical_id)

    def _function(self, logical_id: str) -> DeployedFunction:
        template = self._resolver.template
        own = ("Resources", logical_id, "Properties")
        code = self._setting(own, "CodeUri") if template.get(*own, "Code") is None else template.get(*own, "Code")
        asset = template.get("Resources", logical_id, "Metadata", "aws:asset:path")
        directory = asset if isinstance(asset, str) else code if isinstance(code, str) else "."
        policies = Policies(self._resolver)
        grants = tuple(policies.of_function(logical_id))
        self.problems += policies.problems
        spot = template.spot("Resources", logical_id)
        name = self._known(self._resolver.name_of, logical_id) or logical_id
        timeout = self._seconds(self._setting(own, "Timeout"), template.spot(*own, "Timeout"), _SAM_TIMEOUT)
        handler = str(self._setting(own, "Handler") or "")
        environment = dict(self._environment(own))
        return DeployedFunction(str(name), spot, timeout, handler, self._directory / directory, environment, grants)

    def _setting(self, own: tuple[str, ...], name: str) -> Any:
        path = (*own, name)
        if self._resolver.template.get(*path) is None:
            path = ("Globals", "Function", name)
        return self._known(self._resolver.at, *path)

    def _environment(self, own: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        for root in (("Globals", "Function"), own):
            path = (*root, "Environment", "Variables")
            variables = self._resolver.template.get(*path)
            for name in variables if is_mapping(variables) else ():
                value = self._quietly(*path, name)
                if value is not None:
                    yield name, value

    def _quietly(self, *path: str) -> str | None:
        """Work out a variable; one that only AWS knows is none of a caller's names."""
        try:
            value = self._resolver.at(*path)
            return None if value is None or value is NO_VALUE else as_text(value)
        except (TemplateError, TypeError):
            return None


class _Serverless(_Reader):
    """Reads a ``serverless.yml``."""

    def __init__(self, variables: Variables, around: Surroundings, directory: Path) -> None:
        self._variables = variables
        self._names = dict(names_of(variables))
        resources = resources_of(variables, self._names)
        super().__init__(Resolver(resources, around.parameters, around.place, stack_of(variables)), directory)
        self._around = around

    def functions(self) -> Iterator[DeployedFunction]:
        """Yield every function; they share the provider's role."""
        shared = tuple(self._of_provider())
        for path, key in functions_of(self._variables):
            at, spot = self._variables.at, self._variables.document.spot
            timeout = self._known(at, *path, "timeout") or self._known(at, "provider", "timeout")
            own = tuple(self._granted((*path, "iamRoleStatements")))
            inherits = not own or self._variables.document.get(*path, "iamRoleStatementsInherit")
            yield DeployedFunction(
                self._names[key],
                spot(*path),
                self._seconds(timeout, spot(*path, "timeout"), _SERVERLESS_TIMEOUT),
                str(self._known(at, *path, "handler") or ""),
                self._directory,
                dict(self._environment(path)),
                (*own, *shared) if inherits else own,
            )

    def _of_provider(self) -> Iterator[Grant]:
        yield from self._granted(("provider", "iam", "role", "statements"))
        yield from self._granted(("provider", "iamRoleStatements"))

    def _granted(self, path: tuple[str | int, ...]) -> Iterator[Grant]:
        """Read statements whose intrinsics and variables are both worked out."""
        tree = self._variables.document.get(*path)
        if tree is None:
            return
        value = self._known(self._variables.value, tree, path)
        document = self._variables.document
        resources = self._resolver.template.get("Resources")
        whole = Document(document.source, {"Resources": resources, "statements": value}, _moved(document, path))
        policies = Policies(Resolver(whole, self._around.parameters, self._around.place, stack_of(self._variables)))
        yield from policies.statements(("statements",))
        self.problems += policies.problems

    def _environment(self, path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
        for place in (("provider", "environment"), (*path, "environment")):
            variables = self._variables.document.get(*place)
            for name in variables if is_mapping(variables) else ():
                try:
                    where = (*place, name)
                    yield name, as_text(self._resolver.value(self._variables.value(variables[name], where), where))
                except (TemplateError, TypeError):
                    continue


def _moved(document: Document, path: tuple[str | int, ...]) -> dict[tuple[str | int, ...], int]:
    """Return the lines of what stands at *path* as those of ``statements``."""
    size = len(path)
    return {("statements", *at[size:]): line for at, line in document.lines.items() if at[:size] == path}
