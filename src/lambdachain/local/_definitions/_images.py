"""Find the handler of a function in a container image, which can be served without the image."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Final

from lambdachain._core.type_guards import is_list, is_mapping
from lambdachain._templates.diagnostics import TemplateError
from lambdachain._templates.files import read_text_file
from lambdachain._templates.properties import property_path
from lambdachain._templates.template import Template

_COMMAND: Final = re.compile(r"^\s*CMD\s+(\[.*\])\s*$", re.IGNORECASE | re.MULTILINE)


def describe_remedy(template: Template, logical_id: str, name: str) -> str:
    """Return how to serve a function of an image without the image: with the handler that its command names.

    Args:
        template: The template.
        logical_id: The function's logical id.
        name: The function's name.
    """
    directory, dockerfile = _find_build_context(template, logical_id)
    handler = _read_command(template, logical_id) or _read_dockerfile(dockerfile)
    path = "DIR" if directory is None else os.path.relpath(directory)
    code = f"{path}/{handler or 'HANDLER'}".removeprefix("./")
    text = f"serve its code without the image instead: lambdachain serve {name}={code}"
    return text if handler is not None else f"{text}, with the handler that the CMD of its Dockerfile names"


def _find_build_context(template: Template, logical_id: str) -> tuple[Path | None, Path | None]:
    """Return the directory that the image is built from, and its Dockerfile."""
    metadata = template.document.get("Resources", logical_id, "Metadata")
    metadata = metadata if is_mapping(metadata) else {}
    context = metadata.get("DockerContext", metadata.get("aws:asset:path"))
    if not isinstance(context, str):
        return None, None
    dockerfile = metadata.get("Dockerfile", metadata.get("aws:asset:dockerfile-path", "Dockerfile"))
    directory = template.directory / context
    return directory, directory / str(dockerfile)


def _read_command(template: Template, logical_id: str) -> str | None:
    """Return the command that the template sets, which takes precedence over that of the Dockerfile."""
    try:
        command = template.values.get(*property_path(logical_id, "ImageConfig", "Command"))
    except TemplateError:
        return None
    return _find_handler(command)


def _read_dockerfile(dockerfile: Path | None) -> str | None:
    if dockerfile is None:
        return None
    try:
        # Of several commands, the last one is in the image.
        commands = _COMMAND.findall(read_text_file(dockerfile))
        return _find_handler(json.loads(commands[-1])) if commands else None
    except (OSError, ValueError, RecursionError):
        return None


def _find_handler(command: Any) -> str | None:
    """Return the command of an image of Lambda's, which is its handler; another program's has more words."""
    is_handler = is_list(command) and len(command) == 1 and isinstance(command[0], str) and "." in command[0]
    return command[0] if is_handler else None
