"""Read what a template deploys, for static analysis: functions in any language, and what their roles grant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lambdachain._analysis.permissions.compare_grants import Grant

from .context import TemplateContext
from .diagnostics import Diagnostic, Location, TemplateError, UnresolvedValue
from .functions import FunctionDefinition, Property, explain_no_functions, read_functions, to_number
from .policies import PolicyReader
from .properties import NESTED_TYPES, logical_ids
from .template import Template, load_template

# Lambda's own default; the Serverless Framework's is in the template by then.
_DEFAULT_TIMEOUT: Final = 3.0


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function that a template deploys.

    Attributes:
        name: Its name: what the template sets, or its logical id.
        location: Where it is declared.
        timeout: Seconds that an invocation may take; ``None`` if it cannot be resolved on this machine.
        handler: Lambda's handler setting, or an empty string.
        directory: The directory of its code, or its only file.
        environment: Its environment variables, as far as they can be resolved on this machine.
        deferred_environment: What stands for variables whose values only a deployment knows: ``import shared-name``.
        grants: What its role grants.
    """

    name: str
    location: Location
    timeout: float | None
    handler: str
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    grants: tuple[Grant, ...] = field(repr=False)
    deferred_environment: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def file(self) -> str:
        """The Python file that the handler setting refers to, relative to the current directory.

        Empty if the setting names no module, as that of a container image or of a compiled program.
        """
        # awslambdaric accepts slashes and dots between the packages of a handler setting alike.
        *packages, module = self.handler.rpartition(".")[0].replace("/", ".").split(".")
        # SAM packages a file alone: ``CodeUri: src/app.py``.
        directory = self.directory.parent if self.directory.suffix == ".py" else self.directory
        return os.path.relpath(directory.joinpath(*packages, f"{module}.py")) if module else ""


@dataclass(frozen=True, slots=True)
class TemplateDeployment:
    """What a template deploys, and what of it cannot be decided here."""

    source: str
    functions: tuple[DeployedFunction, ...]
    diagnostics: tuple[Diagnostic, ...]


def read_deployment(path: Path, context: TemplateContext) -> TemplateDeployment:
    """Read a SAM or CloudFormation template, or a ``serverless.yml``.

    Raises:
        TemplateError: The file cannot be read, or is neither.
    """
    template = load_template(path, context)
    policies = PolicyReader(template)
    diagnostics = [*template.document.diagnostics, *_find_nested_stacks(template)]
    functions = tuple(
        _to_deployed(function, template, tuple(policies.read_function(function.logical_id)), diagnostics)
        for function in read_functions(template)
    )
    if not functions:
        diagnostics.append(explain_no_functions(template))
    return TemplateDeployment(
        template.document.source, functions, tuple(dict.fromkeys((*diagnostics, *policies.diagnostics)))
    )


def _find_nested_stacks(template: Template) -> Iterator[Diagnostic]:
    for logical_id in logical_ids(template.document, *NESTED_TYPES):
        text = "the functions of a nested template are not read with this one: pass its file as well"
        yield Diagnostic(template.document.location("Resources", logical_id), text, fatal=False)


def _to_deployed(
    function: FunctionDefinition, template: Template, grants: tuple[Grant, ...], diagnostics: list[Diagnostic]
) -> DeployedFunction:
    """Convert a function to what analysis needs, and report what of that cannot be resolved."""
    # Environment variables are not reported: one that only AWS knows is seldom the name of a function, and a call
    # whose target depends on it is reported by the analysis itself.
    needed = [function.condition, function.name.value, function.properties["Handler"].value, function.code.error]
    diagnostics += [
        value.to_error().to_diagnostic(fatal=False) for value in needed if isinstance(value, UnresolvedValue)
    ]
    name, handler = _value_or_none(function.name), _value_or_none(function.properties["Handler"])
    return DeployedFunction(
        str(function.logical_id if name is None else name),
        function.location,
        _to_timeout(function.properties["Timeout"], diagnostics),
        "" if handler is None else str(handler),
        function.code.directory or template.directory,
        function.environment,
        grants,
        function.deferred_environment,
    )


def _value_or_none(setting: Property) -> object:
    return None if isinstance(setting.value, UnresolvedValue) else setting.value


def _to_timeout(timeout: Property, diagnostics: list[Diagnostic]) -> float | None:
    try:
        value = timeout.require()
        return _DEFAULT_TIMEOUT if value is None else to_number(value)
    except TemplateError as exc:
        diagnostics.append(exc.to_diagnostic(fatal=False))
    except TypeError as exc:
        diagnostics.append(Diagnostic(timeout.location, f"the timeout {exc}, not {timeout.value!r}", fatal=False))
    return None
