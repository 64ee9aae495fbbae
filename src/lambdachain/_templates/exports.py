"""What templates that are read together know of each other: exports, outputs, and which of them are nested stacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from lambdachain._core.type_guards import is_mapping

from .context import TemplateContext
from .diagnostics import TemplateError
from .files import read_text_file
from .nested_stacks import StackTree, read_stack_tree
from .scalars import to_text
from .template import Template, load_template

# `!ImportValue` and `Fn::ImportValue`; `${cf:...}` of a serverless.yml.
_IMPORTS: Final = ("ImportValue", "${cf")


def connect_templates(paths: Sequence[Path], context: TemplateContext) -> TemplateContext:
    """Return the context with the files, and with what they output: ``Fn::ImportValue`` and ``${cf:stack.Output}``.

    A name with two values, as of one template twice, is left out: which of them counts is not known.
    """
    context = replace(context, templates=tuple(paths))
    known: Mapping[str, str] = {}
    if len(paths) < 2 or not any(map(has_imports, paths)):
        return context
    # A stack may export what it imports itself, from one that is read later.
    for _ in paths:
        context = replace(context, exports=known)
        found = _without_conflicts(output for path in paths for output in _read_outputs(path, context))
        if found == known:
            break
        known = found
    return replace(context, exports=known)


def find_outermost(paths: Sequence[Path], context: TemplateContext) -> list[Path]:
    """Return the files without those that are nested stacks of others, which are read with the template around them."""
    nested: set[Path] = set()
    for path in paths if len(paths) > 1 else ():
        # Of two templates that contain each other, one stays.
        if path.resolve() not in nested:
            tree = read_valid_tree(path, context)
            nested.update(each.resolve() for each in (tree.files if tree else ()))
    return [path for path in paths if path.resolve() not in nested]


def has_imports(path: Path) -> bool:
    """Check whether a template may import what another stack exports."""
    try:
        text = read_text_file(path)
    except (OSError, ValueError):
        return False
    return any(each in text for each in _IMPORTS)


def read_valid_tree(path: Path, context: TemplateContext) -> StackTree | None:
    """Return a template with its nested stacks; ``None`` if it cannot be read, which is reported with the others."""
    try:
        return read_stack_tree(load_template(path, context), context)
    except TemplateError:
        return None


def read_exports(template: Template) -> Iterator[tuple[str, str]]:
    """Yield the names and values that a template exports; without what only AWS knows."""
    for name in _list_outputs(template):
        if (exported := _read_text(template, name, "Export", "Name")) is not None:
            value = _read_text(template, name, "Value")
            yield from [] if value is None else [(exported, value)]


def _read_outputs(path: Path, context: TemplateContext) -> Iterator[tuple[str, str]]:
    """Yield what a template exports, and its outputs as a ``serverless.yml`` names those of another stack."""
    tree = read_valid_tree(path, context)
    if tree is None:
        return
    template = tree.templates[0]
    yield from read_exports(template)
    stack = to_text(template.values.resolve({"Ref": "AWS::StackName"}, ()))
    for name in _list_outputs(template):
        if (value := _read_text(template, name, "Value")) is not None:
            yield f"cf:{stack}.{name}", value


def _list_outputs(template: Template) -> list[str]:
    outputs = template.document.get("Outputs")
    return list(outputs) if is_mapping(outputs) else []


def _read_text(template: Template, output: str, *keys: str) -> str | None:
    try:
        value = template.values.get("Outputs", output, *keys)
        return None if value is None else to_text(value)
    except (TemplateError, TypeError):
        return None


def _without_conflicts(found: Iterator[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, set[str]] = {}
    for name, value in found:
        values.setdefault(name, set()).add(value)
    return {name: next(iter(each)) for name, each in values.items() if len(each) == 1}
