"""Load a template of any kind: parse it, convert a ``serverless.yml`` to a SAM template, resolve its values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path as FilePath

from lambdachain._core.type_guards import is_mapping

from .context import TemplateContext
from .diagnostics import Diagnostic, Location, TemplateError, UnresolvedValue
from .document import Document, Path, parse_yaml
from .files import read_text_file
from .intrinsics import IntrinsicResolver
from .loops import expand_loops
from .openapi_files import include_openapi_files
from .sam_globals import merge_globals
from .sam_resources import add_generated_resources
from .serverless import stack_name, to_sam_template
from .variables import replace_variables


@dataclass(frozen=True, slots=True)
class Template:
    """A template whose values can be resolved.

    Attributes:
        document: The template; a ``serverless.yml`` as the SAM template that deploys the same functions.
        values: Resolves its values.
        directory: The file's directory, which the paths in it are relative to.
    """

    document: Document
    values: IntrinsicResolver
    directory: FilePath


def load_template(path: FilePath, context: TemplateContext) -> Template:
    """Load a SAM or CloudFormation template, or a ``serverless.yml``, from a file.

    Raises:
        TemplateError: The file cannot be read, or is neither.
    """
    source = os.path.relpath(path)
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        raise TemplateError(Location(source), "no such file") from None
    except (OSError, ValueError) as exc:
        raise TemplateError(Location(source), f"cannot be read: {exc}") from None
    return parse_template(text, source, path.parent, context)


def parse_template(text: str, source: str, directory: FilePath, context: TemplateContext) -> Template:
    """Load a template from its text; its content shows which kind it is.

    Args:
        text: The text.
        source: The file's name.
        directory: The file's directory.
        context: What the template may refer to.

    Raises:
        TemplateError: The text is neither.
    """
    document = parse_yaml(text, source)
    # By its content, not its name: the CDK and build tools name their files as they like.
    if document.get("Resources") is not None:
        stack = context.parameters.get("AWS::StackName", context.stage or "local")
    elif document.get("service") is not None or document.get("functions") is not None:
        document = replace_variables(document, context, lambda name: read_text_file(directory / name))
        stack = stack_name(document)
        document = to_sam_template(document)
    else:
        text = "neither a template (no Resources) nor a serverless.yml (no service)"
        raise TemplateError(Location(source), text)
    document = include_openapi_files(document, directory)
    document = add_generated_resources(merge_globals(expand_loops(document, context, stack)))
    document = replace(document, diagnostics=(*document.diagnostics, *_find_untyped(document)))
    return Template(document, IntrinsicResolver(document, context, stack), directory)


def _find_untyped(document: Document) -> Iterator[Diagnostic]:
    """Report the resources whose type is not known: each of them may be a function."""
    resources = document.get("Resources")
    for logical_id, resource in resources.items() if is_mapping(resources) else ():
        path: Path = ("Resources", logical_id)
        if not is_mapping(resource):
            text = resource.text if isinstance(resource, UnresolvedValue) else "must be a mapping"
        elif logical_id.startswith("Fn::"):
            text = f"{logical_id} is not supported: write the resources instead"
        elif not isinstance(kind := resource.get("Type"), str):
            path = (*path, "Type")
            text = kind.text if isinstance(kind, UnresolvedValue) else "the type is missing, or is not text"
        else:
            continue
        yield Diagnostic(document.location(*path), f"{text}; the resource is left out", fatal=False)
