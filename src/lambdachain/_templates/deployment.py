"""Read what a template deploys, for static analysis: functions in any language, and what their roles grant."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lambdachain._analysis.permissions.compare_grants import Grant, matches
from lambdachain._analysis.survey.sources import Source

from .cdk_app import add_cdk_context
from .context import TemplateContext
from .diagnostics import Diagnostic, Location, TemplateError, UnresolvedValue
from .exports import connect_templates, find_outermost
from .functions import FunctionDefinition, Property, explain_no_functions, read_functions, to_number
from .invocation_config import DESTINATIONS, InvocationConfig, read_invocation_configs
from .nested_stacks import read_stack_tree
from .policies import PolicyReader
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
        grants: What its role grants.
        deferred_environment: What stands for variables whose values only a deployment knows: ``import shared-name``.
        inline: Its Python source in the template, at the lines that it has there; ``None`` if it has none.
    """

    name: str
    location: Location
    timeout: float | None
    handler: str
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    grants: tuple[Grant, ...] = field(repr=False)
    deferred_environment: Mapping[str, str] = field(default_factory=dict[str, str])
    inline: Source | None = field(default=None, repr=False)

    @property
    def file(self) -> str:
        """The Python file that the handler setting refers to, relative to the current directory.

        Empty if the setting names no module, as that of a container image or of a compiled program; of source in the
        template, the name that stands for its file.
        """
        if self.inline is not None:
            return self.inline.file
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


def read_deployments(paths: Sequence[Path], context: TemplateContext) -> list[TemplateDeployment]:
    """Read templates that are deployed together: what one exports, another may import; one may be nested in another.

    Raises:
        TemplateError: A file cannot be read, or is not a template.
    """
    context = connect_templates(paths, context)
    return [read_deployment(path, context) for path in find_outermost(paths, context)]


def merge_deployments(deployments: Sequence[TemplateDeployment]) -> TemplateDeployment:
    """Return what several templates deploy as one deployment."""
    return TemplateDeployment(
        ", ".join(each.source for each in deployments),
        tuple(function for each in deployments for function in each.functions),
        tuple(diagnostic for each in deployments for diagnostic in each.diagnostics),
    )


def read_deployment(path: Path, context: TemplateContext) -> TemplateDeployment:
    """Read a SAM or CloudFormation template with its nested stacks, or a ``serverless.yml``.

    Raises:
        TemplateError: The file cannot be read, or is neither.
    """
    context = add_cdk_context(path, context)
    tree = read_stack_tree(load_template(path, context), context)
    outer = tree.templates[0]
    functions: list[DeployedFunction] = []
    diagnostics: list[Diagnostic] = []
    for template in tree.templates:
        policies = PolicyReader(template)
        diagnostics += template.document.diagnostics
        definitions = list(read_functions(template))
        # What is left out of them matters to who invokes the functions, not to what these call.
        configs, _ = read_invocation_configs(template, definitions)
        for function in definitions:
            destinations = _find_destinations(configs[function.logical_id])
            grants = (_with_destinations(each, destinations) for each in policies.read_function(function.logical_id))
            functions.append(_to_deployed(function, template, tuple(grants), diagnostics))
        diagnostics += policies.diagnostics
    if not functions:
        diagnostics.append(explain_no_functions(outer))
    # Analysis goes on without a nested stack, as without any other value that cannot be resolved.
    diagnostics += (replace(each, fatal=False) for each in tree.diagnostics)
    return TemplateDeployment(outer.document.source, tuple(functions), tuple(dict.fromkeys(diagnostics)))


def _find_destinations(config: InvocationConfig) -> tuple[str, ...]:
    """Return the ARNs that Lambda sends the outcome of events to, which the function's role must allow."""
    found = (config.event_config.get(name) for name in DESTINATIONS)
    return tuple(arn for arn in found if isinstance(arn, str))


def _with_destinations(grant: Grant, arns: tuple[str, ...]) -> Grant:
    allowed = tuple(arn for arn in arns if grant.allows and matches(grant.resource, arn))
    return replace(grant, destinations=allowed) if allowed else grant


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
        _find_inline_source(function, template),
    )


def _find_inline_source(function: FunctionDefinition, template: Template) -> Source | None:
    """Return the source that a template has in place of a file, if it is Python."""
    code, runtime = function.code, _value_or_none(function.properties["Runtime"])
    if code.source is None or not str(runtime).startswith("python"):
        return None
    # A block of text begins below its key; any other is beside it.
    before = (code.location.line or 0) - (0 if "\n" in code.source else 1)
    # Nothing can import it: its name is not that of a module.
    file = f"{code.location.source}#{function.logical_id}"
    return Source(str(template.directory), file, (file,), "\n" * before + code.source)


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
