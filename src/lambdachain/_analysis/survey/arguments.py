"""What one call passes to a function: its arguments, bound to the function's parameters as Python binds them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain

from . import classes
from .evaluator import Evaluator
from .scopes import Scope, get_parameters
from .values import (
    UNRESOLVED,
    Arguments,
    CollectionValue,
    FunctionValue,
    MappingValue,
    Unresolved,
    Values,
    get_elements,
    union,
    unresolved_reasons,
)


def evaluate_arguments(evaluator: Evaluator, call: ast.Call, scope: Scope, start: int = 0) -> Arguments:
    """Return what a call passes, from the argument at *start* on."""
    positional: list[Values] = []
    has_unknown_positions = False
    for argument in call.args[start:]:
        if not isinstance(argument, ast.Starred):
            positional.append(evaluator.evaluate(argument, scope))
            continue
        match evaluator.evaluate(argument.value, scope):
            case (CollectionValue(ordered=tuple(ordered)),):
                positional += ordered
            case _:
                # From here on the positions are unknown, so what follows is not bound to a parameter.
                has_unknown_positions = True
                break
    keywords: dict[str, Values] = {}
    has_unknown_keywords = False
    for keyword in call.keywords:
        values = evaluator.evaluate(keyword.value, scope)
        if keyword.arg is not None:
            keywords[keyword.arg] = values
        elif len(values) == 1 and isinstance(values[0], MappingValue):
            keywords |= dict(values[0].entries)
        else:
            has_unknown_keywords = True
    return Arguments(tuple(positional), tuple(keywords.items()), has_unknown_positions, has_unknown_keywords)


def add_partial(function: FunctionValue, arguments: Arguments) -> FunctionValue:
    """Return a function with some arguments added to those that its calls pass."""
    return replace(function, partial=_merge(function.partial, arguments))


def _merge(first: Arguments, second: Arguments) -> Arguments:
    return Arguments(
        (*first.positional, *(() if first.has_unknown_positions else second.positional)),
        tuple({**dict(first.keywords), **dict(second.keywords)}.items()),
        first.has_unknown_positions or second.has_unknown_positions,
        first.has_unknown_keywords or second.has_unknown_keywords,
    )


def bind_arguments(evaluator: Evaluator, function: FunctionValue, arguments: Arguments) -> Mapping[str, Values]:
    """Return what each parameter holds when a function is called with *arguments*.

    A decorator may have changed the signature, so an argument that does not fit is ignored, and a parameter without a
    value is unresolved.
    """
    passed = _merge(function.partial, arguments)
    scope = function.scope
    parameters = get_parameters(scope.node)
    names = [one.arg for one in [*parameters.posonlyargs, *parameters.args]]
    receiver = (function.receiver,) if function.receiver is not None else ()
    positional = [*((one,) for one in receiver), *passed.positional]
    keywords = dict(passed.keywords)
    bound = dict(zip(names, positional, strict=False))
    for name in [*names[len(bound) :], *(one.arg for one in parameters.kwonlyargs)]:
        is_hidden = passed.has_unknown_keywords or (passed.has_unknown_positions and name in names)
        bound[name] = keywords.pop(name, ()) or _evaluate_default(evaluator, function, name, is_hidden=is_hidden)
    if parameters.vararg is not None:
        rest = tuple(positional[len(names) :])
        is_known = not passed.has_unknown_positions
        bound[parameters.vararg.arg] = (CollectionValue(union(rest), rest),) if is_known else UNRESOLVED
    if parameters.kwarg is not None:
        is_known = not passed.has_unknown_keywords
        bound[parameters.kwarg.arg] = (MappingValue(tuple(keywords.items())),) if is_known else UNRESOLVED
    # No value at all is what a cycle evaluates to while it is evaluated: it must not pass for a call without a target.
    return {name: _refine(evaluator, scope, name, values or UNRESOLVED) for name, values in bound.items()}


def bind_unknown(evaluator: Evaluator, function: FunctionValue, why: str) -> Mapping[str, Values]:
    """Return what each parameter holds when code that is not in sight calls a function."""
    scope = function.scope
    parameters = get_parameters(scope.node)
    named = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    rest = [one for one in (parameters.vararg, parameters.kwarg) if one is not None]
    bound: dict[str, Values] = {one.arg: (Unresolved(why.format(one.arg)),) for one in [*named, *rest]}
    given = bind_arguments(evaluator, replace(function, partial=Arguments()), function.partial)
    # What partial() has set, it has set for every caller; the defaults are not known to hold.
    known = {*dict(function.partial.keywords), *[one.arg for one in named][: len(function.partial.positional)]}
    bound |= {name: values for name, values in given.items() if name in known}
    receiver = classes.get_receiver_type(scope)
    if named and receiver is not None and scope.owner is not None:
        bound[named[0].arg] = (function.receiver or receiver(scope.owner),)
    return {name: _refine(evaluator, scope, name, values) for name, values in bound.items()}


def _evaluate_default(evaluator: Evaluator, function: FunctionValue, name: str, *, is_hidden: bool) -> Values:
    default = get_default(function.scope, name)
    if is_hidden:
        return UNRESOLVED
    if default is None:
        return (Unresolved(f"it is the parameter {name!r} of {function.scope.name}"),)
    with evaluator.in_frame(function.frame):
        return evaluator.evaluate(default, function.scope.parent or function.scope)


def get_default(scope: Scope, name: str) -> ast.expr | None:
    """Return the default of a parameter."""
    arguments = get_parameters(scope.node)
    positional = [*arguments.posonlyargs, *arguments.args]
    # Defaults belong to the last positional parameters, so pair them from the end.
    by_position = zip(reversed(positional), reversed(arguments.defaults), strict=False)
    by_keyword = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return next((default for arg, default in chain(by_position, by_keyword) if arg.arg == name), None)


def _refine(evaluator: Evaluator, scope: Scope, name: str, values: Values) -> Values:
    """Return what an annotation reveals, if the values do not determine a parameter."""
    if not unresolved_reasons(values):
        return values
    parameters = get_parameters(scope.node)
    named = [*parameters.posonlyargs, *parameters.args, *parameters.kwonlyargs]
    annotation = next((one.annotation for one in named if one.arg == name), None)
    return evaluator.evaluate_annotation(annotation, scope.parent) or values


def get_items(values: Values) -> Arguments:
    """Return the arguments that a tuple or list of them passes, as in ``Thread(args=(name,))``."""
    match values:
        case (CollectionValue(ordered=tuple(ordered)),):
            return Arguments(ordered)
        case (CollectionValue(items),) if len(items) < 2:
            return Arguments(tuple((one,) for one in items))
        case _:
            return Arguments(has_unknown_positions=True)


def get_each(iterables: list[Values]) -> Arguments:
    """Return the arguments that ``map(function, *iterables)`` passes in turn."""
    return Arguments(tuple(get_elements(one) for one in iterables))
