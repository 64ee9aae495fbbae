"""Evaluate the resolver of a client: how a contract's name becomes the name that is deployed."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial

from lambdachain import resolvers

from .contract_values import get_contract
from .environment import explain_missing
from .evaluator import Evaluator
from .results import UNCHANGED_NAME, Resolution, UnresolvedError
from .scopes import Assignment, Scope
from .values import (
    UNRESOLVED,
    Constant,
    FunctionValue,
    MappingValue,
    ResolverValue,
    Unresolved,
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
    if node.args and (found_dict := _find_dict(node.args[0], scope)) is not None:
        return (ResolverValue(_read_variables_by_name(evaluator, *found_dict)),)
    patterns = evaluator.evaluate(node.args[0], scope) if node.args else (Constant(resolvers.VARIABLE),)
    found = [
        ResolverValue(Resolution(partial(_resolve_from_env, evaluator, pattern), f"from_env({pattern!r})"))
        for pattern in string_constants(patterns)
    ]
    unresolved = [ResolverValue(make_unresolved(why)) for why in unresolved_reasons(patterns)]
    if any(not isinstance(value, Constant | Unresolved) for value in patterns):
        why = f"the variables in from_env(...) at {scope.locate(node)} are computed at run time"
        unresolved.append(ResolverValue(make_unresolved(why)))
    return (*found, *unresolved)


def _find_dict(expr: ast.expr, scope: Scope) -> tuple[ast.Dict, Scope] | None:
    """Return a mapping that is written as one, here or where the only binding of its name is."""
    if isinstance(expr, ast.Dict):
        return expr, scope
    match scope.lookup(expr.id) if isinstance(expr, ast.Name) else []:
        case [(Assignment(ast.Dict() as node), home)]:
            return node, home
        case _:
            return None


def _call_resolver(evaluator: Evaluator, function: Scope, name: str) -> str:
    """Resolve a name by a function in the code, which is evaluated, not run."""
    match evaluator.apply_to_string(function, name):
        case (Constant(str(text)),):
            return text
        case values:
            why = next(iter(unresolved_reasons(values)), "more than one name is possible")
            raise UnresolvedError(f"the resolver at {function.locate(function.node)}: {why}")


def _read_variables_by_name(evaluator: Evaluator, node: ast.Dict, scope: Scope) -> Resolution:
    """Return how ``from_env({charge: "CHARGE_FN"})`` resolves names: its keys are contracts, handlers or names."""
    variables: dict[str, str] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        names = [_get_name(one) for one in evaluator.evaluate(key, scope)] if key is not None else [None]
        variable = evaluator.evaluate_string(value, scope)
        if variable is None or len(names) != 1 or names[0] is None:
            text = "**" if key is None else ast.unparse(key)
            return make_unresolved(f"the variable of {text} in the mapping at {scope.locate(node)} is unresolved")
        variables[names[0]] = variable
    return _make_env_resolution(evaluator, variables)


def _get_name(value: Value) -> str | None:
    contract = get_contract(value)
    if contract is not None:
        return contract.function
    return value.value if isinstance(value, Constant) and isinstance(value.value, str) else None


def _make_env_resolution(evaluator: Evaluator, variables: Mapping[str, str]) -> Resolution:
    def resolve(name: str) -> str:
        # As ``from_env`` does: a name that is not in the mapping has the variable that is named after it.
        return _resolve_from_env(evaluator, variables.get(name) or resolvers.VARIABLE, name)

    return Resolution(resolve, f"from_env({dict(sorted(variables.items()))!r})")


def _resolve_from_env(evaluator: Evaluator, pattern: str, name: str) -> str:
    variable = resolvers.variable_for(name, pattern)
    if variable not in evaluator.environment:
        raise UnresolvedError(f"the deployed name of {name} is unknown: {explain_missing(variable, 'NAME')}")
    return evaluator.environment[variable]
