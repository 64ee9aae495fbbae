"""How a client finds the deployed name: its resolver, from the text of the code."""

from __future__ import annotations

import ast
from functools import partial

from lambdachain import resolvers

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
    """Return the resolution of a client that is made with ``resolve=``."""
    match value:
        case Constant(None):
            return UNCHANGED_NAME
        case ResolverValue(resolution):
            return resolution
        case FunctionValue(inner):
            return Resolution(partial(_applied, evaluator, inner), str(inner.locate(inner.node)))
        case _:
            why = unresolved_reasons([value]) or (f"resolve={ast.unparse(expr)} is worked out at run time",)
            return undecided(f"{why[0]} (the resolver at {scope.locate(expr)})")


def _applied(evaluator: Evaluator, function: Scope, name: str) -> str:
    match evaluator.apply_to_string(function, name):
        case (Constant(str(text)),):
            return text
        case values:
            why = next(iter(unresolved_reasons(values)), "more than one name is possible")
            raise UnresolvedError(f"the resolver at {function.locate(function.node)}: {why}")


def undecided(why: str) -> Resolution:
    """Return one that tells of no name what it is deployed as."""

    def resolve(_name: str) -> str:
        raise UnresolvedError(why)

    return Resolution(resolve, why)


def prefix(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.prefix`` gives."""
    given = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    found = [ResolverValue(Resolution(resolvers.prefix(text), f"prefix({text!r})")) for text in string_constants(given)]
    return (*found, *(ResolverValue(undecided(why)) for why in unresolved_reasons(given)))


def mapping(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.mapping`` gives."""
    match evaluator.evaluate(node.args[0], scope) if node.args else ():
        case (MappingValue(entries),) if all(
            len(string_constants(values)) == len(values) == 1 for _, values in entries
        ):
            names = {name: string_constants(values)[0] for name, values in entries}
            return (ResolverValue(Resolution(resolvers.mapping(names), f"mapping({names!r})")),)
        case _:
            why = f"the mapping at {scope.locate(node)} is worked out at run time"
            return (ResolverValue(undecided(why)),)


def from_env(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.from_env`` gives."""
    patterns = evaluator.evaluate(node.args[0], scope) if node.args else (Constant(resolvers.VARIABLE),)
    found = [
        ResolverValue(Resolution(partial(_by_variable, evaluator, one), f"from_env({one!r})"))
        for one in string_constants(patterns)
    ]
    return (*found, *(ResolverValue(undecided(why)) for why in unresolved_reasons(patterns)))


def _by_variable(evaluator: Evaluator, pattern: str, name: str) -> str:
    key = resolvers.variable_of(name, pattern)
    if key not in evaluator.environment:
        raise UnresolvedError(f"the environment variable {key} names {name}: give --env {key}=NAME")
    return evaluator.environment[key]
