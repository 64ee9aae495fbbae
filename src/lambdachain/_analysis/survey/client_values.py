"""Evaluate clients: ``LambdaClient(...)``, subclasses of it in the code, ``bind``, and a transport over queues."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Final

from . import classes
from .contract_values import get_contract
from .evaluator import Evaluator
from .name_resolution import evaluate_resolver, make_unresolved
from .results import UNCHANGED_NAME, Resolution, RoutedQueue
from .scopes import Scope, get_keyword
from .syntax import CLIENTS, evaluate_keywords
from .values import (
    UNRESOLVED,
    BoundFunctionValue,
    ClientValue,
    Constant,
    FunctionValue,
    QueueRouteValue,
    QueueTransportValue,
    Unresolved,
    Value,
    Values,
    get_elements,
    unresolved_reasons,
)


def evaluate_client(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``LambdaClient(...)`` may be: one client for each possible resolver and transport."""
    return tuple(
        ClientValue(replace(resolution, queues=queues) if queues else resolution)
        for resolution in _evaluate_resolution(evaluator, node, scope)
        for queues in _evaluate_queues(evaluator, node, scope)
    )


def _evaluate_resolution(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Iterator[Resolution]:
    expr = get_keyword(node, "resolve")
    if expr is not None:
        for value in evaluator.evaluate(expr, scope):
            yield evaluate_resolver(evaluator, value, expr, scope)
    elif any(keyword.arg is None for keyword in node.keywords):
        yield make_unresolved("a resolver may be in the ** of the client's arguments")
    else:
        yield UNCHANGED_NAME


def _evaluate_queues(evaluator: Evaluator, node: ast.Call, scope: Scope) -> tuple[tuple[RoutedQueue, ...], ...]:
    """Return the queues of each transport that a client may have; of most transports, none."""
    expr = get_keyword(node, "transport") or next(iter(node.args), None)
    values = () if expr is None or isinstance(expr, ast.Starred) else evaluator.evaluate(expr, scope)
    found = [value.queues if isinstance(value, QueueTransportValue) else () for value in values]
    return tuple(dict.fromkeys(found)) or ((),)


def evaluate_queue_transport(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``SqsTransport(route, ...)`` is: a route that is unresolved may be that of any contract."""
    queues: list[RoutedQueue] = []
    for argument in node.args:
        is_starred = isinstance(argument, ast.Starred)
        values = evaluator.evaluate(argument.value if isinstance(argument, ast.Starred) else argument, scope)
        for value in get_elements(values) if is_starred else values:
            unknown = next(iter(unresolved_reasons([value])), "a route is computed at run time")
            queues.append(value.queue if isinstance(value, QueueRouteValue) else RoutedQueue("", None, unknown))
    return (QueueTransportValue(tuple(dict.fromkeys(queues))),)


def evaluate_queue_route(evaluator: Evaluator, node: ast.Call, scope: Scope) -> Values:
    """Return what ``QueueRoute(contract, url)`` may be."""
    given = [evaluator.evaluate(argument, scope) for argument in node.args]
    named = dict(evaluate_keywords(evaluator, node, scope, {}).entries)
    contracts = given[0] if given else named.get("contract", UNRESOLVED)
    urls = given[1] if len(given) > 1 else named.get("queue_url", UNRESOLVED)
    return tuple(QueueRouteValue(_make_queue(contract, url)) for contract, url in product(contracts, urls))


def _make_queue(contract: Value, url: Value) -> RoutedQueue:
    declared = get_contract(contract)
    if isinstance(url, Constant) and isinstance(url.value, str):
        return RoutedQueue(declared.function if declared else "", url.value)
    why = next(iter(unresolved_reasons([url])), "its URL is computed at run time")
    return RoutedQueue(declared.function if declared else "", None, why)


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


CLIENT_FUNCTIONS: Final[Mapping[str, Callable[[Evaluator, ast.Call, Scope], Values]]] = {
    **dict.fromkeys(CLIENTS, evaluate_client),
    "lambdachain.sqs.QueueRoute": evaluate_queue_route,
    "lambdachain.sqs.SqsTransport": evaluate_queue_transport,
}
