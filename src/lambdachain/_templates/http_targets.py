"""The functions that routes and authorizers of HTTP APIs invoke, and the resources that they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lambdachain._core.arn import parse_target
from lambdachain._core.errors import InvalidArnError
from lambdachain._core.type_guards import is_list, is_mapping

from .template import Template

_INVOCATION_URI: Final = re.compile(r"functions/(?P<arn>[^/]+)/invocations")
_PLACEHOLDER: Final = re.compile(r"\$\{([A-Za-z0-9]+)[^}]*\}")


def read_target(template: Template, *path: str | int) -> tuple[str, str | None] | None:
    """Return the name and the qualifier of the function at *path*: an ARN, a name, or the URI of an integration.

    Returns:
        ``None`` if it is something else than a function.

    Raises:
        TemplateError: It cannot be resolved on this machine.
    """
    value = template.values.get(*path)
    return parse_target_text("" if value is None else str(value))


def parse_target_text(text: str) -> tuple[str, str | None] | None:
    """Return the name and the qualifier of the function in an ARN, a name, or the URI of an integration."""
    if match := _INVOCATION_URI.search(text):
        text = match["arn"]
    try:
        target = parse_target(text)
    except InvalidArnError:
        return None
    return target.name, target.qualifier


def referenced_ids(tree: Any) -> Iterator[str]:
    """Yield the logical ids that a tree refers to, by ``Ref``, ``Fn::GetAtt`` or ``Fn::Sub``."""
    if is_list(tree):
        for item in tree:
            yield from referenced_ids(item)
    if not is_mapping(tree):
        return
    for name, argument in tree.items():
        if name == "Ref":
            yield str(argument)
        elif name == "Fn::GetAtt":
            yield str(argument[0] if is_list(argument) else argument).split(".", 1)[0]
        elif name == "Fn::Sub":
            yield from _PLACEHOLDER.findall(str(argument[0] if is_list(argument) else argument))
            yield from referenced_ids(argument)
        else:
            yield from referenced_ids(argument)
