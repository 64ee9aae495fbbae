"""Read the definitions in a file: one in Amazon States Language, or those of a template, with functions' timeouts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._templates.context import TemplateContext
from lambdachain._templates.diagnostics import Diagnostic, Location, TemplateError
from lambdachain._templates.document import parse_yaml
from lambdachain._templates.files import read_text_file
from lambdachain._templates.functions import read_functions, to_number
from lambdachain._templates.template import Template, parse_template

_MACHINES: Final = ("AWS::Serverless::StateMachine", "AWS::StepFunctions::StateMachine")
_SUBSTITUTION: Final = re.compile(r"\$\{([^}]+)\}")
_DEFAULT_TIMEOUT: Final = 3.0


@dataclass(frozen=True, slots=True)
class FoundDefinition:
    """A definition in a file.

    Attributes:
        name: The logical id of the state machine; empty for a file that is a definition.
        definition: The definition.
        is_express: Whether it is an Express workflow.
    """

    name: str
    definition: Mapping[str, Any]
    is_express: bool = False


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """What a file has.

    Attributes:
        definitions: The definitions.
        timeouts: The timeouts of the functions of a template, by name.
        diagnostics: What of a template cannot be read here.
    """

    definitions: tuple[FoundDefinition, ...]
    timeouts: Mapping[str, float] = field(default_factory=dict[str, float])
    diagnostics: tuple[Diagnostic, ...] = ()


def read_definition_file(path: Path, context: TemplateContext) -> DefinitionFile:
    """Read the definitions in a file.

    Raises:
        TemplateError: It cannot be read, or has no definition.
    """
    text = _read_text(path)
    tree = parse_yaml(text, str(path), "cloudformation").tree
    if is_mapping(tree) and is_mapping(tree.get("States")):
        return DefinitionFile((FoundDefinition("", tree),))
    template = parse_template(text, str(path), path.parent, context)
    diagnostics: list[Diagnostic] = []
    definitions = tuple(_read_machines(template, diagnostics))
    if not definitions and not diagnostics:
        raise TemplateError(Location(str(path)), "neither a definition (no States) nor a template with a state machine")
    return DefinitionFile(definitions, dict(_read_timeouts(template)), tuple(diagnostics))


def _read_text(path: Path) -> str:
    try:
        return read_text_file(path)
    except FileNotFoundError:
        raise TemplateError(Location(str(path)), "no such file") from None
    except (OSError, ValueError) as exc:
        raise TemplateError(Location(str(path)), f"cannot be read: {exc}") from None


def _read_machines(template: Template, diagnostics: list[Diagnostic]) -> Iterator[FoundDefinition]:
    resources = template.document.get("Resources")
    for name, resource in resources.items() if is_mapping(resources) else ():
        kind = resource.get("Type") if is_mapping(resource) else None
        if kind not in _MACHINES:
            continue
        try:
            yield _read_machine(template, name)
        except TemplateError as exc:
            diagnostics.append(exc.to_diagnostic(fatal=False))


def _read_machine(template: Template, name: str) -> FoundDefinition:
    path = ("Resources", name, "Properties")
    properties = template.values.get_members(*path)
    definition: Any = None
    if "Definition" in properties:
        definition = _resolve(template, properties["Definition"], (*path, "Definition"))
    elif "DefinitionString" in properties:
        definition = parse_yaml(str(template.values.get(*path, "DefinitionString")), name, "cloudformation").tree
    elif "DefinitionUri" in properties and isinstance(uri := template.values.get(*path, "DefinitionUri"), str):
        file = template.directory / uri
        definition = parse_yaml(_read_text(file), str(file), "cloudformation").tree
    if not is_mapping(definition):
        raise TemplateError(template.document.location(*path), "its definition is not in a file here")
    kind = _resolve(template, properties.get("Type") or properties.get("StateMachineType"), path)
    substitutions = template.values.get_members(*path, "DefinitionSubstitutions")
    values = {one: _resolve(template, value, (*path, one)) for one, value in substitutions.items()}
    return FoundDefinition(name, _substitute(definition, values), kind == "EXPRESS")


def _resolve(template: Template, tree: Any, path: tuple[str | int, ...]) -> Any:
    """Return a value with its intrinsic functions resolved; one that cannot be here is a placeholder."""
    if is_list(tree):
        return [_resolve(template, item, (*path, index)) for index, item in enumerate(tree)]
    if is_mapping(tree) and not any(key == "Ref" or str(key).startswith("Fn::") for key in tree):
        return {key: _resolve(template, value, (*path, key)) for key, value in tree.items()}
    try:
        return template.values.resolve(tree, path)
    except TemplateError:
        return "${unresolved}"


def _substitute(tree: Any, values: Mapping[str, Any]) -> Any:
    if is_list(tree):
        return [_substitute(item, values) for item in tree]
    if is_mapping(tree):
        return {key: _substitute(value, values) for key, value in tree.items()}
    if not isinstance(tree, str):
        return tree
    return _SUBSTITUTION.sub(lambda found: str(values.get(found[1], found[0])), tree)


def _read_timeouts(template: Template) -> Iterator[tuple[str, float]]:
    for function in read_functions(template):
        try:
            timeout = function.properties["Timeout"].require()
            name = function.name.require()
            yield str(function.logical_id if name is None else name), _to_seconds(timeout)
        except (TemplateError, TypeError):
            continue  # it is not known here, so nothing is compared with it


def _to_seconds(timeout: object) -> float:
    return _DEFAULT_TIMEOUT if timeout is None else to_number(timeout)
