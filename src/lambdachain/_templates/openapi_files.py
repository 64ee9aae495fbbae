"""Read the OpenAPI documents that a template keeps in files of their own, as SAM and ``AWS::Include`` do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any, Final

from lambdachain._core.type_guards import is_mapping

from .diagnostics import Diagnostic, TemplateError
from .document import Document, Path, parse_yaml
from .files import read_text_file
from .properties import logical_ids

# The types of APIs, each with the property that contains a document.
_BODIES: Final[Mapping[str, str]] = {
    "AWS::Serverless::Api": "DefinitionBody",
    "AWS::Serverless::HttpApi": "DefinitionBody",
    "AWS::ApiGateway::RestApi": "Body",
    "AWS::ApiGatewayV2::Api": "Body",
}
_FILE: Final = "DefinitionUri"
_NOT_SERVED: Final = "; its routes are not served"


def include_openapi_files(document: Document, directory: FilePath) -> Document:
    """Return the template with the OpenAPI documents of files on this machine in place of their paths."""
    resources = document.get("Resources")
    if not is_mapping(resources):
        return document
    included: dict[str, Any] = {}
    origins = dict(document.origins)
    diagnostics: list[Diagnostic] = []
    for logical_id in logical_ids(document, *_BODIES):
        path: Path = ("Resources", logical_id, "Properties")
        properties = document.get(*path)
        body = _BODIES[resources[logical_id]["Type"]]
        found = _find_file(properties, body) if is_mapping(properties) else None
        if found is None:
            continue
        name, file = found
        try:
            tree = _read(directory / file)
        except (TemplateError, OSError, ValueError) as exc:
            reason = "no such file" if isinstance(exc, FileNotFoundError) else str(exc)
            text = f"{file} cannot be read: {reason}{_NOT_SERVED}"
            diagnostics.append(Diagnostic(document.location(*path, name), text, fatal=False))
            continue
        kept = {key: value for key, value in properties.items() if key != name}
        included[logical_id] = {**resources[logical_id], "Properties": {**kept, body: tree}}
        # What is wrong in the file is reported where the template names it.
        origins[*path, body] = document.to_file_path((*path, name))
    return replace(
        document,
        tree={**document.tree, "Resources": {**resources, **included}},
        origins=origins,
        http_diagnostics=(*document.http_diagnostics, *diagnostics),
    )


def _find_file(properties: Mapping[str, Any], body: str) -> tuple[str, str] | None:
    """Return the property that names a file on this machine, and the file."""
    location = properties.get(_FILE)
    name = _FILE
    transform = properties.get(body)
    if is_mapping(transform) and is_mapping(include := transform.get("Fn::Transform")):
        parameters = include.get("Parameters")
        is_include = include.get("Name") == "AWS::Include"
        location, name = parameters.get("Location") if is_include and is_mapping(parameters) else None, body
    return (name, location) if isinstance(location, str) and "://" not in location else None


def _read(path: FilePath) -> Any:
    tree = parse_yaml(read_text_file(path), os.path.relpath(path), "cloudformation").tree
    if not is_mapping(tree):
        raise ValueError("not an OpenAPI document")
    return tree
