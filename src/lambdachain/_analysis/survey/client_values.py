"""Evaluate clients: ``LambdaClient(...)``, subclasses of it in the code, and ``bind``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import product

from . import classes
from .contract_values import get_contract
from .evaluator import Evaluator
from .name_resolution import evaluate_resolver, make_unresolved
from .results import UNCHANGED_NAME
from .scopes import Scope, get_keyword
from .syntax import evaluate_keywords
from .values import (
    BoundFunctionValue,
    ClientValue,
    Constant,
    FunctionValue,
    Unresolved,
    Value,
    Values,
    unresolved_reasons,
)


def evaluate_client(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``LambdaClient(...)`` may be: one client for each possible resolver."""
    expr = get_keyword(node, "resolve")
    if expr is not None:
        resolvers = evaluator.evaluate(expr, scope)
        return tuple(ClientValue(evaluate_resolver(evaluator, value, expr, scope)) for value in resolvers)
    if any(keyword.arg is None for keyword in node.keywords):
        return (ClientValue(make_unresolved("a resolver may be in the ** of the client's arguments")),)
    return (ClientValue(UNCHANGED_NAME),)


def evaluate_client_subclass(evaluator: Evaluator, inner: Scope, node: ast.Call, scope: Scope) -> Values:
    """Return the client that an object of a subclass is; nothing for any other class."""
    if not classes.is_client_class(evaluator, inner):
        return ()
    constructor = classes.find_constructor(evaluator, inner)
    if constructor is None:
        return evaluate_client(evaluator, node, scope)
    # Its own ``__init__`` may pass anything to ``super().__init__``.
    location = constructor.locate(constructor.node)
    return (ClientValue(make_unresolved(f"the __init__ at {location} may choose a resolver")),)


def evaluate_bind(
    evaluator: Evaluator, receiver: ClientValue | FunctionValue, node: ast.Call, scope: Scope
) -> Iterator[Value]:
    """Yield what ``client.bind(contract, address)`` or ``handler.bind(address)`` may be."""
    options = evaluate_keywords(evaluator, node, scope)
    own = receiver.contract if isinstance(receiver, FunctionValue) else None
    resolution = receiver.resolution if isinstance(receiver, ClientValue) else UNCHANGED_NAME
    arguments = [evaluator.evaluate(argument, scope) for argument in node.args]
    contracts = arguments.pop(0) if own is None and arguments else ()
    addresses = arguments[0] if arguments else (Constant(None),)
    for contract, address in product((own,) if own else map(get_contract, contracts), addresses):
        if contract is None:
            yield Unresolved("its contract is computed at run time")
        elif isinstance(address, Constant) and (address.value is None or isinstance(address.value, str)):
            yield BoundFunctionValue(contract, address.value, resolution, options)
        else:
            yield Unresolved(*unresolved_reasons([address]) or ("the address passed to bind is computed at run time",))
