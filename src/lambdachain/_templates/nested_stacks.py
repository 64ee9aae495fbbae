"""Read the templates of nested stacks, with the parameters that the stack around them passes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdachain._core.type_guards import is_mapping

from .context import TemplateContext
from .diagnostics import Diagnostic, TemplateError
from .intrinsics import NO_VALUE, IntrinsicResolver
from .packages import find_asset, find_asset_by_key
from .passed_templates import find_passed_template
from .properties import NESTED_TYPES, logical_ids, resource_type
from .template import Template, load_template


@dataclass(slots=True)
class StackTree:
    """A template with those of its nested stacks.

    Attributes:
        templates: The templates, the outermost first.
        files: The files of the nested ones.
        diagnostics: Why other nested stacks are not read.
    """

    templates: list[Template] = field(default_factory=list[Template])
    files: list[Path] = field(default_factory=list[Path])
    diagnostics: list[Diagnostic] = field(default_factory=list[Diagnostic])


def read_stack_tree(template: Template, context: TemplateContext) -> StackTree:
    """Read the nested stacks of a template, and theirs; what they output is known to the templates around them."""
    tree = StackTree()
    tree.templates.append(_read_nested(template, context, tree, (Path(template.document.source).resolve(),)))
    tree.templates.reverse()
    return tree


def _read_nested(template: Template, context: TemplateContext, tree: StackTree, parents: Sequence[Path]) -> Template:
    """Read the nested stacks into *tree*, and return the template with their outputs among its parameters."""
    waiting = list(logical_ids(template.document, *NESTED_TYPES))
    while waiting:
        # One stack may take what another one outputs. If each waits for another, the first is read as it is.
        ready = next((each for each in waiting if not _has_unresolved(template, each)), waiting[0])
        waiting.remove(ready)
        outputs = _read_one(template, ready, context, tree, parents)
        known = {f"{ready}.Outputs.{name}": value for name, value in outputs.items()}
        # What the user passes takes precedence.
        context = replace(context, parameters={**known, **context.parameters})
        template = _with_context(template, context)
    return template


def _with_context(template: Template, context: TemplateContext) -> Template:
    stack = str(template.values.resolve({"Ref": "AWS::StackName"}, ()))
    return replace(template, values=IntrinsicResolver(template.document, context, stack))


def _read_one(
    template: Template, logical_id: str, context: TemplateContext, tree: StackTree, parents: Sequence[Path]
) -> dict[str, str]:
    """Read one nested stack, and return what it outputs."""
    document = template.document
    try:
        if not template.values.is_deployed(logical_id):
            return {}
        path = _find_file(template, logical_id, context, parents)
        nested = load_template(path, context)
        nested_context = _to_nested_context(template, logical_id, context, nested)
    except TemplateError as exc:
        name = NESTED_TYPES[resource_type(document, logical_id)]
        location = document.location("Resources", logical_id, "Properties", name)
        text = f"the functions of the nested stack {logical_id} are not read: {exc.text}"
        tree.diagnostics.append(Diagnostic(location, text))
        return {}
    tree.files.append(path)
    nested = _read_nested(_with_context(nested, nested_context), nested_context, tree, (*parents, path.resolve()))
    tree.templates.append(nested)
    return dict(_read_outputs(nested))


def _to_nested_context(
    template: Template, logical_id: str, context: TemplateContext, nested: Template
) -> TemplateContext:
    """Return what the template of a nested stack may refer to."""
    passed = dict(_read_parameters(template, logical_id))
    declared = nested.document.get("Parameters")
    # A parameter that is not passed has its default, even if one of the stack around has the same name and a value.
    defaults = {
        name
        for name, parameter in (declared.items() if is_mapping(declared) else ())
        if is_mapping(parameter) and "Default" in parameter and name not in _raw_parameters(template, logical_id)
    }
    inherited = {name: value for name, value in context.parameters.items() if name not in defaults}
    stack = str(template.values.resolve({"Fn::Sub": f"${{AWS::StackName}}-{logical_id}"}, ()))
    return replace(context, parameters={**inherited, **passed, "AWS::StackName": stack})


def _find_file(template: Template, logical_id: str, context: TemplateContext, parents: Sequence[Path]) -> Path:
    """Return the file of a nested stack's template.

    Raises:
        TemplateError: It is not on this machine, or is one of *parents*.
    """
    name = NESTED_TYPES[resource_type(template.document, logical_id)]
    path = ("Resources", logical_id, "Properties", name)
    asset = find_asset(template, logical_id, name)
    value = template.values.get(*path) if asset is None else asset
    if isinstance(value, str) and "://" in value:
        # The CDK's, whose object in S3 is named by its content.
        asset = find_asset_by_key(template.directory, value.rpartition("/")[2])
        value = asset or find_passed_template(value, _raw_parameters(template, logical_id), context) or value
    if not isinstance(value, str | Path) or "://" in str(value):
        text = f"its template is not on this machine: pass its file as well, or set {name} to a path"
        raise TemplateError(template.document.location(*path), text)
    file = template.directory / value
    if file.resolve() in parents:
        raise TemplateError(template.document.location(*path), f"{os.path.relpath(file)} contains itself")
    return file


def _raw_parameters(template: Template, logical_id: str) -> Mapping[str, Any]:
    parameters = template.document.get("Resources", logical_id, "Properties", "Parameters")
    return parameters if is_mapping(parameters) else {}


def _read_parameters(template: Template, logical_id: str) -> Iterator[tuple[str, str]]:
    """Yield the parameters that can be resolved; where another one is used, it has no value, and that is reported."""
    for name, value in _raw_parameters(template, logical_id).items():
        try:
            resolved = template.values.resolve(value, ("Resources", logical_id, "Properties", "Parameters", name))
        except TemplateError:
            continue
        if resolved is not None and resolved is not NO_VALUE:
            yield name, _to_parameter(resolved)


def _has_unresolved(template: Template, logical_id: str) -> bool:
    """Check whether a nested stack takes a parameter that cannot be resolved yet."""
    return len(dict(_read_parameters(template, logical_id))) < len(_raw_parameters(template, logical_id))


def _read_outputs(template: Template) -> Iterator[tuple[str, str]]:
    outputs = template.document.get("Outputs")
    for name in outputs if is_mapping(outputs) else ():
        try:
            value = template.values.get("Outputs", name, "Value")
        except TemplateError:
            continue
        if isinstance(value, str | int | float):
            yield name, _to_parameter(value)


def _to_parameter(value: Any) -> str:
    """Return a value as CloudFormation passes it between stacks: as text, a list with commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return str(value).lower() if isinstance(value, bool) else str(value)
