"""How a client finds the deployed name: its resolver, from the text of the code."""

from __future__ import annotations

import ast
from functools import partial

from lambdachain import resolvers

from .evaluator import Evaluator
from .results import AS_IT_IS, Resolution, UnresolvedError
from .scopes import Scope
from .values import NOT_FOLLOWED, Constant, Function, Resolver, Table, Value, Values, texts, unknowns


def resolution_of(evaluation: Evaluator, value: Value, expr: ast.expr, scope: Scope) -> Resolution:
    """Return the resolution of a client that is made with ``resolve=``."""
    match value:
        case Constant(None):
            return AS_IT_IS
        case Resolver(resolution):
            return resolution
        case Function(inner):
            return Resolution(partial(_applied, evaluation, inner), str(inner.place(inner.node)))
        case _:
            why = unknowns([value]) or (f"resolve={ast.unparse(expr)} is worked out at run time",)
            return undecided(f"{why[0]} (the resolver at {scope.place(expr)})")


def _applied(evaluation: Evaluator, function: Scope, name: str) -> str:
    match evaluation.applied(function, name):
        case (Constant(str(text)),):
            return text
        case values:
            why = next(iter(unknowns(values)), "more than one name is possible")
            raise UnresolvedError(f"the resolver at {function.place(function.node)}: {why}")


def undecided(why: str) -> Resolution:
    """Return one that tells of no name what it is deployed as."""

    def resolve(_name: str) -> str:
        raise UnresolvedError(why)

    return Resolution(resolve, why)


def prefix(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.prefix`` gives."""
    given = evaluation.values(node.args[0], scope) if node.args else NOT_FOLLOWED
    found = [Resolver(Resolution(resolvers.prefix(text), f"prefix({text!r})")) for text in texts(given)]
    return (*found, *(Resolver(undecided(why)) for why in unknowns(given)))


def mapping(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.mapping`` gives."""
    match evaluation.values(node.args[0], scope) if node.args else ():
        case (Table(entries),) if all(len(texts(values)) == len(values) == 1 for _, values in entries):
            names = {name: texts(values)[0] for name, values in entries}
            return (Resolver(Resolution(resolvers.mapping(names), f"mapping({names!r})")),)
        case _:
            why = f"the mapping at {scope.place(node)} is worked out at run time"
            return (Resolver(undecided(why)),)


def from_env(evaluation: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``lambdachain.resolvers.from_env`` gives."""
    patterns = evaluation.values(node.args[0], scope) if node.args else (Constant(resolvers.VARIABLE),)
    found = [
        Resolver(Resolution(partial(_by_variable, evaluation, one), f"from_env({one!r})")) for one in texts(patterns)
    ]
    return (*found, *(Resolver(undecided(why)) for why in unknowns(patterns)))


def _by_variable(evaluation: Evaluator, pattern: str, name: str) -> str:
    key = resolvers.variable_of(name, pattern)
    if key not in evaluation.environment:
        raise UnresolvedError(f"the environment variable {key} names {name}: give --env {key}=NAME")
    return evaluation.environment[key]
