"""Evaluate the resolver of a client: how a contract's name becomes the name that is deployed."""

from __future__ import annotations

import ast
from functools import partial

from lambdachain import resolvers

from .environment import explain_missing
from .evaluator import Evaluator
from .results import UNCHANGED_NAME, Resolution, UnresolvedError
from .scopes import Scope
from .values import (
    UNRESOLVED,
    Constant,
    FunctionValue,
    MappingValue,
    ResolverValue,
    Value,
    Values,
    string_constants,
    unresolved_reasons,
)


def evaluate_resolver(evaluator: Evaluator, value: Value, expr: ast.expr, scope: Scope) -> Resolution:
    """Return how a client resolves names that is created with ``resolve=``."""
    match value:
        case Constant(None):
            return UNCHANGED_NAME
        case ResolverValue(resolution):
            return resolution
        case FunctionValue(inner):
            return Resolution(partial(_call_resolver, evaluator, inner), str(inner.locate(inner.node)))
        case _:
            why = unresolved_reasons([value]) or (f"resolve={ast.unparse(expr)} is computed at run time",)
            return make_unresolved(f"{why[0]} (the resolver at {scope.locate(expr)})")


def make_unresolved(why: str) -> Resolution:
    """Return a resolution that raises ``UnresolvedError`` for every name."""

    def resolve(_name: str) -> str:
        raise UnresolvedError(why)

    return Resolution(resolve, why)


def evaluate_prefix(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.prefix(...)`` may be."""
    prefixes = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    found = [
        ResolverValue(Resolution(resolvers.prefix(text), f"prefix({text!r})")) for text in string_constants(prefixes)
    ]
    return (*found, *(ResolverValue(make_unresolved(why)) for why in unresolved_reasons(prefixes)))


def evaluate_mapping(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.mapping(...)`` may be."""
    match evaluator.evaluate(node.args[0], scope) if node.args else ():
        # Each name has exactly one value, and that is a string: otherwise two deployed names would be possible.
        case (MappingValue(entries),) if all(len(string_constants(one)) == len(one) == 1 for _, one in entries):
            names = {name: string_constants(values)[0] for name, values in entries}
            return (ResolverValue(Resolution(resolvers.mapping(names), f"mapping({names!r})")),)
        case _:
            why = f"the mapping at {scope.locate(node)} is computed at run time"
            return (ResolverValue(make_unresolved(why)),)


def evaluate_from_env(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.from_env(...)`` may be."""
    patterns = evaluator.evaluate(node.args[0], scope) if node.args else (Constant(resolvers.VARIABLE),)
    found = [
        ResolverValue(Resolution(partial(_resolve_from_env, evaluator, pattern), f"from_env({pattern!r})"))
        for pattern in string_constants(patterns)
    ]
    return (*found, *(ResolverValue(make_unresolved(why)) for why in unresolved_reasons(patterns)))


def _call_resolver(evaluator: Evaluator, function: Scope, name: str) -> str:
    """Resolve a name by a function in the code, which is evaluated, not run."""
    match evaluator.apply_to_string(function, name):
        case (Constant(str(text)),):
            return text
        case values:
            why = next(iter(unresolved_reasons(values)), "more than one name is possible")
            raise UnresolvedError(f"the resolver at {function.locate(function.node)}: {why}")


def _resolve_from_env(evaluator: Evaluator, pattern: str, name: str) -> str:
    variable = resolvers.variable_for(name, pattern)
    if variable not in evaluator.environment:
        raise UnresolvedError(f"the deployed name of {name} is unknown: {explain_missing(variable, 'NAME')}")
    return evaluator.environment[variable]
