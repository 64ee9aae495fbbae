"""What a ``serverless.yml`` declares: its functions, their names, and the resources that values may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lambdachain._core.type_guards import is_list, is_mapping

from .diagnostics import TemplateError
from .document import Document, Path
from .variables import Variables


def functions_of(variables: Variables) -> Iterator[tuple[Path, str]]:
    """Yield each function's place and key; ``functions`` is a mapping or a list of them."""
    functions = variables.document.get("functions")
    if isinstance(functions, str):
        functions = variables.at("functions")
    if is_mapping(functions):
        yield from ((("functions", key), key) for key in functions)
    for index, part in enumerate(functions if is_list(functions) else ()):
        several = variables.value(part, ("functions", index)) if isinstance(part, str) else part
        yield from ((("functions", index, key), key) for key in several or ())


def stack_of(variables: Variables) -> str:
    """Return the name of the stack that the framework deploys.

    Raises:
        MisreadError: The file has no service, or its name cannot be known here.
    """
    service = variables.at("service")
    name = service.get("name") if is_mapping(service) else service
    if not name:
        raise TemplateError(variables.document.spot("service"), "no service: its name is part of every function's")
    return f"{name}-{variables.stage}"


def names_of(variables: Variables) -> Iterator[tuple[str, str]]:
    """Yield each function's key and name."""
    stack = stack_of(variables)
    for path, key in functions_of(variables):
        yield key, str(variables.at(*path, "name") or f"{stack}-{key}")


def resources_of(variables: Variables, names: Mapping[str, str]) -> Document:
    """Compose the template that the framework would deploy, as far as values may refer to it."""
    own = variables.document.get("resources")
    parts = own if is_list(own) else [own]
    resources: dict[str, Any] = {}
    for part in parts:
        tree = variables.value(part, ("resources",)) if isinstance(part, str) else part
        resources |= tree.get("Resources") or {} if is_mapping(tree) else {}
    for key, name in names.items():
        logical_id = f"{_normalized(key)}LambdaFunction"
        resources[logical_id] = {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": name}}
    return Document(variables.document.source, {"Resources": variables.value(resources, ("resources", "Resources"))})


def _normalized(key: str) -> str:
    """Write a function's key as the framework does in logical ids.

    >>> _normalized("charge-card_now")
    'ChargeDashcardUnderscorenow'
    """
    name = key.replace("-", "Dash").replace("_", "Underscore")
    return name[:1].upper() + name[1:]
