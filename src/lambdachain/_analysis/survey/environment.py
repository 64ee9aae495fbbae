"""Environment variables: a value from ``--env``, or a reason that names the option to add."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final

from .project import Project
from .scopes import last_name
from .values import UNRESOLVED, Constant, Unresolved, Values, string_constants, union, unresolved_reasons

OWN_NAME: Final = "AWS_LAMBDA_FUNCTION_NAME"
# Attributes of Lambda's context object, by the names that handlers give to that parameter.
_OWN_NAME_ATTRIBUTES: Final = ("function_name", "invoked_function_arn")
_CONTEXT: Final = re.compile(r"_*(aws_|lambda_)?(context|ctx)_*")


def read_variables(environment: Mapping[str, str], names: Values) -> Values:
    """Return what the environment variables of some names may hold.

    The default of ``os.getenv(name, default)`` is not among them: it would be a guess at what Lambda's configuration
    holds.
    """
    known = union(read_variable(environment, name) for name in string_constants(names))
    reasons = unresolved_reasons(names)
    return (*known, *(Unresolved(f"the name of the environment variable is unknown: {why}") for why in reasons)) or (
        UNRESOLVED
    )


def read_variable(environment: Mapping[str, str], name: str) -> Values:
    """Return the value of an environment variable, or what to do to make it known."""
    if name in environment:
        return (Constant(environment[name]),)
    if name == OWN_NAME:
        return (Unresolved("it is the name of the function that runs this code: the function invokes itself", name),)
    return (Unresolved(explain_missing(name), name),)


def may_read_own_name(project: Project) -> bool:
    """Check whether the code may read the name of the function that it runs in."""
    return any(project.mentions(word) for word in (OWN_NAME, *_OWN_NAME_ATTRIBUTES))


def read_own_name(environment: Mapping[str, str]) -> Values:
    """Return the name of the function that runs the code, as far as it is known."""
    return read_variable(environment, OWN_NAME)


def is_own_function_name(node: ast.Attribute) -> bool:
    """Check whether an attribute is the function's own name or ARN: ``context.function_name``."""
    # No other object has an attribute of the second name.
    is_context = node.attr == _OWN_NAME_ATTRIBUTES[1] or _CONTEXT.fullmatch(last_name(node.value)) is not None
    return node.attr in _OWN_NAME_ATTRIBUTES and is_context


def explain_missing(name: str, value: str = "VALUE") -> str:
    """Describe how to supply an environment variable.

    >>> explain_missing("TARGET")
    'it depends on the environment variable TARGET: add --env TARGET=VALUE'
    """
    return f"it depends on the environment variable {name}: add --env {name}={value}"
