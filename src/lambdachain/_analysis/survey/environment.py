"""Environment variables: a value from ``--env``, or a reason that names the option to add."""

from __future__ import annotations

from collections.abc import Mapping

from .values import UNRESOLVED, Constant, Unresolved, Values, string_constants, union


def read_variables(environment: Mapping[str, str], names: Values) -> Values:
    """Return what the environment variables of some names may hold.

    The default of ``os.getenv(name, default)`` is not among them: it would be a guess at what Lambda's configuration
    holds.
    """
    return union(read_variable(environment, name) for name in string_constants(names)) or UNRESOLVED


def read_variable(environment: Mapping[str, str], name: str) -> Values:
    """Return the value of an environment variable, or what to do to make it known."""
    if name in environment:
        return (Constant(environment[name]),)
    return (Unresolved(explain_missing(name), name),)


def explain_missing(name: str, value: str = "VALUE") -> str:
    """Describe how to supply an environment variable.

    >>> explain_missing("TARGET")
    'it depends on the environment variable TARGET: add --env TARGET=VALUE'
    """
    return f"it depends on the environment variable {name}: add --env {name}={value}"
