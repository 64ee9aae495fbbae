"""Read the output of ``cdk synth``: which stacks it has, what they are called, and what they export to each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping

from .context import TemplateContext
from .exports import has_imports, read_exports, read_valid_tree
from .files import read_text_file

CDK_MANIFEST: Final = Path("cdk.out/manifest.json")


@dataclass(frozen=True, slots=True)
class CdkStack:
    """A stack of a CDK app.

    Attributes:
        template: The file of its template.
        name: Its name.
        dependencies: The ids of the artifacts that are deployed before it.
    """

    template: Path
    name: str
    dependencies: tuple[str, ...] = ()


def find_cdk_stacks(directory: Path) -> Iterator[CdkStack]:
    """Yield the stacks of a CDK app, in the order of its output's manifest."""
    for artifact_id, artifact in _read_artifacts(directory).items():
        if (stack := _to_stack(directory, artifact_id, artifact)) is not None:
            yield stack
        # The stacks of a stage are in an output of their own.
        elif artifact.get("type") == "cdk:cloud-assembly":
            inner = directory / str(_get_properties(artifact).get("directoryName"))
            # A broken manifest may name its own directory, or one around it.
            if directory.resolve() in inner.resolve().parents:
                yield from find_cdk_stacks(inner)


def add_cdk_context(path: Path, context: TemplateContext) -> TemplateContext:
    """Return the context with what a CDK app knows of the stack at *path*: its name, and what other stacks export.

    What the user passes takes precedence; the context of any other template is returned as it is.
    """
    artifacts = _read_artifacts(path.parent)
    stacks = {name: found for name, each in artifacts.items() if (found := _to_stack(path.parent, name, each))}
    own = next((stack for stack in stacks.values() if stack.template == path), None)
    return context if own is None else _add_stack_context(own, stacks, context, {})


def _add_stack_context(
    own: CdkStack, stacks: Mapping[str, CdkStack], context: TemplateContext, known: dict[str, Mapping[str, str]]
) -> TemplateContext:
    exports: dict[str, str] = {}
    if has_imports(own.template):
        for dependency in own.dependencies:
            if dependency in stacks and dependency not in known:
                # Also while it is being read: a broken manifest may have a circle.
                known[dependency] = {}
                known[dependency] = _read_exports(stacks[dependency], stacks, context, known)
            exports |= known.get(dependency, {})
    parameters = {"AWS::StackName": context.stage or own.name, **context.parameters}
    return replace(context, parameters=parameters, exports={**context.exports, **exports})


def _read_exports(
    stack: CdkStack, stacks: Mapping[str, CdkStack], context: TemplateContext, known: dict[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return what a stack exports; without what only AWS knows."""
    tree = read_valid_tree(stack.template, _add_stack_context(stack, stacks, context, known))
    return {} if tree is None else dict(read_exports(tree.templates[0]))


def _read_artifacts(directory: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        manifest: Any = json.loads(read_text_file(directory / CDK_MANIFEST.name))
    except (OSError, ValueError, RecursionError):
        return {}
    artifacts = manifest.get("artifacts") if is_mapping(manifest) else None
    return {key: each for key, each in artifacts.items() if is_mapping(each)} if is_mapping(artifacts) else {}


def _get_properties(artifact: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = artifact.get("properties")
    return properties if is_mapping(properties) else {}


def _to_stack(directory: Path, artifact_id: str, artifact: Mapping[str, Any]) -> CdkStack | None:
    properties = _get_properties(artifact)
    if artifact.get("type") != "aws:cloudformation:stack" or not properties:
        return None
    dependencies = artifact.get("dependencies")
    return CdkStack(
        directory / str(properties.get("templateFile")),
        str(properties.get("stackName") or artifact_id),
        tuple(map(str, dependencies)) if is_list(dependencies) else (),
    )
