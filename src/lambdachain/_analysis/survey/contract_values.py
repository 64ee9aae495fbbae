"""Evaluate ``Contract(...)`` and ``@remote(...)`` to the contracts that they declare."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

from lambdachain._contracts.contract import split_qualifier
from lambdachain._core.errors import InvalidArnError

from .evaluator import Evaluator
from .results import DeclaredContract, SourceSchema, UnresolvedError
from .scopes import Scope, get_parameters
from .syntax import evaluate_keywords
from .values import (
    UNRESOLVED,
    BoundFunctionValue,
    ClassValue,
    Constant,
    ContractValue,
    DecoratorValue,
    FunctionValue,
    MappingValue,
    Unresolved,
    Value,
    Values,
    get_elements,
    unresolved_reasons,
)


def get_contract(value: Value) -> DeclaredContract | None:
    """Return the contract that a value is or has: a contract, a handler, or a bound function."""
    match value:
        case ContractValue(contract) | FunctionValue(contract=DeclaredContract() as contract):
            return contract
        case BoundFunctionValue(contract=contract):
            return contract
        case _:
            return None


def evaluate_contract(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``Contract(name, request=..., response=...)`` may be: one contract for each possible name."""
    keywords = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg is not None}
    types = {name: keywords[name] for name in ("request", "response") if name in keywords}
    options = evaluate_keywords(evaluator, node, scope)
    names = evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED
    declare = _contract_factory(evaluator, node, scope, options, types)
    return tuple(one if isinstance(one, Unresolved) else ContractValue(one) for one in declare(names))


def evaluate_remote(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return the decorators that ``remote(...)`` may be."""
    found: list[Value] = []
    options = evaluate_keywords(evaluator, node, scope)
    for value in evaluator.evaluate(node.args[0], scope) if node.args else UNRESOLVED:
        if isinstance(value, ContractValue):
            found.append(DecoratorValue(partial(_ignore_function, value.contract)))
        elif isinstance(value, Constant) and isinstance(value.value, str):
            found.append(_make_decorator(evaluator, value, node, scope, options))
        else:
            reasons = unresolved_reasons([value])
            found.append(Unresolved(*reasons or ("the argument of remote() is computed at run time",)))
    return tuple(found)


def _contract_factory(
    evaluator: Evaluator, node: ast.AST, scope: Scope, options: MappingValue, types: Mapping[Any, ast.expr]
) -> Callable[[Values], Iterator[DeclaredContract | Unresolved]]:
    """Return a function that makes contracts of names, with the options and types of one declaration."""
    location = scope.locate(node)
    # Schemas are read only when two contracts are compared: most surveys need none.
    schemas: dict[str, Callable[[], SourceSchema]] = {
        name: partial(evaluator.read_schema, expr, scope) for name, expr in types.items()
    }
    idempotent = _get_boolean(options.get("idempotent") or (Constant(False),))  # noqa: FBT003 - a value in the code
    offloads = options.get("offload") not in (None, (Constant(None),))
    errors, base = _get_error_names(options), scope.source.base

    def declare(names: Values) -> Iterator[DeclaredContract | Unresolved]:
        for name, qualifier in product(names, options.get("qualifier") or (Constant(None),)):
            if reasons := unresolved_reasons([name, qualifier]):
                yield Unresolved(f"the contract at {location} is unresolved: {reasons[0]}")
                continue
            try:
                function, own = split_qualifier(_get_string(name), _get_string(qualifier) or None, InvalidArnError)
            except InvalidArnError as exc:
                yield Unresolved(f"the contract at {location}: {exc}")
                continue
            yield DeclaredContract(function, own and str(own), idempotent, errors, offloads, location, base, schemas)

    return declare


def _get_boolean(values: Values) -> bool | None:
    """Return a boolean; ``None`` if it is decided at run time."""
    match values:
        case (Constant(value),):
            return bool(value)
        case _:
            return None


def _get_string(value: Value) -> str:
    return value.value if isinstance(value, Constant) and isinstance(value.value, str) else ""


def _get_error_names(options: MappingValue) -> tuple[str, ...]:
    errors = get_elements(options.get("errors") or ())
    return tuple(sorted(value.scope.short_name for value in errors if isinstance(value, ClassValue)))


def _ignore_function(contract: DeclaredContract, _function: FunctionValue) -> DeclaredContract:
    return contract


def _make_decorator(evaluator: Evaluator, name: Constant, node: ast.Call, scope: Scope, options: MappingValue) -> Value:
    """Return the decorator ``remote("name")``, which takes the types from the annotations of the function."""

    def make(function: FunctionValue) -> DeclaredContract:
        types = _get_annotations(function.scope)
        declared = next(_contract_factory(evaluator, node, function.scope, options, types)((name,)))
        if isinstance(declared, Unresolved):  # pragma: no cover - checked below, without types
            raise UnresolvedError(declared.why)
        return declared

    # The types play no part in whether the name is valid, so check that before there is a function.
    checked = next(_contract_factory(evaluator, node, scope, options, {})((name,)))
    return checked if isinstance(checked, Unresolved) else DecoratorValue(make)


def _get_annotations(scope: Scope) -> dict[str, ast.expr]:
    arguments = get_parameters(scope.node)
    first = next(iter([*arguments.posonlyargs, *arguments.args]), None)
    types = {"request": first.annotation if first else None, "response": getattr(scope.node, "returns", None)}
    return {name: expr for name, expr in types.items() if expr is not None}
